//! Balancers before the router, which say by the PROXY protocol whose connections they pass on.

use crate::harness::{Client, Router, Task, ask, service};

const LABELS: [(&str, &str); 2] = [
    ("com.docker.lb.hosts", "a.test"),
    ("com.docker.lb.port", "18080"),
];
const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

#[test]
fn tasks_see_the_client_that_a_balancer_names() {
    let task = Task::start();
    let services = [service("a", &LABELS, &[&task])];
    let router = Router::start_with(&services, &["--proxy-protocol", "127.0.0.0/8"]);
    let mut client = Client::connect(router.http);
    let answer = client.ask(&format!(
        "PROXY TCP4 192.0.2.7 198.51.100.1 1234 80\r\n{GET}"
    ));
    assert_eq!(answer.seen("x-forwarded-for"), ["192.0.2.7"]);
    assert_eq!(answer.seen("x-real-ip"), ["192.0.2.7"]);
    // It is said once for a connection.
    assert_eq!(client.ask(GET).seen("x-forwarded-for"), ["192.0.2.7"]);
    // What begins with a request is not the balancer's.
    let mut bare = Client::connect(router.http);
    bare.send(GET);
    assert!(bare.answer().is_none());
}

#[test]
fn a_header_of_anybody_else_is_no_request() {
    let task = Task::start();
    let services = [service("a", &LABELS, &[&task])];
    let router = Router::start_with(&services, &["--proxy-protocol", "10.0.0.0/8"]);
    let mut client = Client::connect(router.http);
    let answer = client.ask(&format!(
        "PROXY TCP4 192.0.2.7 198.51.100.1 1234 80\r\n{GET}"
    ));
    assert_eq!(answer.status, 400);
    let answer = ask(router.http, "a.test", "/");
    assert_eq!(answer.seen("x-forwarded-for"), ["127.0.0.1"]);
}
