//! Clients come back to their tasks: through any router, and to another task when theirs leaves.

use crate::harness::{Answer, Client, Router, Task, service};
use crate::labels::labels;
use std::collections::BTreeSet;
use std::net::SocketAddr;

const STICKY: &str = "traefik.http.routers.a.rule=Host(`a.test`)
    traefik.http.services.a.loadbalancer.server.port=18080
    traefik.http.services.a.loadbalancer.sticky.cookie.name=lb";

const IP_HASH: &str = "com.docker.lb.hosts=a.test
    com.docker.lb.port=18080
    com.docker.lb.ip_hash=true";

fn ask(router: SocketAddr, field: &str) -> Answer {
    let request = format!("GET / HTTP/1.1\r\nHost: a.test\r\n{field}\r\n\r\n");
    Client::connect(router).ask(&request)
}

/// The cookie that an answer sets.
fn cookie(answer: &Answer) -> String {
    let set = answer.field("set-cookie");
    set[0].split(';').next().unwrap().to_owned()
}

#[test]
fn a_cookie_leads_to_the_same_task_through_two_routers() {
    let tasks: Vec<Task> = (0..5).map(|_| Task::start()).collect();
    let mut of_service: Vec<&Task> = tasks.iter().collect();
    let one = Router::start(&[service("a", &labels(STICKY), &of_service)]);
    // Another node may know them in another order.
    of_service.reverse();
    let other = Router::start(&[service("a", &labels(STICKY), &of_service)]);
    let mut found = BTreeSet::new();
    for number in 0..20 {
        let (first, then) = match number % 2 {
            0 => (&one, &other),
            _ => (&other, &one),
        };
        let answer = ask(first.http, "Accept: */*");
        let back = ask(then.http, &format!("Cookie: {}", cookie(&answer)));
        assert_eq!(back.task(), answer.task());
        assert!(back.field("set-cookie").is_empty());
        found.insert(answer.task());
    }
    assert!(found.len() > 1, "{found:?}");
}

#[test]
fn clients_of_a_task_that_leaves_get_another_one_and_its_cookie() {
    let (stays, leaves) = (Task::start(), Task::start());
    let mut router = Router::start(&[service("a", &labels(STICKY), &[&stays, &leaves])]);
    let mut cookies = Vec::new();
    while cookies.len() < 3 {
        let answer = ask(router.http, "Accept: */*");
        if answer.task() == leaves.key {
            cookies.push(cookie(&answer));
        }
    }
    let leaves = leaves.leaving();
    router.change(&[service("a", &labels(STICKY), &[&stays, &leaves])]);
    for before in cookies {
        let answer = ask(router.http, &format!("Cookie: {before}"));
        assert_eq!((answer.status, answer.task()), (200, stays.key));
        let now = cookie(&answer);
        assert_ne!(now, before);
        let back = ask(router.http, &format!("Cookie: {now}"));
        assert_eq!(back.task(), stays.key);
        assert!(back.field("set-cookie").is_empty());
    }
}

#[test]
fn clients_of_a_task_that_does_not_answer_get_another_one_and_its_cookie() {
    let (there, before) = (Task::start(), Task::start());
    // The same task, and nobody listens there any more.
    let mut absent = Task::absent();
    absent.key = before.key;
    let router = Router::start(&[service("a", &labels(STICKY), &[&before])]);
    let of_before = cookie(&ask(router.http, "Accept: */*"));
    let router = Router::start(&[service("a", &labels(STICKY), &[&there, &absent])]);
    let answer = ask(router.http, &format!("Cookie: {of_before}"));
    assert_eq!((answer.status, answer.task()), (200, there.key));
    assert_ne!(cookie(&answer), of_before);
}

#[test]
fn two_routers_choose_one_task_for_an_address() {
    let tasks: Vec<Task> = (0..5).map(|_| Task::start()).collect();
    let mut of_service: Vec<&Task> = tasks.iter().collect();
    let trusting = ["--trusted-proxies", "127.0.0.0/8"];
    let one = Router::start_with(&[service("a", &labels(IP_HASH), &of_service)], &trusting);
    of_service.reverse();
    let other = Router::start_with(&[service("a", &labels(IP_HASH), &of_service)], &trusting);
    let mut found = BTreeSet::new();
    for number in 0..40 {
        let field = format!("X-Forwarded-For: 192.0.2.{number}");
        let task = ask(one.http, &field).task();
        assert_eq!(ask(other.http, &field).task(), task, "{field}");
        found.insert(task);
    }
    assert_eq!(found.len(), 5, "all tasks have clients");
}

#[test]
fn only_the_clients_of_a_task_that_leaves_move() {
    let tasks: Vec<Task> = (0..4).map(|_| Task::start()).collect();
    let all: Vec<&Task> = tasks.iter().collect();
    let trusting = ["--trusted-proxies", "127.0.0.0/8"];
    let mut router = Router::start_with(&[service("a", &labels(IP_HASH), &all)], &trusting);
    let clients: Vec<String> = (0..40)
        .map(|number| format!("X-Forwarded-For: 192.0.2.{number}"))
        .collect();
    let before: Vec<u64> = clients
        .iter()
        .map(|field| ask(router.http, field).task())
        .collect();
    let gone = tasks[0].key;
    router.change(&[service("a", &labels(IP_HASH), &all[1..])]);
    for (field, before) in clients.iter().zip(before) {
        let now = ask(router.http, field).task();
        assert!(now == before || before == gone, "{field}: {before}, {now}");
        assert_ne!(now, gone);
    }
}

/// Whoever knows the application's cookie alone comes to the same task through any router, and then by the router's.
#[test]
fn the_cookie_of_an_application_leads_to_one_task_through_two_routers() {
    const SESSION: &str = "com.docker.lb.hosts=a.test
        com.docker.lb.port=18080
        com.docker.lb.sticky_session_cookie=session";
    let tasks: Vec<Task> = (0..4).map(|_| Task::start()).collect();
    let mut of_service: Vec<&Task> = tasks.iter().collect();
    let mut one = Router::start(&[service("a", &labels(SESSION), &of_service)]);
    of_service.reverse();
    let other = Router::start(&[service("a", &labels(SESSION), &of_service)]);
    let mut found = BTreeSet::new();
    for number in 0..20 {
        let session = format!("session=s{number}");
        let answer = ask(one.http, &format!("Cookie: {session}"));
        let own = cookie(&answer);
        for field in [
            format!("Cookie: {session}"),
            format!("Cookie: {session}; {own}"),
        ] {
            assert_eq!(ask(other.http, &field).task(), answer.task(), "{field}");
        }
        found.insert(answer.task());
    }
    assert_eq!(found.len(), 4, "all tasks have sessions");
    // Its task is gone: another one, which the client is told.
    let before = ask(one.http, "Cookie: session=s1");
    let stays: Vec<&Task> = tasks.iter().filter(|it| it.key != before.task()).collect();
    one.change(&[service("a", &labels(SESSION), &stays)]);
    let with_own = format!("Cookie: session=s1; {}", cookie(&before));
    let after = ask(one.http, &with_own);
    assert_ne!(after.task(), before.task());
    assert_ne!(cookie(&after), cookie(&before));
    // Without a session, nothing is set.
    let none = ask(one.http, "Accept: */*");
    assert!(none.field("set-cookie").is_empty());
}
