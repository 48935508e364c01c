//! Connections that the router ends while something is on its way.

use super::frames::{
    Connection, DATA, END_HEADERS, END_STREAM, Event, GET, HEADERS, PING, WINDOW_UPDATE, block,
    frame,
};
use super::task::{LABELS, serve};
use crate::harness::{Router, Task, service};
use std::thread::sleep;
use std::time::Duration;

/// Bytes of the answer that is taken slowly: what the kernel holds of a connection, and no more.
const LONG: usize = 400_000;

/// The payload of h2's PING, where the client can't read it yet.
const PAYLOAD: [u8; 8] = [0x0b, 0x7b, 0xa2, 0xf0, 0x8b, 0x9b, 0xfe, 0x54];

/// Reads a stream to its end: the status, and how many bytes.
fn answer(connection: &mut Connection, stream: u32) -> (u16, usize) {
    let (mut answered, mut bytes) = (0, 0);
    loop {
        let ends = match connection.event(stream) {
            Event::Status(status, ends) => {
                answered = status;
                ends
            }
            Event::Data(data, ends) => {
                bytes += data.len();
                ends
            }
            // Without an error.
            Event::GoAway(0) => false,
            other => panic!("{other:?} after {answered}, {bytes} bytes"),
        };
        if ends {
            return (answered, bytes);
        }
    }
}

/// Waits until the router has closed the connection, and has ended.
#[track_caller]
fn ends(mut connection: Connection, router: &mut Router) {
    while connection.event(0) != Event::Closed {}
    drop(connection);
    router.ends();
}

#[test]
fn requests_that_a_client_had_begun_when_it_was_told_are_served() {
    let task = Task::absent();
    let (_runtime, _) = serve(task.address);
    let mut router = Router::start(&[service("a", &LABELS, &[&task])]);
    let mut connection = Connection::open(router.http, &[]);
    let mut post = GET;
    post[0].1 = b"POST";
    assert!(connection.send(&frame(HEADERS, END_HEADERS, 1, &block(&post))));
    assert!(connection.request(3, &GET));
    assert_eq!(answer(&mut connection, 3), (200, 0));
    router.terminate();
    assert_eq!(connection.event(0), Event::GoAway(0));
    let ping = connection.ping();
    // As gRPC's C core does: it acknowledges, then it writes what it has begun.
    let frames = [
        frame(PING, 1, 0, &ping),
        frame(HEADERS, END_HEADERS, 5, &block(&post)),
        frame(WINDOW_UPDATE, 0, 5, &5_u32.to_be_bytes()),
        frame(DATA, END_STREAM, 5, b"hello"),
    ];
    assert!(connection.send(&frames.concat()));
    assert_eq!(answer(&mut connection, 5), (200, 0));
    // What was under way before goes on.
    sleep(Duration::from_millis(1500));
    assert!(connection.send(&frame(DATA, END_STREAM, 1, b"hello")));
    assert_eq!(answer(&mut connection, 1), (200, 0));
    ends(connection, &mut router);
}

#[test]
fn who_takes_the_last_answer_slowly_gets_all_of_it() {
    let task = Task::absent();
    let (_runtime, _) = serve(task.address);
    let mut router = Router::start(&[service("a", &LABELS, &[&task])]);
    // Windows are no bound (SETTINGS_INITIAL_WINDOW_SIZE).
    let mut connection = Connection::open(router.http, &[(4, 1 << 30)]);
    let window = frame(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes());
    let path = format!("/{LONG}");
    let mut head = GET;
    head[3].1 = path.as_bytes();
    assert!(connection.send(&window));
    assert!(connection.request(1, &head));
    sleep(Duration::from_millis(500));
    router.terminate();
    sleep(Duration::from_millis(300));
    assert!(connection.send(&frame(PING, 1, 0, &PAYLOAD)));
    sleep(Duration::from_secs(2));
    // The router has written all, and has nothing more to say; the client has read nothing.
    let more = frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes());
    assert!(connection.send(&more));
    sleep(Duration::from_millis(200));
    assert_eq!(answer(&mut connection, 1), (200, LONG));
    ends(connection, &mut router);
}
