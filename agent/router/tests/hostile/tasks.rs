//! What clients break off is not the fault of a task.

use super::site::LABELS;
use crate::harness::{Client, Router, Task, ask, service};
use std::collections::BTreeSet;

#[test]
fn a_body_that_breaks_off_takes_no_task_out_of_service() {
    let (one, other) = (Task::start(), Task::start());
    let router = Router::start(&[service("a", &LABELS, &[&one, &other])]);
    for _ in 0..12 {
        let mut client = Client::connect(router.http);
        let answer = client.ask(
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nx\r\n",
        );
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(client.answer().is_none(), "closed");
    }
    let tasks: BTreeSet<u64> = (0..12)
        .map(|_| ask(router.http, "a.test", "/").task())
        .collect();
    assert_eq!(tasks, BTreeSet::from([one.key, other.key]));
}
