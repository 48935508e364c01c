//! What a task does with a client's request: protocols that are switched, or not; answers that are more than one.

use super::backend::end_of_request;
use super::site::LABELS;
use crate::harness::{Client, Router, Task, ask, service};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Asks for a WebSocket.
pub(crate) const WEBSOCKET: &str = "GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const H2C: &str = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings\r\n\
                   Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: a.test\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// What came on each connection to a task.
pub(crate) type Came = Arc<Mutex<Vec<Vec<u8>>>>;

/// A router before a task that answers each request with what `answer` says of its bytes, after a while.
pub(crate) fn before(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> (Router, Came) {
    let task = Task::absent();
    let listener = TcpListener::bind(task.address).unwrap();
    let came = Came::default();
    let seen = came.clone();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let number = seen.lock().unwrap().len();
            seen.lock().unwrap().push(Vec::new());
            let (seen, answer) = (seen.clone(), answer.clone());
            std::thread::spawn(move || serve(stream.unwrap(), number, &seen, answer.as_ref()));
        }
    });
    let router = Router::start(&[service("a", &LABELS, &[&task])]);
    (router, came)
}

fn serve(mut stream: TcpStream, number: usize, came: &Came, answer: &dyn Fn(&str) -> String) {
    let (mut rest, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        rest.extend_from_slice(&buffer[..length]);
        came.lock().unwrap()[number].extend_from_slice(&buffer[..length]);
        if let Some(end) = end_of_request(&rest) {
            let request: Vec<u8> = rest.drain(..end).collect();
            let answer = answer(&String::from_utf8_lossy(&request));
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}

/// How often the tasks got this.
pub(crate) fn count(came: &Came, what: &str) -> usize {
    let came = came.lock().unwrap();
    let texts = came.iter().map(|bytes| String::from_utf8_lossy(bytes));
    texts.map(|text| text.matches(what).count()).sum()
}

#[test]
fn bytes_behind_a_handshake_wait_until_the_task_has_answered_it() {
    let early = Arc::new(Mutex::new(None));
    let noted = early.clone();
    let seen: Arc<Mutex<Option<Came>>> = Arc::default();
    let looked = seen.clone();
    let (router, came) = before(move |_| {
        std::thread::sleep(Duration::from_millis(300));
        let came = looked.lock().unwrap().clone().unwrap();
        *noted.lock().unwrap() = Some(count(&came, "/hidden"));
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".into()
    });
    *seen.lock().unwrap() = Some(came.clone());
    let mut client = Client::connect(router.http);
    client.send(&[WEBSOCKET, HIDDEN].concat());
    assert_eq!(client.answer().unwrap().status, 403);
    assert_eq!(early.lock().unwrap().take(), Some(0), "came too early");
    // It is a request like others, with the fields of the router.
    assert_eq!(client.answer().unwrap().status, 403);
    assert_eq!(
        count(
            &came,
            "GET /hidden HTTP/1.1\r\nhost: a.test\r\nx-forwarded-for: 127.0.0.1\r\n"
        ),
        1
    );
}

#[test]
fn a_task_that_switches_to_what_nobody_asked_for_gets_no_byte_more() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n";
    let (router, came) = before(move |_| switch.into());
    for request in [H2C, WEBSOCKET, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"] {
        let mut client = Client::connect(router.http);
        client.send(&[request, HIDDEN].concat());
        assert_eq!(client.answer().unwrap().status, 502, "{request}");
    }
    std::thread::sleep(Duration::from_millis(200));
    let came = came.lock().unwrap();
    for bytes in came.iter() {
        assert_eq!(
            end_of_request(bytes),
            Some(bytes.len()),
            "{}",
            bytes.escape_ascii()
        );
    }
}

#[test]
fn an_answer_that_nobody_asked_for_reaches_nobody() {
    let extra = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
    for answer in [
        format!("{OK}{extra}"),
        format!("{OK}\r\n{extra}"),
        format!("HTTP/1.1 204 No Content\r\n\r\n{extra}"),
        format!("HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\n{extra}"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n{extra}"),
    ] {
        let first = answer.clone();
        let (router, _) = before(move |request| {
            if request.starts_with("GET /first") {
                first.clone()
            } else {
                OK.into()
            }
        });
        let mut other = Client::connect(router.http);
        for _ in 0..10 {
            ask(router.http, "a.test", "/first");
            let answered = other.get("a.test", "/");
            assert_eq!(
                (answered.status, answered.body.as_str()),
                (200, "ok"),
                "{answer}"
            );
        }
    }
}

#[test]
fn an_answer_to_head_has_no_body_even_if_the_task_sends_one() {
    let (router, _) = before(|_| OK.into());
    let mut other = Client::connect(router.http);
    for _ in 0..10 {
        let mut client = Client::connect(router.http);
        client.send("HEAD / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
        let answered = other.get("a.test", "/");
        assert_eq!((answered.status, answered.body.as_str()), (200, "ok"));
    }
}

#[test]
fn answers_with_two_lengths_are_not_handed_on() {
    for head in [
        "Content-Length: 2\r\nContent-Length: 3",
        "Content-Length: +2",
        "Content-Length: 2, 3",
        "Content-Length: 0x2",
        "A : b\r\nContent-Length: 2",
        "A: b\0c\r\nContent-Length: 2",
        "A: b\r\n c\r\nContent-Length: 2",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\nok");
        let (router, _) = before(move |_| answer.clone());
        assert_eq!(ask(router.http, "a.test", "/").status, 502, "{head}");
    }
}

#[test]
fn a_connection_that_a_client_was_let_in_by_serves_nobody_else() {
    for scheme in ["NTLM", "Negotiate"] {
        let (router, came) = before(move |_| {
            format!(
                "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: {scheme}\r\nContent-Length: 0\r\n\r\n"
            )
        });
        for _ in 0..3 {
            assert_eq!(ask(router.http, "a.test", "/").status, 401);
        }
        assert_eq!(came.lock().unwrap().len(), 3, "connections");
    }
}
