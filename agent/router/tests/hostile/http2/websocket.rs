//! WebSockets by HTTP/2 (RFC 8441): what comes early waits, and nothing else is a tunnel.

use super::cases::{End, end};
use super::frames::{Connection, DATA, END_HEADERS, Event, Field, HEADERS, block, frame};
use crate::answers::{WEBSOCKET, before, count};
use crate::harness::{Client, Router, Task, service};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Asks for a WebSocket.
const CONNECT: [Field<'static>; 6] = [
    (b":method", b"CONNECT"),
    (b":protocol", b"websocket"),
    (b":scheme", b"http"),
    (b":authority", b"a.test"),
    (b":path", b"/chat"),
    (b"sec-websocket-version", b"13"),
];

/// A request that would be in the way of the next one, as early bytes.
const HIDDEN: &[u8] = b"GET /hidden HTTP/1.1\r\nHost: a.test\r\n\r\n";

#[test]
fn bytes_of_a_tunnel_that_is_refused_reach_no_task() {
    let (router, came) = before(|_| {
        std::thread::sleep(Duration::from_millis(200));
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".into()
    });
    for fields in [
        CONNECT.to_vec(),
        [CONNECT.as_slice(), &[(b"content-length", b"40")]].concat(),
    ] {
        let mut connection = Connection::open(router.http, &[]);
        connection.send(&frame(HEADERS, END_HEADERS, 1, &block(&fields)));
        connection.send(&frame(DATA, 0, 1, HIDDEN));
        let ended = end(&mut connection, 1);
        assert!(
            matches!(ended, End::Answered(403) | End::Error),
            "{ended:?}"
        );
    }
    std::thread::sleep(Duration::from_millis(200));
    assert!(count(&came, "GET /chat HTTP/1.1\r\n") >= 1);
    assert_eq!(count(&came, "/hidden"), 0);
    assert_eq!(count(&came, "content-length"), 0);
}

#[test]
fn rules_see_the_method_that_the_task_gets_whatever_the_client_speaks() {
    let (of_get, of_others) = (Task::start(), Task::start());
    let labels = |rule| {
        [
            ("traefik.enable", "true"),
            ("traefik.http.routers.a.rule", rule),
            ("traefik.http.services.a.loadbalancer.server.port", "18080"),
        ]
    };
    let get = labels("Host(`a.test`) && Method(`GET`)");
    let others = labels("Host(`a.test`) && !Method(`GET`)");
    let services = [
        service("get", &get, &[&of_get]),
        service("others", &others, &[&of_others]),
    ];
    let router = Router::start(&services);
    let mut http1 = Client::connect(router.http);
    assert_eq!(http1.ask(WEBSOCKET).status, 101);
    let mut http2 = Connection::open(router.http, &[]);
    http2.send(&frame(HEADERS, END_HEADERS, 1, &block(&CONNECT)));
    assert_eq!(http2.event(1), Event::Status(200, false));
    let came = [of_get, of_others].map(|task| task.connections.load(Ordering::Relaxed));
    assert_eq!(came, [2, 0]);
}
