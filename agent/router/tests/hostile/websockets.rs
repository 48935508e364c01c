//! WebSockets by HTTP/1.1 that together make the router hold more than its memory: some end, and others are served on.

use super::answers::WEBSOCKET;
use super::site::LABELS;
use crate::harness::{Router, Task, ask, service};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// More than the router has memory for.
const MOST: usize = 1_500;
/// So many end together: no chance.
const ENDED: usize = 10;

/// Each WebSocket takes two open files of this process: its client's and its task's.
fn may_open_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).unwrap();
}

/// A WebSocket.
fn open(router: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(router).unwrap();
    let limit = Some(Duration::from_secs(10));
    stream.set_read_timeout(limit).unwrap();
    stream.write_all(WEBSOCKET.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    assert!(
        head.starts_with(b"HTTP/1.1 101 "),
        "{}",
        head.escape_ascii()
    );
    stream.set_nonblocking(true).unwrap();
    stream
}

/// Has the router not closed it?
fn is_open(mut stream: &TcpStream) -> bool {
    let read = stream.read(&mut [0]);
    read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn websockets_end_where_memory_is_very_short_and_requests_are_served() {
    may_open_many_files();
    let task = Task::start();
    // A trusted proxy's address may have as many connections as there may be.
    let arguments = ["--memory-mib", "16", "--trusted-proxies", "127.0.0.0/8"];
    let router = Router::start_with(&[service("a", &LABELS, &[&task])], &arguments);
    let mut sockets = Vec::new();
    while sockets.iter().filter(|it| !is_open(it)).count() < ENDED {
        assert!(sockets.len() < MOST, "all of them stay");
        sockets.extend((0..50).map(|_| open(router.http)));
        assert_eq!(ask(router.http, "a.test", "/").status, 200);
    }
}
