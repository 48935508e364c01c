//! A task that records what it gets, byte by byte, and answers each request after its end.
//!
//! It reads strictly: what it does not understand is never answered. One thread reads all connections, everything that is
//! there before anything is answered: once a client has its answer, all bytes that the router wrote before are recorded.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::BTreeSet;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Its number, which the answer bears in `x-record`.
    pub(crate) number: usize,
    /// Its connection's.
    pub(crate) connection: usize,
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
}

/// What has come so far.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Requests that came whole.
    pub(crate) whole: Vec<Record>,
    /// Beginnings of requests, by connection: of those that are open, and of those that have ended.
    pub(crate) parts: Vec<(usize, Vec<u8>)>,
    /// Connections that are open.
    pub(crate) open: BTreeSet<usize>,
}

/// The task.
pub(crate) struct Backend {
    seen: Arc<Mutex<Seen>>,
}

struct Connection {
    number: usize,
    stream: TcpStream,
    buffer: Vec<u8>,
    open: bool,
}

impl Backend {
    /// Starts one here; it ends with the process.
    pub(crate) fn start(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let recorded = seen.clone();
        std::thread::spawn(move || serve(&listener, &recorded));
        Self { seen }
    }

    /// Takes what has come since the last time.
    pub(crate) fn take(&self) -> Seen {
        let mut seen = self.seen.lock().unwrap();
        Seen {
            whole: std::mem::take(&mut seen.whole),
            parts: std::mem::take(&mut seen.parts),
            open: seen.open.clone(),
        }
    }
}

fn serve(listener: &TcpListener, seen: &Mutex<Seen>) {
    let mut connections: Vec<Connection> = Vec::new();
    let (mut next, mut number) = (0, 0);
    loop {
        let mut waited = vec![PollFd::new(listener, PollFlags::IN)];
        for connection in &connections {
            waited.push(PollFd::new(&connection.stream, PollFlags::IN));
        }
        poll(&mut waited, None::<&Timespec>).unwrap();
        while let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(true).unwrap();
            stream.set_nodelay(true).unwrap();
            next += 1;
            connections.push(Connection {
                number: next,
                stream,
                buffer: Vec::new(),
                open: true,
            });
        }
        let moved: Vec<bool> = connections.iter_mut().map(read).collect();
        let mut seen = seen.lock().unwrap();
        let mut answers = Vec::new();
        for connection in &mut connections {
            while let Some(end) = end_of_request(&connection.buffer) {
                let bytes: Vec<u8> = connection.buffer.drain(..end).collect();
                number += 1;
                answers.push((connection.number, number, bytes.starts_with(b"HEAD ")));
                seen.whole.push(Record {
                    number,
                    connection: connection.number,
                    bytes,
                });
            }
        }
        let moved = connections.iter().zip(moved).filter(|(_, moved)| *moved);
        for (connection, _) in moved {
            seen.parts
                .retain(|(number, _)| *number != connection.number);
            if !connection.buffer.is_empty() {
                let part = (connection.number, connection.buffer.clone());
                seen.parts.push(part);
            }
        }
        connections.retain(|connection| connection.open);
        seen.open = connections.iter().map(|it| it.number).collect();
        drop(seen);
        for (to, number, head) in answers {
            let connection = connections.iter_mut().find(|it| it.number == to);
            if let Some(connection) = connection {
                answer(&mut connection.stream, number, head);
            }
        }
    }
}

/// Reads what is there; was there any?
fn read(connection: &mut Connection) -> bool {
    let mut buffer = [0; 16 << 10];
    let mut moved = false;
    loop {
        match connection.stream.read(&mut buffer) {
            Ok(0) => connection.open = false,
            Ok(length) => {
                connection.buffer.extend_from_slice(&buffer[..length]);
                moved = true;
                continue;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => connection.open = false,
        }
        return moved;
    }
}

fn answer(stream: &mut TcpStream, number: usize, head: bool) {
    let body = if head { "" } else { "answered" };
    let answer =
        format!("HTTP/1.1 200 OK\r\nX-Record: {number}\r\nContent-Length: 8\r\n\r\n{body}");
    // The router may have gone meanwhile.
    let _ = stream.write_all(answer.as_bytes());
}

/// Where the first request ends, if it is whole and has no second reading.
pub(crate) fn end_of_request(bytes: &[u8]) -> Option<usize> {
    let head = find(bytes, b"\r\n\r\n")?;
    // A character for each byte.
    let text: String = bytes[..head].iter().map(|byte| char::from(*byte)).collect();
    let mut body = None;
    for line in text.split("\r\n").skip(1) {
        let (name, value) = line.split_once(": ")?;
        if name.eq_ignore_ascii_case("content-length") {
            let length: usize = value.parse().ok()?;
            if body.replace(Some(length)).is_some() {
                return None;
            }
        } else if name.eq_ignore_ascii_case("transfer-encoding")
            && (value != "chunked" || body.replace(None).is_some())
        {
            return None;
        }
    }
    let begin = head + 4;
    match body {
        None => Some(begin),
        Some(Some(length)) => (bytes.len() - begin >= length).then_some(begin + length),
        Some(None) => end_of_chunks(bytes, begin),
    }
}

fn end_of_chunks(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let digits = find(bytes.get(at..)?, b"\r\n")?;
        let length = std::str::from_utf8(&bytes[at..at + digits]).ok()?;
        let length = usize::from_str_radix(length, 16).ok()?;
        at += digits + 2 + length;
        if bytes.get(at..at + 2)? != b"\r\n" {
            return None;
        }
        at += 2;
        if length == 0 {
            return Some(at);
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|at| at == what)
}
