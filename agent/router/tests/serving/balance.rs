//! Tasks that come, go, and do not answer.

use crate::harness::{Client, Router, Task, ask, service};
use std::collections::BTreeMap;

const LABELS: [(&str, &str); 2] = [
    ("com.docker.lb.hosts", "a.test"),
    ("com.docker.lb.port", "18080"),
];

#[test]
fn a_task_that_does_not_listen_costs_no_request() {
    let (there, absent) = (Task::start(), Task::absent());
    let router = Router::start(&[service("a", &LABELS, &[&absent, &there])]);
    let mut client = Client::connect(router.http);
    for _ in 0..20 {
        let post = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi";
        let answer = client.ask(post);
        assert_eq!(answer.task(), there.key);
        assert!(answer.body.ends_with("\n\nhi"), "{}", answer.body);
    }
}

#[test]
fn without_a_task_that_answers_the_client_is_told() {
    let router = Router::start(&[service("a", &LABELS, &[&Task::absent()])]);
    assert_eq!(ask(router.http, "a.test", "/").status, 502);
    let router = Router::start(&[service("a", &LABELS, &[])]);
    let answer = ask(router.http, "a.test", "/");
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("no task"), "{}", answer.body);
}

#[test]
fn a_task_that_leaves_gets_no_request_on_any_connection() {
    let (stays, leaves) = (Task::start(), Task::start());
    let mut router = Router::start(&[service("a", &LABELS, &[&stays, &leaves])]);
    let mut clients: Vec<Client> = (0..10).map(|_| Client::connect(router.http)).collect();
    let ask_all = |clients: &mut Vec<Client>| {
        let mut tasks = BTreeMap::<u64, u32>::new();
        for client in clients {
            *tasks.entry(client.get("a.test", "/").task()).or_default() += 1;
        }
        tasks
    };
    ask_all(&mut clients);
    let leaves = leaves.leaving();
    router.change(&[service("a", &LABELS, &[&stays, &leaves])]);
    assert_eq!(ask_all(&mut clients), BTreeMap::from([(stays.key, 10)]));
}
