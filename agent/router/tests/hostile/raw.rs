//! A client that sends bytes, closes its end, and reads what answers come until the router closes.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// Between two pieces, so that the router reads them one by one.
const PAUSE: Duration = Duration::from_millis(2);

/// An answer of HTTP/1.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Its status; not 1xx.
    pub(crate) status: u16,
    /// The request that the backend answers with it; none: it is the router's own.
    pub(crate) record: Option<usize>,
}

/// Sends pieces of bytes, a moment after each other, and the end of the stream; the bytes that come until the other end
/// closes.
pub(crate) fn exchange(router: SocketAddr, pieces: &[&[u8]]) -> Vec<u8> {
    let mut stream = TcpStream::connect(router).unwrap();
    let limit = Some(Duration::from_secs(20));
    stream.set_read_timeout(limit).unwrap();
    stream.set_write_timeout(limit).unwrap();
    stream.set_nodelay(true).unwrap();
    // The router may refuse before it has all of it.
    let mut sent = Ok(());
    for (number, piece) in pieces.iter().enumerate() {
        if number > 0 {
            std::thread::sleep(PAUSE);
        }
        sent = sent.and_then(|()| stream.write_all(piece));
    }
    if sent.is_ok() {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let (mut came, mut buffer) = (Vec::new(), [0; 16 << 10]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return came,
            Ok(length) => came.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return came,
            Err(error) => panic!("{error} after {}", came.escape_ascii()),
        }
    }
}

/// The answers in these bytes. Those to HEAD have no body, whatever their length is said to be.
pub(crate) fn answers(mut bytes: &[u8]) -> Result<Vec<Answer>, String> {
    let mut answers: Vec<Answer> = Vec::new();
    while !bytes.is_empty() {
        let broken = |why: &str| format!("{why}: {}", bytes.escape_ascii());
        let end = bytes.windows(4).position(|at| at == b"\r\n\r\n");
        let end = end.ok_or_else(|| broken("an answer without end of its head"))?;
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let status: u16 = status
            .and_then(|status| status.parse().ok())
            .ok_or_else(|| broken("no status"))?;
        let (mut length, mut record) = (0, None);
        for line in lines {
            let (name, value) = line.split_once(": ").ok_or_else(|| broken("no field"))?;
            match name {
                "content-length" => length = value.parse().map_err(|_| broken("no length"))?,
                "x-record" => record = value.parse().ok(),
                "transfer-encoding" => return Err(broken("chunks")),
                _ => {}
            }
        }
        let mut begin = end + 4;
        if status >= 200 {
            let rest = &bytes[begin..];
            if !rest.is_empty() && !rest.starts_with(b"HTTP/1.1 ") {
                begin += length;
            }
            answers.push(Answer { status, record });
        }
        bytes = bytes
            .get(begin..)
            .ok_or_else(|| broken("an answer without its end"))?;
    }
    Ok(answers)
}
