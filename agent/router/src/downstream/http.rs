//! HTTP on a connection of a client: which version it speaks, and serving it.
//!
//! Most connections wait most of the time for the next request. One of HTTP/1.1 that has waited for a moment is parked: hyper's
//! state and buffers, some 20 KiB, are given back, and made anew when the client says something.

use super::client::Client;
use super::graceful::Graceful;
use super::prefixed::Prefixed;
use super::stall::unless_stalled;
use crate::exchange;
use crate::limits::Limits;
use crate::worker::Worker;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use lb_router_wire::stats::Total;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{self, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::task::spawn_local;

/// With what a client begins to speak HTTP/2 (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Most bytes that are read before it is known which version a client speaks.
const AHEAD: usize = 4096;

/// The version of HTTP that a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// HTTP/1.1, or an older one.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Spawns the streams of HTTP/2 on this thread, and ends those whose clients take nothing.
#[derive(Clone, Copy)]
struct Local {
    taking: Duration,
}

impl<F> hyper::rt::Executor<F> for Local
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        spawn_local(unless_stalled(self.taking, future));
    }
}

/// Serves a connection until its client closes it, or this side ends it. `known`: the version, where the client has chosen it
/// already (ALPN, RFC 7301).
pub(super) async fn serve<S>(
    worker: &Rc<Worker>,
    client: &Rc<Client>,
    mut stream: Prefixed<S>,
    mut known: Option<Version>,
) where
    S: AsyncRead + AsyncWrite + Unpin + fmt::Debug + 'static,
{
    loop {
        let version = tokio::select! {
            biased;
            version = version(&mut stream, known) => version,
            () = client.open.told_to_close() => {
                let _ = stream.shutdown().await;
                return;
            }
        };
        // On the heap: a connection that waits needs no room for them.
        match version {
            Ok(Version::Http1) => match Box::pin(serve_http1(worker, client, stream)).await {
                Some(parked) => stream = parked,
                None => return,
            },
            Ok(Version::Http2) => return Box::pin(serve_http2(worker, client, stream)).await,
            // The client has closed before it has said anything.
            Err(_) => return,
        }
        known = Some(Version::Http1);
    }
}

/// The version that a client speaks, once it has sent something.
async fn version<S>(stream: &mut Prefixed<S>, known: Option<Version>) -> io::Result<Version>
where
    S: AsyncRead + Unpin,
{
    loop {
        let ahead = stream.ahead();
        let common = ahead.len().min(PREFACE.len());
        match known {
            Some(Version::Http2) => return Ok(Version::Http2),
            Some(Version::Http1) if common > 0 => return Ok(Version::Http1),
            Some(Version::Http1) => {}
            None if ahead.get(..common) != PREFACE.get(..common) => return Ok(Version::Http1),
            None if common == PREFACE.len() => return Ok(Version::Http2),
            None => {}
        }
        stream.read_ahead(AHEAD).await?;
    }
}

/// Serves HTTP/1.1 until the connection ends, or is parked: then it is returned.
async fn serve_http1<S>(
    worker: &Rc<Worker>,
    client: &Rc<Client>,
    stream: Prefixed<S>,
) -> Option<Prefixed<S>>
where
    S: AsyncRead + AsyncWrite + Unpin + fmt::Debug + 'static,
{
    let limits = &worker.settings.limits;
    // Before its first request, hyper takes an end for one in the middle of a head.
    client.open.set_parkable(false);
    let waits = stream.write_waits();
    // On the heap: hyper has room for this future in each connection.
    let service =
        service_fn(|request| Box::pin(exchange::answer(worker.clone(), client.clone(), request)));
    let mut connection = http1(limits).serve_connection(TokioIo::new(stream), service);
    let served = async {
        loop {
            tokio::select! {
                biased;
                ended = poll_fn(|context| connection.poll_without_shutdown(context)) => {
                    return ended.map(|()| false);
                }
                () = client.open.told_to_close() => pin::Pin::new(&mut connection).graceful_shutdown(),
                () = client.open.told_to_park() => {
                    if waits.get() || !client.open.is_idle() {
                        client.open.set_parkable(true);
                        continue;
                    }
                    pin::Pin::new(&mut connection).graceful_shutdown();
                    // Without a request it ends at once. If it does not, it is not the same state any more, and is closed.
                    let ended = poll_fn(|context| Poll::Ready(connection.poll_without_shutdown(context)));
                    if let Poll::Ready(ended) = ended.await {
                        return ended.map(|()| true);
                    }
                }
            }
        }
    };
    match unless_stalled(limits.taking, served).await {
        Some(Ok(parked)) => {
            let parts = connection.into_parts();
            let mut stream = parts.io.into_inner();
            stream.unread(&parts.read_buf);
            if parked {
                return Some(stream);
            }
            if client.is_to_upgrade() {
                client.upgraded(Box::new(stream));
            } else {
                let _ = stream.shutdown().await;
            }
        }
        Some(Err(error)) => failed(worker, client, &error),
        None => stalled(worker, client),
    }
    None
}

async fn serve_http2<S>(worker: &Rc<Worker>, client: &Rc<Client>, stream: Prefixed<S>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let limits = &worker.settings.limits;
    // On the heap: hyper moves this future into the task of each stream.
    let service =
        service_fn(|request| Box::pin(exchange::answer(worker.clone(), client.clone(), request)));
    let stream = Graceful::new(stream, limits.late_streams);
    let connection = http2(limits).serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let served = async {
        loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => return ended,
                () = client.open.told_to_close() => connection.as_mut().graceful_shutdown(),
            }
        }
    };
    match unless_stalled(limits.taking, served).await {
        Some(Ok(())) => {}
        Some(Err(error)) => failed(worker, client, &error),
        None => stalled(worker, client),
    }
}

fn failed(worker: &Worker, client: &Client, error: &hyper::Error) {
    if error.is_parse() || error.is_parse_too_large() {
        worker.stats.up(Total::RejectedNoHttp);
    }
    tracing::debug!(client = %client.address, %error, "connection ended");
}

fn stalled(worker: &Worker, client: &Client) {
    worker.stats.up(Total::RejectedTakesNothing);
    tracing::debug!(client = %client.address, "a client takes nothing");
}

fn http1(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .half_close(true)
        .max_buf_size(limits.head_bytes as usize)
        // Heads are timed by `Connections`: no timer for each request.
        .header_read_timeout(None);
    builder
}

fn http2(limits: &Limits) -> http2::Builder<Local> {
    let mut builder = http2::Builder::new(Local {
        taking: limits.taking,
    });
    builder
        .max_header_list_size(limits.head_bytes)
        .max_concurrent_streams(limits.streams)
        .max_send_buf_size(limits.stream_buffer)
        .enable_connect_protocol();
    builder
}
