//! Passwords that are guessed, by requests that are taken back or not.

use super::frames::{Connection, END_HEADERS, END_STREAM, GET, HEADERS, RST_STREAM, block, frame};
use crate::harness::{Client, Router, Task, service};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// The password is `secret`; a comparison takes milliseconds.
const ANN: &str = "ann:$2b$08$abcdefghijklmnopqrstuuKxCcvB7KZ7.BpDoK0bh6qM7Dl1/xiJa";

/// Longest time in which a client with the right password is answered.
const SOON: Duration = Duration::from_secs(4);

/// A router before a task whose route asks for ann's password.
fn router(task: &Task) -> Router {
    let labels = [
        ("traefik.enable", "true"),
        ("traefik.http.routers.a.rule", "Host(`a.test`)"),
        ("traefik.http.routers.a.middlewares", "auth"),
        ("traefik.http.middlewares.auth.basicauth.users", ANN),
        ("traefik.http.services.a.loadbalancer.server.port", "18080"),
    ];
    Router::start(&[service("a", &labels, &[task])])
}

/// A request with another password than anybody has sent before.
fn guess(connection: usize, stream: u32) -> Vec<u8> {
    // ann: and seven letters.
    let guess = format!("Basic YW5uOmd1ZXNz{connection}{stream:03}");
    let mut head = GET.to_vec();
    head.push((b"authorization", guess.as_bytes()));
    let flags = END_STREAM | END_HEADERS;
    frame(HEADERS, flags, stream, &block(&head))
}

/// The status of the answer to who logs in.
fn logs_in(client: &mut Client) -> u16 {
    let head = "GET / HTTP/1.1\r\nHost: a.test\r\nAuthorization: Basic YW5uOnNlY3JldA==\r\n\r\n";
    client.ask(head).status
}

#[test]
fn guesses_that_are_taken_back_keep_nobody_from_logging_in() {
    let task = Task::start();
    let router = router(&task);
    let mut other = Client::connect(router.http);
    let mut held = Vec::new();
    for connection in 0..8 {
        let mut client = Connection::open(router.http, &[]);
        let (mut requests, mut resets) = (Vec::new(), Vec::new());
        for stream in (1..200).step_by(2) {
            requests.extend(guess(connection, stream));
            resets.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        }
        client.send(&requests);
        // Streams that are reset before they are accepted are counted by h2.
        std::thread::sleep(Duration::from_millis(100));
        client.send(&resets);
        held.push(client);
    }
    let begin = Instant::now();
    // As long as some are not taken back yet, its address has too many.
    while logs_in(&mut other) != 200 {
        assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    }
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
}

#[test]
fn guesses_of_one_address_keep_nobody_of_another_from_logging_in() {
    let task = Task::start();
    let router = router(&task);
    let mut other = Client::connect_from(Ipv4Addr::new(127, 0, 0, 2), router.http);
    let mut held = Vec::new();
    for connection in 0..8 {
        let mut client = Connection::open(router.http, &[]);
        let requests: Vec<u8> = (1..256)
            .step_by(2)
            .flat_map(|stream| guess(connection, stream))
            .collect();
        client.send(&requests);
        held.push(client);
    }
    std::thread::sleep(Duration::from_millis(100));
    let begin = Instant::now();
    assert_eq!(logs_in(&mut other), 200);
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
}
