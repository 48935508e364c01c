//! Floods of frames: the router's memory stays bounded, and others are served on.

use super::frames::{
    CONTINUATION, Connection, DATA, END_HEADERS, END_STREAM, Event, GET, HEADERS, PING, RST_STREAM,
    SETTINGS, WINDOW_UPDATE, block, frame, number,
};
use crate::answers::before;
use crate::harness::{Client, Router, Task, service};
use crate::site::LABELS;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// What a connection may cost by its frames, in KiB.
const FRAMES: u64 = 1 << 10;
/// What a connection may cost by 128 streams whose answers nobody takes, in KiB.
const STREAMS: u64 = 24 << 10;
/// What a connection may cost by 128 streams whose answers are longer than what is kept of them, in KiB.
const ANSWERS: u64 = 30 << 10;
/// How long the others wait for an answer while it lasts.
const WAIT: Duration = Duration::from_secs(5);

/// Attacks on so many connections, one after the other, by `attack`; another client is served between and after.
fn under_attack<T>(connections: u64, bound: u64, mut attack: impl FnMut(&Router) -> T) {
    let task = Task::start();
    let router = Router::start(&[service("a", &LABELS, &[&task])]);
    let mut other = Client::connect(router.http);
    let mut ask = || {
        let begin = Instant::now();
        assert_eq!(other.get("a.test", "/").status, 200);
        assert!(begin.elapsed() < WAIT, "{:?}", begin.elapsed());
    };
    ask();
    let before = router.resident_kib();
    let mut held = Vec::new();
    let mut most = before;
    for _ in 0..connections {
        held.push(attack(&router));
        ask();
        most = most.max(router.resident_kib());
    }
    assert!(
        most < before + bound * connections,
        "{before} KiB, and {most} KiB under attack"
    );
}

/// The router has ended the connection: nothing else comes of it.
fn assert_ended(connection: &mut Connection) {
    let event = connection.event(u32::MAX);
    assert!(
        matches!(event, Event::GoAway(_) | Event::Closed),
        "{event:?}"
    );
}

#[test]
fn rapid_reset() {
    under_attack(3, FRAMES, |router| {
        let mut connection = Connection::open(router.http, &[]);
        let block = block(&GET);
        for stream in (1..10_000).step_by(2) {
            let request = frame(HEADERS, END_STREAM | END_HEADERS, stream, &block);
            let reset = frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
            if !connection.send(&[request, reset].concat()) {
                break;
            }
        }
        connection
    });
}

#[test]
fn resets_that_the_server_is_made_to_send() {
    under_attack(3, FRAMES, |router| {
        let mut connection = Connection::open(router.http, &[]);
        let block = block(&GET);
        for stream in (1..10_000).step_by(2) {
            let request = frame(HEADERS, END_STREAM | END_HEADERS, stream, &block);
            // An increment of zero is an error of the stream (RFC 9113, section 6.9).
            let error = frame(WINDOW_UPDATE, 0, stream, &0_u32.to_be_bytes());
            if !connection.send(&[request, error].concat()) {
                return connection;
            }
        }
        assert_ended(&mut connection);
        connection
    });
}

#[test]
fn head_without_end() {
    under_attack(3, FRAMES, |router| {
        let mut connection = Connection::open(router.http, &[]);
        let piece = block(&[(b"a", &[b'b'; 4000])]);
        let mut sent = connection.send(&frame(HEADERS, END_STREAM, 1, &block(&GET)));
        for _ in 0..8_000 {
            sent = sent && connection.send(&frame(CONTINUATION, 0, 1, &piece));
        }
        assert!(!sent, "it takes 32 MB of a head");
        assert_ended(&mut connection);
        connection
    });
}

#[test]
fn empty_continuations() {
    under_attack(3, FRAMES, |router| {
        let mut connection = Connection::open(router.http, &[]);
        connection.send(&frame(HEADERS, END_STREAM, 1, &block(&GET)));
        connection.send(&frame(CONTINUATION, 0, 1, &[]).repeat(1_000));
        assert_ended(&mut connection);
        connection
    });
}

#[test]
fn empty_data() {
    under_attack(3, FRAMES, |router| {
        let mut connection = Connection::open(router.http, &[]);
        let mut post = GET;
        post[0].1 = b"POST";
        connection.send(&frame(HEADERS, END_HEADERS, 1, &block(&post)));
        let many = frame(DATA, 0, 1, &[]).repeat(1_000);
        for _ in 0..200 {
            if !connection.send(&many) {
                break;
            }
        }
        connection
    });
}

/// Fields that cost a byte each, of answers that nobody takes.
#[test]
fn references_to_a_long_field_with_a_window_of_zero() {
    under_attack(8, FRAMES, |router| {
        let mut connection = Connection::open(router.http, &[(4, 0)]);
        for stream in (1..400).step_by(2) {
            let mut head = block(&GET);
            if stream == 1 {
                // A literal with incremental indexing (RFC 7541, section 6.2.1).
                head.push(0x40);
                for text in [b"a".to_vec(), vec![b'b'; 3_900]] {
                    number(&mut head, 0, 7, text.len());
                    head.extend(text);
                }
            }
            head.extend([0x80 | 62; 4_000]);
            if !connection.send(&frame(HEADERS, END_STREAM | END_HEADERS, stream, &head)) {
                break;
            }
        }
        connection
    });
}

/// As many fields as pass, kept by as many streams as pass.
#[test]
fn requests_of_the_largest_size_with_a_window_of_zero() {
    under_attack(4, STREAMS, |router| {
        let mut connection = Connection::open(router.http, &[(4, 0)]);
        let mut fields = GET.to_vec();
        let value = vec![b'b'; 250];
        fields.extend(std::iter::repeat_n((b"a".as_slice(), value.as_slice()), 90));
        let head = block(&fields);
        for stream in (1..256).step_by(2) {
            let (begin, rest) = head.split_at(16_000);
            connection.send(&frame(HEADERS, END_STREAM, stream, begin));
            connection.send(&frame(CONTINUATION, END_HEADERS, stream, rest));
        }
        connection
    });
}

#[test]
fn settings() {
    under_attack(3, FRAMES, |router| {
        flood(router, &frame(SETTINGS, 0, 0, &[]))
    });
}

#[test]
fn pings() {
    under_attack(3, FRAMES, |router| {
        flood(router, &frame(PING, 0, 0, &[0; 8]))
    });
}

/// Sends a frame that has to be answered again and again, and reads no answer.
fn flood(router: &Router, what: &[u8]) -> Connection {
    let mut connection = Connection::open(router.http, &[]);
    connection.writes_wait(Duration::from_millis(500));
    let many = what.repeat(1_000);
    for _ in 0..1_000 {
        if !connection.send(&many) {
            break;
        }
    }
    connection
}

/// By HTTP/1.1: requests whose answers nobody reads.
#[test]
fn pipelined_requests() {
    under_attack(8, FRAMES, |router| {
        let mut stream = TcpStream::connect(router.http).unwrap();
        let limit = Some(Duration::from_millis(300));
        stream.set_write_timeout(limit).unwrap();
        let many = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n".repeat(1_000);
        for _ in 0..1_000 {
            if stream.write_all(&many).is_err() {
                break;
            }
        }
        stream
    });
}

/// By HTTP/1.1: heads that are almost as long as they may be, and do not end.
#[test]
fn long_heads_without_end() {
    under_attack(200, 64, |router| {
        let mut stream = TcpStream::connect(router.http).unwrap();
        let head = b"GET / HTTP/1.1\r\nHost: a.test\r\nA: ".to_vec();
        let _ = stream.write_all(&[head, vec![b'b'; 30 << 10]].concat());
        stream
    });
}

/// Long answers, all of which may come at once, to a client that does not read.
#[test]
fn long_answers_that_are_not_read() {
    let body = "a".repeat(2 << 20);
    let length = body.len();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
    let (router, _) = before(move |_| answer.clone());
    let most_bytes = (1_u32 << 31) - 1;
    let before = router.resident_kib();
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut connection = Connection::open(router.http, &[(4, most_bytes)]);
        let more = (most_bytes - 65_535).to_be_bytes();
        connection.send(&frame(WINDOW_UPDATE, 0, 0, &more));
        for stream in (1..256).step_by(2) {
            connection.request(stream, &GET);
        }
        held.push(connection);
    }
    std::thread::sleep(Duration::from_secs(3));
    let most = router.resident_kib();
    assert!(
        most < before + 2 * ANSWERS,
        "{before} KiB, and {most} KiB under attack"
    );
}
