//! Protocols of clients' connections.

use crate::harness::{Client, Router, Task, get_over_http2, service};
use lb_router_wire::stats::{Stats, Total};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Longer than it takes until a connection that waits is parked.
const PARKED: Duration = Duration::from_millis(3_500);

const LABELS: [(&str, &str); 2] = [
    ("com.docker.lb.hosts", "a.test"),
    ("com.docker.lb.port", "18080"),
];

#[test]
fn http2_by_prior_knowledge_is_served_and_tasks_get_http1() {
    let task = Task::start();
    let router = Router::start(&[service("a", &LABELS, &[&task])]);
    let text = over_http2(router.http, "http://a.test/x?y");
    assert!(text.contains("GET /x?y HTTP/1.1\n"), "{text}");
    assert!(text.contains("\nhost: a.test\n"), "{text}");
}

#[test]
fn a_task_that_speaks_h2c_gets_http2() {
    let task = Task::start();
    let labels = [
        ("traefik.enable", "true"),
        ("traefik.http.routers.a.rule", "Host(`a.test`)"),
        ("traefik.http.services.a.loadbalancer.server.port", "18080"),
        ("traefik.http.services.a.loadbalancer.server.scheme", "h2c"),
    ];
    let router = Router::start(&[service("a", &labels, &[&task])]);
    let text = over_http2(router.http, "http://a.test/x");
    assert!(text.contains("GET http://a.test/x HTTP/2.0\n"), "{text}");
}

fn over_http2(address: SocketAddr, uri: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(asked_over_http2(address, uri))
}

async fn asked_over_http2(address: SocketAddr, uri: &str) -> String {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (status, text) = get_over_http2(stream, uri).await;
    assert_eq!(status, 200);
    text
}

#[test]
fn a_parked_connection_goes_on_where_it_was() {
    let task = Task::start();
    let router = Router::start(&[service("a", &LABELS, &[&task])]);
    let mut client = Client::connect(router.http);
    assert_eq!(client.get("a.test", "/1").status, 200);
    sleep(PARKED);
    assert_eq!(client.get("a.test", "/2").status, 200);
    // The beginning of a head is no loss either.
    client.send("GET /3 HT");
    sleep(PARKED);
    client.send("TP/1.1\r\nHost: a.t");
    sleep(PARKED);
    let answer = client.ask("est\r\n\r\n");
    assert!(answer.body.contains("GET /3 HTTP/1.1\n"), "{answer:?}");
    // Nor is what follows it.
    client.send("GET /4 HTTP/1.1\r\nHost: a.test\r\n\r\nGET /5");
    let answer = client.answer().unwrap();
    assert!(answer.body.contains("GET /4 HTTP/1.1\n"), "{answer:?}");
    sleep(PARKED);
    let answer = client.ask(" HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert!(answer.body.contains("GET /5 HTTP/1.1\n"), "{answer:?}");
}

#[test]
fn a_connection_whose_body_still_comes_is_not_parked() {
    // It answers before it has the body, and takes all of it afterwards.
    let task = Task::with(|_, mut stream| async move {
        let mut head = [0; 1000];
        let _ = stream.read(&mut head).await;
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nearly";
        stream.write_all(answer).await.unwrap();
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    });
    let router = Router::start(&[service("a", &LABELS, &[&task])]);
    let inner = "GET /inner HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let length = 2 * inner.len();
    let head = format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {length}\r\n\r\n");
    let mut client = TcpStream::connect(router.http).unwrap();
    let limit = Some(Duration::from_secs(1));
    client.set_read_timeout(limit).unwrap();
    client.write_all((head + inner).as_bytes()).unwrap();
    let answer = read(&mut client);
    assert!(answer.ends_with("\r\n\r\nearly"), "{answer}");
    sleep(PARKED);
    let _ = client.write_all(inner.as_bytes());
    // What has come was the body, and no request.
    assert_eq!(read(&mut client), "");
}

/// What comes within a second.
fn read(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    String::from_utf8(text).unwrap()
}

#[test]
fn connections_that_wait_have_no_buffers() {
    const CONNECTIONS: usize = 400;
    let task = Task::start();
    let router = Router::start(&[service("a", &LABELS, &[&task])]);
    let open = || -> Vec<Client> {
        let clients = (0..CONNECTIONS).map(|_| {
            let mut client = Client::connect(router.http);
            assert_eq!(client.get("a.test", "/").status, 200);
            client
        });
        clients.collect()
    };
    let first = open();
    let before = router.resident_kib();
    sleep(PARKED);
    // They have room in what the others have given back.
    let second = open();
    let each = (router.resident_kib().saturating_sub(before)) as f64 / CONNECTIONS as f64;
    assert!(each < 6.0, "{each} KiB a connection");
    for mut client in first.into_iter().chain(second) {
        assert_eq!(client.get("a.test", "/").status, 200);
    }
}

#[test]
fn more_requests_at_a_time_than_there_may_be_are_refused() {
    let task = Task::start();
    let services = [service("a", &LABELS, &[&task])];
    // A trusted proxy's address may have all of them.
    let arguments = ["--requests", "2", "--trusted-proxies", "127.0.0.0/8"];
    let mut router = Router::start_with(&services, &arguments);
    let mut sockets = [(); 2].map(|()| {
        let mut socket = Client::connect(router.http);
        let answer = socket.ask(
            "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        );
        assert_eq!(answer.status, 101);
        Some(socket)
    });
    let mut client = Client::connect(router.http);
    let refused = client.get("a.test", "/");
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(refused.field("retry-after"), ["1"]);
    let counted = |stats: Stats| stats.totals.get(Total::RejectedRequests as usize).copied();
    let begin = Instant::now();
    while counted(router.stats()) != Some(1) {
        assert!(begin.elapsed() < Duration::from_secs(10));
    }
    sockets[0] = None;
    while client.get("a.test", "/").status != 200 {
        assert!(begin.elapsed() < Duration::from_secs(10));
        sleep(Duration::from_millis(10));
    }
}
