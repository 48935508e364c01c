//! A connection of a client that stays open between requests.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Result, ensure};

use super::site::HOST;

/// A request without an answer after this time has failed.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of the largest answer: proxies add fields to the task's.
const LARGEST_ANSWER: usize = 2048;
/// The end of the head of the task's answer, and its body (`harness::quick::ANSWER`).
const END: &[u8] = b"\r\n\r\nok\n";

/// The connection.
pub(super) struct Kept {
    stream: TcpStream,
    /// The request, in one piece: it is sent in one packet.
    request: String,
}

impl Kept {
    /// Connects; the calling thread is in the network namespace of the proxies.
    pub(super) fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let request = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
        Ok(Self { stream, request })
    }

    /// Asks, and reads the answer, which has to be the task's.
    pub(super) fn ask(&mut self) -> Result<()> {
        self.stream.write_all(self.request.as_bytes())?;
        let mut answer = [0; LARGEST_ANSWER];
        let mut length = 0;
        loop {
            let room = answer.get_mut(length..).unwrap_or_default();
            let read = self.stream.read(room)?;
            length += read;
            let so_far = answer.get(..length).unwrap_or_default();
            let said = so_far.escape_ascii();
            if so_far.ends_with(END) {
                ensure!(so_far.starts_with(b"HTTP/1.1 200"), "answered {said}");
                return Ok(());
            }
            ensure!(read > 0, "not the task's answer: {said}");
        }
    }
}
