//! Limits and timeouts of the router, in one place.

use std::time::Duration;

/// What a client and a task may take of the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A client that has sent no request for so long, since it connected or since its last answer, is disconnected:
    /// until its first request.
    pub first_request: Duration,
    /// For the handshake of TLS.
    pub handshake: Duration,
    /// Between two requests of a connection, the time in which the next head comes included.
    pub keep_alive: Duration,
    /// A connection of HTTP/1.1 that has waited for its next request for so long, or up to a second longer, gives its buffers
    /// back.
    pub park: Duration,
    /// Age at which a client's connection is ended, between two requests.
    pub connection_age: Duration,
    /// While the router ends, a client that sends no request for so long is disconnected.
    pub drain_idle: Duration,
    /// Once a client knows that its connection of HTTP/2 ends, streams that it had begun may come for so long.
    pub late_streams: Duration,
    /// Without a byte of a body in either direction for so long, an exchange is ended.
    pub body_idle: Duration,
    /// A client that takes nothing of an answer for so long, or up to twice as long, is disconnected; by HTTP/2, the
    /// stream is reset.
    pub taking: Duration,
    /// Without a byte in either direction for so long, a tunnel (WebSocket) is ended.
    pub tunnel_idle: Duration,
    /// For a connection to one task.
    pub connect: Duration,
    /// For the head of a task's answer, from the last byte of the request on.
    pub response_head: Duration,
    /// A connection to a task that is not used is closed after this time.
    pub upstream_idle: Duration,
    /// Connections that are kept for one task and worker, whatever they lead to there: so many of HTTP/1.1 that nobody uses, and
    /// so many of HTTP/2 that take more exchanges.
    pub upstream_kept: usize,
    /// Bytes that are read of a task before they are handed on: the longest head of an answer, and what a client that
    /// takes nothing makes the router hold.
    pub upstream_buffer: usize,
    /// Exchanges at a time of a connection to a task by HTTP/2, or as many as the task takes, if that is less; for more there
    /// is another connection.
    pub upstream_streams: usize,
    /// Bytes of an answer by HTTP/2 that a task may send before they are handed on.
    pub upstream_window: u32,
    /// Bytes of a request's head, HTTP/1.1 and HTTP/2 alike. It has 100 fields at most, as has that of a task's answer by HTTP/1.1:
    /// hyper's own limit, with which it reads heads without memory from the heap.
    pub head_bytes: u32,
    /// Streams at a time of an HTTP/2 connection.
    pub streams: u32,
    /// Bytes of a request's body that are kept until the task answers, so that the request can be sent to another one: most
    /// forms and calls of an API are shorter. Of a longer body nothing is kept.
    pub replayed: usize,
    /// Bytes of an answer that are kept for a stream of HTTP/2 until the client's socket takes them.
    pub stream_buffer: usize,
    /// Requests of all clients at a time of one worker: as many as connections, though one of HTTP/2 may have many. Each may
    /// have a connection to a task, which is an open file. One client address may have a quarter of them.
    pub requests: usize,
    /// Connections of clients at a time of one worker.
    pub connections: usize,
    /// Connections of one client address at a time of one worker.
    pub connections_of_address: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            first_request: Duration::from_secs(15),
            handshake: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            park: Duration::from_secs(2),
            connection_age: Duration::from_secs(3600),
            drain_idle: Duration::from_secs(20),
            late_streams: Duration::from_secs(1),
            body_idle: Duration::from_secs(60),
            taking: Duration::from_secs(30),
            tunnel_idle: Duration::from_secs(3600),
            connect: Duration::from_secs(1),
            response_head: Duration::from_secs(60),
            upstream_idle: Duration::from_secs(30),
            upstream_kept: 64,
            upstream_buffer: 32 << 10,
            upstream_streams: 100,
            upstream_window: 128 << 10,
            head_bytes: 32 << 10,
            streams: 128,
            replayed: 16 << 10,
            stream_buffer: 32 << 10,
            requests: 20_000,
            connections: 20_000,
            connections_of_address: 1_000,
        }
    }
}
