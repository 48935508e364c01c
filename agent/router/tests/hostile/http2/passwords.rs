//! Passwords that are guessed by requests that are taken back.

use super::frames::{Connection, END_HEADERS, END_STREAM, GET, HEADERS, RST_STREAM, block, frame};
use crate::harness::{Client, Router, Task, service};
use std::time::{Duration, Instant};

/// The password is `secret`; a comparison takes milliseconds.
const ANN: &str = "ann:$2b$08$abcdefghijklmnopqrstuuKxCcvB7KZ7.BpDoK0bh6qM7Dl1/xiJa";

#[test]
fn guesses_that_are_taken_back_keep_nobody_from_logging_in() {
    let task = Task::start();
    let labels = [
        ("traefik.enable", "true"),
        ("traefik.http.routers.a.rule", "Host(`a.test`)"),
        ("traefik.http.routers.a.middlewares", "auth"),
        ("traefik.http.middlewares.auth.basicauth.users", ANN),
        ("traefik.http.services.a.loadbalancer.server.port", "18080"),
    ];
    let router = Router::start(&[service("a", &labels, &[&task])]);
    let mut other = Client::connect(router.http);
    let mut held = Vec::new();
    for connection in 0..8 {
        let mut client = Connection::open(router.http, &[]);
        let (mut requests, mut resets) = (Vec::new(), Vec::new());
        for stream in (1..200).step_by(2) {
            // ann: and seven letters.
            let guess = format!("Basic YW5uOmd1ZXNz{connection}{stream:03}");
            let mut head = GET.to_vec();
            head.push((b"authorization", guess.as_bytes()));
            let flags = END_STREAM | END_HEADERS;
            requests.extend(frame(HEADERS, flags, stream, &block(&head)));
            resets.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        }
        client.send(&requests);
        // Streams that are reset before they are accepted are counted by h2.
        std::thread::sleep(Duration::from_millis(100));
        client.send(&resets);
        held.push(client);
    }
    let begin = Instant::now();
    let answer = other
        .ask("GET / HTTP/1.1\r\nHost: a.test\r\nAuthorization: Basic YW5uOnNlY3JldA==\r\n\r\n");
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(
        begin.elapsed() < Duration::from_secs(4),
        "{:?}",
        begin.elapsed()
    );
}
