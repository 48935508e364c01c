//! Requests find their service, and its task sees what it should.

use crate::harness::{Client, Router, Task, ask, service};

const PORT: (&str, &str) = ("com.docker.lb.port", "18080");

#[test]
fn the_host_decides_which_service_answers() {
    let (one, other) = (Task::start(), Task::start());
    let router = Router::start(&[
        service("one", &[("com.docker.lb.hosts", "one.test"), PORT], &[&one]),
        service(
            "other",
            &[("com.docker.lb.hosts", "other.test"), PORT],
            &[&other],
        ),
    ]);
    assert_eq!(ask(router.http, "one.test", "/").task(), one.key);
    assert_eq!(ask(router.http, "Other.Test:80", "/").task(), other.key);
    let nobody = ask(router.http, "nobody.test", "/");
    assert_eq!(nobody.status, 404);
    assert!(nobody.body.contains("nobody.test"), "{}", nobody.body);
}

#[test]
fn a_task_sees_the_request_and_who_sent_it() {
    let task = Task::start();
    let labels = [("com.docker.lb.hosts", "a.test"), PORT];
    let router = Router::start(&[service("a", &labels, &[&task])]);
    let answer = Client::connect(router.http).ask(
        "POST /a/./b%41?q=%20 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\
         Connection: close, X-Secret\r\nX-Secret: s\r\nX-Forwarded-For: 1.2.3.4\r\n\
         Keep-Alive: timeout=1\r\nX-Kept: k\r\n\r\nhello",
    );
    assert_eq!(answer.status, 200);
    assert!(
        answer.body.contains("\nPOST /a/bA?q=%20 HTTP/1.1\n"),
        "{}",
        answer.body
    );
    assert!(answer.body.ends_with("\n\nhello"), "{}", answer.body);
    assert_eq!(answer.seen("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(answer.seen("x-forwarded-proto"), ["http"]);
    assert_eq!(answer.seen("x-forwarded-host"), ["a.test"]);
    assert_eq!(answer.seen("host"), ["a.test"]);
    assert_eq!(answer.seen("x-kept"), ["k"]);
    assert!(answer.seen("x-secret").is_empty());
    assert!(answer.seen("keep-alive").is_empty());
    // And the client sees nothing that is between the router and the task.
    assert_eq!(answer.field("x-task").len(), 1);
    assert!(answer.field("x-hop").is_empty());
}

#[test]
fn a_task_gets_forwarded_where_that_is_asked_for_and_not_what_a_client_sends() {
    let task = Task::start();
    let labels = [("com.docker.lb.hosts", "a.test"), PORT];
    let services = [service("a", &labels, &[&task])];
    let written = "for=127.0.0.1;host=\"a.test\";proto=http";
    for (arguments, expected) in [(&[][..], None), (&["--forwarded"], Some(written))] {
        let router = Router::start_with(&services, arguments);
        let answer = Client::connect(router.http)
            .ask("GET / HTTP/1.1\r\nHost: a.test\r\nForwarded: for=192.0.2.9\r\n\r\n");
        assert_eq!(answer.status, 200);
        let seen = answer.seen("forwarded");
        assert!(seen.iter().eq(expected.iter()), "{seen:?}");
    }
}

#[test]
fn a_connection_bears_many_requests_and_so_does_one_to_a_task() {
    let task = Task::start();
    let labels = [("com.docker.lb.hosts", "a.test"), PORT];
    let router = Router::start(&[service("a", &labels, &[&task])]);
    let mut client = Client::connect(router.http);
    for number in 0..20 {
        let answer = client.get("a.test", &format!("/{number}"));
        assert!(
            answer.body.contains(&format!("GET /{number} ")),
            "{}",
            answer.body
        );
    }
    assert_eq!(
        task.connections.load(std::sync::atomic::Ordering::Relaxed),
        1
    );
}

#[test]
fn requests_that_mean_more_than_one_thing_are_refused() {
    let task = Task::start();
    let labels = [("com.docker.lb.hosts", "a.test"), PORT];
    let router = Router::start(&[service("a", &labels, &[&task])]);
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        (
            "GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n",
            400,
        ),
        ("GET http://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        ("GET /../x HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        ("GET /%zz HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        ("TRACE / HTTP/1.1\r\nHost: a.test\r\n\r\n", 405),
        ("CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n", 405),
    ] {
        let mut client = Client::connect(router.http);
        assert_eq!(client.ask(request).status, status, "{request}");
    }
    assert_eq!(
        task.connections.load(std::sync::atomic::Ordering::Relaxed),
        0
    );
}
