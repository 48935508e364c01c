//! A client that writes frames as it is told (RFC 9113, section 4), and reads what comes.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// A field.
pub(crate) type Field<'a> = (&'a [u8], &'a [u8]);

/// The pseudo-header fields of a GET.
pub(crate) const GET: [Field<'static>; 4] = [
    (b":method", b"GET"),
    (b":scheme", b"http"),
    (b":authority", b"a.test"),
    (b":path", b"/"),
];

/// A connection of HTTP/2.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What comes of the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The head of an answer.
    Status(u16, bool),
    /// Bytes of its body; whether it ends.
    Data(Vec<u8>, bool),
    /// The stream is reset, with this code.
    Reset(u32),
    /// The connection ends, with this code.
    GoAway(u32),
    /// It has ended.
    Closed,
}

/// A frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// A block of fields, all literal and without indexing (RFC 7541, section 6.2.2).
pub(crate) fn block(fields: &[Field<'_>]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            number(&mut block, 0, 7, text.len());
            block.extend_from_slice(text);
        }
    }
    block
}

/// A number behind a prefix (RFC 7541, section 5.1).
pub(crate) fn number(block: &mut Vec<u8>, first: u8, bits: u8, number: usize) {
    let most = (1_usize << bits) - 1;
    if number < most {
        return block.push(first | u8::try_from(number).unwrap());
    }
    block.push(first | u8::try_from(most).unwrap());
    let mut rest = number - most;
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    block.push(u8::try_from(rest).unwrap());
}

impl Connection {
    /// Connects, with these settings.
    pub(crate) fn open(router: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let stream = TcpStream::connect(router).unwrap();
        let limit = Some(Duration::from_secs(10));
        stream.set_read_timeout(limit).unwrap();
        stream.set_write_timeout(limit).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut connection = Self {
            stream,
            buffer: Vec::new(),
        };
        let mut payload = Vec::new();
        for (setting, value) in settings {
            payload.extend_from_slice(&setting.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        }
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let preface = [preface, frame(SETTINGS, 0, 0, &payload)].concat();
        assert!(connection.send(&preface));
        connection
    }

    /// How long bytes are tried to be sent.
    pub(crate) fn writes_wait(&self, limit: Duration) {
        self.stream.set_write_timeout(Some(limit)).unwrap();
    }

    /// Sends bytes; is the other end still there?
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends a request without body.
    pub(crate) fn request(&mut self, stream: u32, fields: &[Field<'_>]) -> bool {
        let block = block(fields);
        self.send(&frame(HEADERS, END_STREAM | END_HEADERS, stream, &block))
    }

    /// The next event of a stream, or of the connection.
    pub(crate) fn event(&mut self, of: u32) -> Event {
        loop {
            let Some((kind, flags, stream, payload)) = self.read_frame() else {
                return Event::Closed;
            };
            let code = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
            let ends = flags & END_STREAM != 0;
            match kind {
                GOAWAY => return Event::GoAway(code(4)),
                HEADERS if stream == of => return Event::Status(status(&payload), ends),
                DATA if stream == of => return Event::Data(payload, ends),
                RST_STREAM if stream == of => return Event::Reset(code(0)),
                SETTINGS if flags == 0 => drop(self.send(&frame(SETTINGS, 1, 0, &[]))),
                _ => {}
            }
        }
    }

    /// The payload of the next PING that asks for an acknowledgement.
    pub(crate) fn ping(&mut self) -> Vec<u8> {
        loop {
            let (kind, flags, _, payload) = self.read_frame().unwrap();
            if kind == PING && flags == 0 {
                return payload;
            }
        }
    }

    fn read_frame(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let head = self.read(9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes(head[5..9].try_into().unwrap());
        let payload = self.read(length as usize)?;
        Some((head[3], head[4], stream, payload))
    }

    fn read(&mut self, length: usize) -> Option<Vec<u8>> {
        let mut more = [0; 16 << 10];
        while self.buffer.len() < length {
            match self.stream.read(&mut more) {
                Ok(0) => return None,
                Ok(came) => self.buffer.extend_from_slice(&more[..came]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("nothing comes"),
                Err(_) => return None,
            }
        }
        Some(self.buffer.drain(..length).collect())
    }
}

/// The status of an answer: it comes first (RFC 9113, section 8.3), from the static table or as a literal of its.
fn status(block: &[u8]) -> u16 {
    // After changes of the table's size.
    let begin = block.iter().position(|byte| byte & 0xe0 != 0x20).unwrap();
    match block[begin] {
        index @ 0x88..=0x8e => [200, 204, 206, 304, 400, 404, 500][usize::from(index - 0x88)],
        0x48 | 0x08 => {
            let length = block[begin + 1];
            let text = &block[begin + 2..][..usize::from(length & 0x7f)];
            if length & 0x80 == 0 {
                return String::from_utf8(text.to_vec()).unwrap().parse().unwrap();
            }
            digits(text)
        }
        other => panic!("{other:#x}"),
    }
}

/// Three digits in the code of RFC 7541, appendix B: 0, 1 and 2 have five bits, the others six.
fn digits(text: &[u8]) -> u16 {
    let bits: Vec<u8> = text
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    let value = |bits: &[u8]| {
        bits.iter()
            .fold(0_u16, |all, bit| all << 1 | u16::from(*bit))
    };
    let (mut at, mut number) = (0, 0);
    for _ in 0..3 {
        let short = value(&bits[at..at + 5]);
        if short < 3 {
            number = number * 10 + short;
            at += 5;
        } else {
            number = number * 10 + value(&bits[at..at + 6]) - 0b01_1001 + 3;
            at += 6;
        }
    }
    number
}
