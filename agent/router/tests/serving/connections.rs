//! Protocols of clients' connections.

use crate::harness::{Router, Task, get_over_http2, service};
use std::net::SocketAddr;

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
