//! A connection to a task that clients share (HTTP/2 on both sides): nobody is in the way of others on it.

use super::cases::{End, end};
use super::frames::{Connection, Event, GET};
use super::task::{LABELS, serve};
use crate::harness::{Router, Task, service};
use std::time::{Duration, Instant};

#[test]
fn who_takes_nothing_of_long_answers_is_in_the_way_of_nobody() {
    let task = Task::absent();
    let (_runtime, _) = serve(task.address);
    let router = Router::start(&[service("a", &LABELS, &[&task])]);
    // The task takes 200 requests at a time on a connection.
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stalled = Connection::open(router.http, &[(4, 0)]);
        for stream in (1..200).step_by(2) {
            let mut head = GET;
            head[3].1 = b"/1000000";
            assert!(stalled.request(stream, &head));
            assert_eq!(stalled.event(stream), Event::Status(200, false));
        }
        held.push(stalled);
    }
    let begin = Instant::now();
    for _ in 0..3 {
        let mut other = Connection::open(router.http, &[]);
        let mut head = GET;
        head[3].1 = b"/1000";
        assert!(other.request(1, &head));
        assert_eq!(end(&mut other, 1), End::Answered(200));
    }
    assert!(
        begin.elapsed() < Duration::from_secs(4),
        "{:?}",
        begin.elapsed()
    );
}
