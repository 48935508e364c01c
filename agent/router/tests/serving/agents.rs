//! Agents and routers that end and come again.

use crate::harness::{Client, Router, Task, ask, service};
use std::time::Duration;

const LABELS: [(&str, &str); 2] = [
    ("com.docker.lb.hosts", "a.test"),
    ("com.docker.lb.port", "18080"),
];

#[test]
fn a_new_agent_gets_the_sockets_and_connections_go_on() {
    let task = Task::start();
    let services = [service("a", &LABELS, &[&task])];
    let mut router = Router::start(&services);
    let mut client = Client::connect(router.http);
    assert_eq!(client.get("a.test", "/").task(), task.key);
    assert_eq!(router.new_agent(&services), 2, "sockets");
    assert_eq!(client.get("a.test", "/").task(), task.key);
    assert_eq!(ask(router.http, "a.test", "/").task(), task.key);
}

#[test]
fn who_comes_while_there_is_no_router_waits_for_the_next_one() {
    let task = Task::start();
    let services = [service("a", &LABELS, &[&task])];
    let mut router = Router::start(&services);
    let address = router.http;
    let mut waiting = None;
    router.kill_and_restart(&services, || {
        let mut client = Client::connect(address);
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        waiting = Some(client);
    });
    let answer = waiting.unwrap().answer().unwrap();
    assert_eq!(answer.task(), task.key);
}

#[test]
fn a_router_that_is_told_to_stop_ends_what_is_under_way_and_no_more() {
    let task = Task::start();
    let mut router = Router::start(&[service("a", &LABELS, &[&task])]);
    let mut idle = Client::connect(router.http);
    assert_eq!(idle.get("a.test", "/").status, 200);
    let mut under_way = Client::connect(router.http);
    under_way.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhe");
    std::thread::sleep(Duration::from_millis(200));
    router.terminate();
    std::thread::sleep(Duration::from_millis(400));
    // A request that was on its way would have been lost.
    let last = idle.get("a.test", "/");
    assert_eq!(
        (last.status, last.field("connection")),
        (200, vec!["close"])
    );
    assert!(idle.answer().is_none(), "closed");
    assert_eq!(router.ended(), None);
    // Tasks still come and go.
    let (task, other) = (task.leaving(), Task::start());
    router.change(&[service("a", &LABELS, &[&task, &other])]);
    let answer = under_way.ask("llo");
    assert!(answer.body.ends_with("\n\nhello"), "{}", answer.body);
    assert_eq!(answer.field("connection"), ["close"]);
    router.ends();
}
