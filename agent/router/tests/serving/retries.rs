//! Tasks that close connections: which requests are sent again, and which are not.

use crate::harness::{Client, Router, Task, service};
use http::Response;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

const LABELS: [(&str, &str); 2] = [
    ("com.docker.lb.hosts", "a.test"),
    ("com.docker.lb.port", "18080"),
];

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello";

/// Closes the connections of a task, one after the other.
#[derive(Clone)]
struct Close {
    told: Arc<Semaphore>,
    closed: Arc<AtomicUsize>,
}

impl Close {
    fn new() -> Self {
        Self {
            told: Arc::new(Semaphore::new(0)),
            closed: Arc::default(),
        }
    }

    /// At whatever moment.
    fn soon(&self) {
        self.told.add_permits(1);
    }

    /// Now; returns once the router can know it.
    fn now(&self) {
        let before = self.closed.load(Ordering::Relaxed);
        self.soon();
        while self.closed.load(Ordering::Relaxed) == before {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(5));
    }

    async fn told(&self) {
        self.told.acquire().await.unwrap().forget();
    }

    fn done(&self) {
        self.closed.fetch_add(1, Ordering::Relaxed);
    }
}

/// One that answers a request and then closes the connection when it is told to, of which its answer says nothing.
fn answers_once() -> (Task, Close) {
    let close = Close::new();
    let told = close.clone();
    let task = Task::with(move |key, mut stream| {
        let told = told.clone();
        async move {
            if read_request(&mut stream).await {
                let body = format!("task {key}\n");
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                let _ = stream.write_all((head + &body).as_bytes()).await;
                told.told().await;
            }
            drop(stream);
            told.done();
        }
    });
    (task, close)
}

/// One that speaks HTTP/2 and closes a connection when it is told to.
fn speaks_http2() -> (Task, Close) {
    let close = Close::new();
    let told = close.clone();
    let task = Task::with(move |key, stream| {
        let told = told.clone();
        async move {
            let service = service_fn(|_| {
                let answer = Response::new(Full::<Bytes>::from(format!("task {key}\n")));
                async { Ok::<_, Infallible>(answer) }
            });
            {
                let connection = http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service);
                tokio::select! {
                    _ = connection => {}
                    () = told.told() => {}
                }
            }
            told.done();
        }
    });
    (task, close)
}

/// One that closes each connection at once.
fn closes_at_once() -> Task {
    Task::with(|_, _| async {})
}

/// One that reads a request and closes the connection in place of an answer.
fn closes_after_each_request() -> Task {
    Task::with(|_, mut stream| async move {
        read_request(&mut stream).await;
    })
}

/// One that keeps connections open and says nothing.
fn never_answers() -> Task {
    Task::with(|_, stream| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    })
}

/// Reads a head and the five bytes of `POST`; did one come?
async fn read_request(stream: &mut TcpStream) -> bool {
    let mut read = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return false,
            Ok(length) => read.extend_from_slice(&buffer[..length]),
        }
        let text = String::from_utf8_lossy(&read);
        if text.starts_with("GET") && text.ends_with("\r\n\r\n") || text.ends_with("\r\n\r\nhello")
        {
            return true;
        }
    }
}

fn accepted(task: &Task) -> usize {
    task.connections.load(Ordering::Relaxed)
}

#[test]
fn a_task_that_closes_kept_connections_between_two_requests_costs_nothing() {
    let (task, close) = answers_once();
    let router = Router::start(&[service("a", &LABELS, &[&task])]);
    let mut client = Client::connect(router.http);
    for number in 0..30 {
        let request = if number % 2 == 0 { GET } else { POST };
        let answer = client.ask(request);
        assert_eq!(answer.status, 200, "{number}: {answer:?}");
        close.now();
    }
    assert_eq!(accepted(&task), 30);
}

#[test]
fn requests_without_a_body_are_sent_again_when_a_kept_connection_ends_as_they_are_sent() {
    let (task, close) = answers_once();
    let router = Router::start(&[service("a", &LABELS, &[&task])]);
    let mut client = Client::connect(router.http);
    for number in 0..300 {
        let answer = client.ask(GET);
        assert_eq!(answer.status, 200, "{number}: {answer:?}");
        close.soon();
        std::thread::sleep(Duration::from_micros(number));
    }
}

#[test]
fn a_task_that_closes_at_once_is_ejected_and_others_answer() {
    let (good, bad) = (Task::start(), closes_at_once());
    let router = Router::start(&[service("a", &LABELS, &[&good, &bad])]);
    let mut client = Client::connect(router.http);
    for number in 0..50 {
        let answer = client.ask(GET);
        assert_eq!(answer.status, 200, "{number}: {answer:?}");
        assert_eq!(answer.task(), good.key);
    }
    // Three failures eject it for 1 s, and each one after that for twice as long as before.
    assert!(accepted(&bad) <= 8, "{}", accepted(&bad));
}

/// What was sent to it may have been read, and is lost; what comes then goes elsewhere.
#[test]
fn a_task_that_closes_at_once_costs_few_requests_that_must_not_be_repeated() {
    let (good, bad) = (Task::start(), closes_at_once());
    let router = Router::start(&[service("a", &LABELS, &[&good, &bad])]);
    let mut client = Client::connect(router.http);
    let answers = (0..50).map(|_| client.ask(POST).status);
    let lost = answers.filter(|status| *status != 200).count();
    assert!(lost <= 8, "{lost}");
}

#[test]
fn a_websocket_is_opened_by_another_task() {
    let (good, bad) = (Task::start(), closes_after_each_request());
    let router = Router::start(&[service("a", &LABELS, &[&good, &bad])]);
    for _ in 0..10 {
        let mut client = Client::connect(router.http);
        let answer = client.ask(
            "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        );
        assert_eq!(answer.status, 101);
        client.send("there and back");
        assert_eq!(client.bytes(14), "there and back");
    }
    assert!(accepted(&bad) > 0);
}

#[test]
fn a_task_that_closes_http2_between_two_requests_costs_nothing() {
    let (task, close) = speaks_http2();
    let labels = "traefik.http.routers.a.rule=Host(`a.test`)
         traefik.http.services.a.loadbalancer.server.port=18080
         traefik.http.services.a.loadbalancer.server.scheme=h2c";
    let router = Router::start(&[service("a", &crate::labels::labels(labels), &[&task])]);
    let mut client = Client::connect(router.http);
    for number in 0..20 {
        let request = if number % 2 == 0 { GET } else { POST };
        let answer = client.ask(request);
        assert_eq!(answer.status, 200, "{number}: {answer:?}");
        close.now();
    }
    assert_eq!(accepted(&task), 20);
    // And at whatever moment.
    for number in 0..100 {
        let answer = client.ask(GET);
        assert_eq!(answer.status, 200, "{number}: {answer:?}");
        close.soon();
        std::thread::sleep(Duration::from_micros(number * 3));
    }
}

#[test]
fn no_more_than_the_budget_is_sent_again() {
    let tasks = [closes_after_each_request(), closes_after_each_request()];
    let router = Router::start(&[service("a", &LABELS, &tasks.each_ref())]);
    let mut client = Client::connect(router.http);
    let (requests, begin) = (100, Instant::now());
    for _ in 0..requests {
        assert_eq!(client.ask(GET).status, 502);
    }
    let sent: usize = tasks.iter().map(accepted).sum();
    // One for each; ten at first, ten a second, and a fifth of the requests.
    let seconds = usize::try_from(begin.elapsed().as_secs()).unwrap() + 1;
    let most = requests + 10 + 10 * seconds + 20;
    assert!((requests + 10..=most).contains(&sent), "{sent}");
}

#[test]
fn what_a_task_may_have_done_is_not_done_twice() {
    let tasks = [closes_after_each_request(), closes_after_each_request()];
    let router = Router::start(&[service("a", &LABELS, &tasks.each_ref())]);
    let answer = Client::connect(router.http).ask(POST);
    assert_eq!(answer.status, 502);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(tasks.iter().map(accepted).sum::<usize>(), 1);
    // A GET is, by another task.
    assert_eq!(Client::connect(router.http).ask(GET).status, 502);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(tasks.iter().map(accepted).sum::<usize>(), 3);
}

/// More of it would be more load for the others.
#[test]
fn a_request_whose_answer_is_late_is_not_sent_again() {
    let tasks = [never_answers(), never_answers()];
    let services = [service("a", &LABELS, &tasks.each_ref())];
    let router = Router::start_with(&services, &["--answer-timeout", "1"]);
    let answer = Client::connect(router.http).ask(GET);
    assert_eq!(answer.status, 504);
    assert!(answer.body.contains("not answered in time"), "{answer:?}");
    assert_eq!(tasks.iter().map(accepted).sum::<usize>(), 1);
}

#[test]
fn a_request_that_failed_at_one_task_is_answered_by_another() {
    let (good, bad) = (Task::start(), closes_after_each_request());
    let router = Router::start(&[service("a", &LABELS, &[&good, &bad])]);
    for _ in 0..20 {
        let answer = Client::connect(router.http).ask(GET);
        assert_eq!((answer.status, answer.task()), (200, good.key));
    }
    assert!(accepted(&bad) > 0);
}
