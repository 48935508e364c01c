//! Clients that are slow, or do nothing: each costs a connection for a time, and no longer.

use super::http2::{Connection, END_HEADERS, Event, GET, HEADERS, block, frame};
use super::site::LABELS;
use crate::harness::{Client, Router, Task, ask, service};
use lb_router_wire::stats::{Stats, Total};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A router with one task, and these arguments.
fn router(task: &Task, arguments: &[&str]) -> Router {
    Router::start_with(&[service("a", &LABELS, &[task])], arguments)
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    let limit = Some(Duration::from_millis(100));
    stream.set_read_timeout(limit).unwrap();
    stream
}

/// Sends a byte ten times a second; how long until the other end closes.
fn trickle(stream: &mut TcpStream, bytes: &[u8]) -> Duration {
    let begin = Instant::now();
    for byte in bytes.iter().cycle() {
        assert!(begin.elapsed() < Duration::from_secs(20), "it goes on");
        let _ = stream.write_all(&[*byte]);
        match stream.read(&mut [0; 1000]) {
            Ok(0) => break,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => break,
            Ok(_) => {}
        }
    }
    begin.elapsed()
}

#[test]
fn a_first_head_has_its_time_however_slowly_it_comes() {
    let task = Task::start();
    let router = router(&task, &["--head-timeout", "1"]);
    let passed = trickle(&mut connect(router.http), b"GET / HTTP/1.1\r\nA: bbbbb");
    assert!(passed > Duration::from_millis(500), "{passed:?}");
    assert!(passed < Duration::from_secs(6), "{passed:?}");
}

#[test]
fn a_later_head_has_its_time_too() {
    let task = Task::start();
    let router = router(&task, &["--head-timeout", "1", "--keep-alive", "1"]);
    let mut stream = connect(router.http);
    let first = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    stream.write_all(first).unwrap();
    let passed = trickle(&mut stream, b"GET / HTTP/1.1\r\nA: bbbbb");
    assert!(passed < Duration::from_secs(8), "{passed:?}");
}

#[test]
fn a_handshake_of_tls_has_its_time() {
    let task = Task::start();
    let arguments = ["--handshake-timeout", "1", "--head-timeout", "60"];
    let router = router(&task, &arguments);
    let mut stream = connect(router.https);
    stream
        .set_read_timeout(Some(Duration::from_secs(8)))
        .unwrap();
    let begin = Instant::now();
    // The beginning of a record.
    stream.write_all(&[0x16, 3, 1]).unwrap();
    assert_eq!(stream.read(&mut [0; 100]).unwrap_or(0), 0, "closed");
    assert!(
        begin.elapsed() < Duration::from_secs(6),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn a_body_that_does_not_come_is_waited_for_and_then_refused() {
    let task = Task::start();
    let router = router(&task, &["--body-timeout", "1"]);
    let mut client = Client::connect(router.http);
    let begin = Instant::now();
    let answer = client.ask("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhe");
    assert_eq!(answer.status, 408, "{}", answer.body);
    assert!(
        begin.elapsed() < Duration::from_secs(6),
        "{:?}",
        begin.elapsed()
    );
    assert!(client.answer().is_none(), "closed");
}

#[test]
fn a_body_that_comes_slowly_is_served() {
    let task = Task::start();
    let router = router(&task, &["--body-timeout", "1", "--answer-timeout", "1"]);
    let mut client = Client::connect(router.http);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 8\r\n\r\n");
    for _ in 0..8 {
        std::thread::sleep(Duration::from_millis(400));
        client.send("a");
    }
    let answer = client.answer().unwrap();
    assert_eq!((answer.status, answer.task()), (200, task.key));
}

#[test]
fn who_reads_nothing_of_an_answer_is_disconnected() {
    let task = Task::start();
    let router = router(&task, &["--send-timeout", "1"]);
    let mut stream = connect(router.http);
    // More than the kernel holds; the task sends it back.
    let length = 32 << 20;
    let head = format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&vec![b'a'; length]).unwrap();
    std::thread::sleep(Duration::from_secs(5));
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let mut came = 0;
    let mut buffer = vec![0; 1 << 20];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        came += read;
    }
    assert!(came < length, "{came} bytes came");
}

#[test]
fn a_window_that_stays_at_zero_resets_the_stream_and_no_other() {
    let task = Task::start();
    let router = router(&task, &["--send-timeout", "1"]);
    // SETTINGS_INITIAL_WINDOW_SIZE.
    let mut connection = Connection::open(router.http, &[(4, 0)]);
    let begin = Instant::now();
    assert!(connection.request(1, &GET));
    assert!(matches!(connection.event(1), Event::Status(200, false)));
    assert!(matches!(connection.event(1), Event::Reset(_)));
    assert!(
        begin.elapsed() < Duration::from_secs(6),
        "{:?}",
        begin.elapsed()
    );
    let mut head = GET;
    head[0].1 = b"HEAD";
    assert!(connection.request(3, &head));
    assert!(matches!(connection.event(3), Event::Status(200, true)));
}

#[test]
fn slow_requests_of_one_address_leave_room_for_those_of_others() {
    let task = Task::start();
    let mut router = router(&task, &["--requests", "400"]);
    let mut post = GET;
    post[0].1 = b"POST";
    let head = block(&post);
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut connection = Connection::open(router.http, &[]);
        // Bodies that never come.
        for stream in (1..256).step_by(2) {
            assert!(connection.send(&frame(HEADERS, END_HEADERS, stream, &head)));
        }
        held.push(connection);
    }
    // 100 of 512 requests are under way, and stay so.
    let refused = |stats: Stats| stats.totals.get(Total::RejectedRequests as usize).copied();
    let begin = Instant::now();
    while refused(router.stats()) != Some(412) {
        assert!(begin.elapsed() < Duration::from_secs(10), "there is room");
    }
    assert_eq!(ask(router.http, "a.test", "/").status, 503);
    let mut other = Client::connect_from(Ipv4Addr::new(127, 0, 0, 2), router.http);
    assert_eq!(other.get("a.test", "/").status, 200);
    drop(held);
    let begin = Instant::now();
    while ask(router.http, "a.test", "/").status != 200 {
        assert!(begin.elapsed() < Duration::from_secs(10), "no room");
    }
}
