//! Protocols of clients' connections.

use crate::harness::{Client, Router, Task, get_over_http2, service};
use lb_router_wire::stats::{Stats, Total};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

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
fn more_requests_at_a_time_than_there_may_be_are_refused() {
    let task = Task::start();
    let services = [service("a", &LABELS, &[&task])];
    let mut router = Router::start_with(&services, &["--requests", "2"]);
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
        std::thread::sleep(Duration::from_millis(10));
    }
}
