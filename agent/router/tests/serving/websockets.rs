//! Tunnels.

use crate::harness::{Client, Router, Task, service};

const LABELS: [(&str, &str); 2] = [
    ("com.docker.lb.hosts", "a.test"),
    ("com.docker.lb.port", "18080"),
];

#[test]
fn bytes_go_both_ways_after_the_handshake() {
    let task = Task::start();
    let router = Router::start(&[service("a", &LABELS, &[&task])]);
    let mut client = Client::connect(router.http);
    let answer = client.ask(
        "GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Version: 13\r\n\r\n",
    );
    assert_eq!(answer.status, 101);
    assert_eq!(answer.field("upgrade"), ["websocket"]);
    assert_eq!(
        answer.field("sec-websocket-accept"),
        ["dGhlIHNhbXBsZSBub25jZQ=="]
    );
    client.send("there");
    assert_eq!(client.bytes(5), "there");
    client.send("and back");
    assert_eq!(client.bytes(8), "and back");
}

#[test]
fn no_other_protocol_is_switched_to() {
    let task = Task::start();
    let router = Router::start(&[service("a", &LABELS, &[&task])]);
    let mut client = Client::connect(router.http);
    let answer = client.ask(
        "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings\r\n\
         Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    );
    assert_eq!(answer.status, 200);
    assert!(answer.seen("upgrade").is_empty());
    assert!(answer.seen("http2-settings").is_empty());
}
