//! Requests that are sent again although their method may not be repeated, or although they have a body: those of which
//! it is known that no task has read them, and the others, which are not.

use crate::harness::{Client, Router, Task, service};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

const LABELS: [(&str, &str); 2] = [
    ("com.docker.lb.hosts", "a.test"),
    ("com.docker.lb.port", "18080"),
];

const H2C: [(&str, &str); 4] = [
    ("traefik.enable", "true"),
    ("traefik.http.routers.a.rule", "Host(`a.test`)"),
    ("traefik.http.services.a.loadbalancer.server.port", "18080"),
    ("traefik.http.services.a.loadbalancer.server.scheme", "h2c"),
];

fn request(method: &str, body: &str) -> String {
    let length = body.len();
    format!("{method} / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn accepted(tasks: &[Task]) -> usize {
    let connections = tasks.iter().map(|task| &task.connections);
    connections.map(|it| it.load(Ordering::Relaxed)).sum()
}

/// Reads until these bytes have come; have they?
async fn read_to(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    let (mut read, mut buffer) = (Vec::<u8>::new(), [0; 4096]);
    while !read.windows(bytes.len()).any(|at| at == bytes) {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return false,
            Ok(length) => read.extend_from_slice(&buffer[..length]),
        }
    }
    true
}

/// The body of the next request of five bytes.
async fn next_body(stream: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(length) => read.extend_from_slice(&buffer[..length]),
        }
        let text = String::from_utf8_lossy(&read);
        if let Some((_, body)) = text.split_once("\r\n\r\n")
            && body.len() == 5
        {
            return Some(body.to_owned());
        }
    }
}

/// The bodies that tasks have read, and how often.
type Read = Arc<Mutex<HashMap<String, usize>>>;

/// One that answers requests, notes their bodies, and closes a connection between two of them when it is told to.
fn closes_when_told() -> (Task, Read, Arc<Semaphore>) {
    let (read, told) = (Read::default(), Arc::new(Semaphore::new(0)));
    let (noted, close) = (read.clone(), told.clone());
    let task = Task::with(move |_, mut stream| {
        let (noted, close) = (noted.clone(), close.clone());
        async move {
            loop {
                tokio::select! {
                    biased;
                    permit = close.acquire() => return permit.unwrap().forget(),
                    body = next_body(&mut stream) => {
                        let Some(body) = body else { return };
                        *noted.lock().unwrap().entry(body).or_default() += 1;
                        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";
                        let _ = stream.write_all(answer).await;
                    }
                }
            }
        }
    });
    (task, read, told)
}

/// Clients that ask at once: a router with enough to do sends requests by connections that have ended since it looked.
const CLIENTS: usize = 16;

/// At whatever moment a task closes a kept connection: a POST is answered or lost, and read once. Some are sent as the task
/// closes; the router knows that it has not read them.
#[test]
fn a_post_that_comes_as_its_task_closes_a_kept_connection_is_read_once() {
    let (task, read, close) = closes_when_told();
    let services = [service("a", &LABELS, &[&task])];
    let router = Router::start_with(&services, &["--access-log", "json"]);
    let times = |body: &str| read.lock().unwrap().get(body).copied().unwrap_or_default();
    let (next, enough) = (AtomicUsize::new(0), AtomicBool::new(false));
    let client = || {
        while !enough.load(Ordering::Relaxed) {
            let body = format!("{:05}", next.fetch_add(1, Ordering::Relaxed));
            let answer = Client::connect(router.http).ask(&request("POST", &body));
            match answer.status {
                200 => assert_eq!(times(&body), 1, "{body}"),
                502 => assert!(times(&body) <= 1, "{body}"),
                status => panic!("{status}"),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(client);
        }
        let (mut undelivered, begin) = (0, Instant::now());
        while undelivered < 3 && begin.elapsed() < Duration::from_secs(20) {
            // One line a request.
            let line = router.log_line();
            undelivered += usize::from(line.contains(r#""retried_because":"undelivered""#));
            close.add_permits(1);
        }
        enough.store(true, Ordering::Relaxed);
        assert!(
            undelivered >= 3,
            "{undelivered} were sent as the task closed"
        );
    });
}

/// One that ends a connection by a reset once a request is there, or once it has read it.
fn resets(reads: bool) -> Task {
    Task::with(move |_, mut stream| async move {
        if reads {
            read_to(&mut stream, b"hello").await;
        } else {
            stream.peek(&mut [0]).await.unwrap();
        }
        stream.set_zero_linger().unwrap();
    })
}

/// A reset is no word on what the task has read. The first task reads nothing, the second all of it.
#[test]
fn a_post_that_a_task_ends_by_a_reset_is_not_sent_again() {
    for reads in [false, true] {
        let tasks = [resets(reads), resets(reads)];
        let router = Router::start(&[service("a", &LABELS, &tasks.each_ref())]);
        let answer = Client::connect(router.http).ask(&request("POST", "hello"));
        assert_eq!(answer.status, 502, "{answer:?}");
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(accepted(&tasks), 1, "{reads}");
    }
}

#[test]
fn a_put_with_a_short_body_goes_to_another_task_and_one_with_a_long_body_does_not() {
    let closes = || {
        Task::with(|_, mut stream| async move {
            read_to(&mut stream, b"hello").await;
        })
    };
    let (good, bad) = (Task::start(), closes());
    let router = Router::start(&[service("a", &LABELS, &[&good, &bad])]);
    for length in [0, 16_000] {
        let body = "a".repeat(length) + "hello";
        while accepted(std::slice::from_ref(&bad)) == 0 {
            let answer = Client::connect(router.http).ask(&request("PUT", &body));
            assert_eq!((answer.status, answer.task()), (200, good.key));
            assert!(answer.body.ends_with(&format!("\n\n{body}")), "{answer:?}");
        }
        bad.connections.store(0, Ordering::Relaxed);
    }
    let tasks = [closes(), closes()];
    let router = Router::start(&[service("a", &LABELS, &tasks.each_ref())]);
    let body = "a".repeat(17_000) + "hello";
    let answer = Client::connect(router.http).ask(&request("PUT", &body));
    assert_eq!(answer.status, 502, "{answer:?}");
    assert_eq!(accepted(&tasks), 1);
}

/// A part of the body comes once the first task has closed.
#[test]
fn a_body_that_is_still_coming_goes_on_to_the_other_task() {
    let closes = || {
        Task::with(|_, mut stream| async move {
            read_to(&mut stream, b"\r\n\r\nhe").await;
        })
    };
    let (good, bad) = (Task::start(), closes());
    let router = Router::start(&[service("a", &LABELS, &[&good, &bad])]);
    while accepted(std::slice::from_ref(&bad)) == 0 {
        let mut client = Client::connect(router.http);
        client.send("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhe");
        std::thread::sleep(Duration::from_millis(50));
        client.send("llo");
        let answer = client.answer().unwrap();
        assert_eq!((answer.status, answer.task()), (200, good.key));
        assert!(answer.body.ends_with("\n\nhello"), "{answer:?}");
    }
}

/// A task that says by HTTP/2 that it has not processed a request, in one of two ways.
fn refuses(goaway: bool) -> Task {
    Task::with(move |_, mut stream| async move {
        if !goaway {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((_, mut answer))) = connection.accept().await {
                answer.send_reset(h2::Reason::REFUSED_STREAM);
            }
            return;
        }
        // SETTINGS; and where the request is there, GOAWAY after stream 0 (RFC 9113, section 6.8).
        let _ = stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
        if read_to(&mut stream, b"hello").await {
            let goaway = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            let _ = stream.write_all(&goaway).await;
            read_to(&mut stream, b"nothing more").await;
        }
    })
}

#[test]
fn a_post_that_http2_says_was_not_processed_is_answered_by_another_task() {
    for goaway in [false, true] {
        let (good, bad) = (Task::start(), refuses(goaway));
        let router = Router::start(&[service("a", &H2C, &[&good, &bad])]);
        let mut client = Client::connect(router.http);
        for number in 0..20 {
            let answer = client.ask(&request("POST", "hello"));
            assert_eq!(answer.status, 200, "{goaway}, {number}: {answer:?}");
            assert_eq!(answer.task(), good.key);
            assert!(answer.body.ends_with("\n\nhello"), "{answer:?}");
        }
        assert!(accepted(std::slice::from_ref(&bad)) > 0, "{goaway}");
    }
}
