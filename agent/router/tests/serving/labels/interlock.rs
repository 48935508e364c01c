//! `com.docker.lb.*`.

use super::{One, labels};
use crate::harness::{Client, Router, Task, ask, certificate, service};
use crate::tls::{get, until};

const A: &str = "com.docker.lb.hosts=a.test
    com.docker.lb.port=18080";

/// `a.test`, with more labels.
fn a(more: &str) -> One {
    One::with(&format!("{A}\n{more}"))
}

#[test]
fn hosts_are_a_list_and_may_begin_with_a_star() {
    let one = One::with(
        "com.docker.lb.hosts=a.test, B.test,*.c.test
         com.docker.lb.port=18080",
    );
    for host in ["a.test", "b.test:80", "A.TEST.", "x.c.test", "x.y.c.test"] {
        one.serves(&format!("GET / {host}"));
    }
    one.knows_nothing_of("GET / c.test");
    one.knows_nothing_of("GET / x.a.test");
}

#[test]
fn port_is_where_the_tasks_listen() {
    a("").serves("GET / a.test");
    // Nobody listens there.
    let other = One::with("com.docker.lb.hosts=a.test\ncom.docker.lb.port=18079");
    assert_eq!(other.ask("GET / a.test").status, 502);
    // And without one there is no route.
    One::with("com.docker.lb.hosts=a.test").knows_nothing_of("GET / a.test");
}

#[test]
fn labels_that_say_nothing_here_are_accepted() {
    for label in [
        "network=front",
        "service_cluster=dmz",
        "websocket_endpoints=/ws,/socket",
        "backend_mode=task",
        "backend_mode=vip",
        "ssl_backend=false",
        "ssl_passthrough=false",
        "ssl_backend_tls_verify=none",
    ] {
        a(&format!("com.docker.lb.{label}")).serves("GET / a.test");
    }
}

#[test]
fn context_root_is_a_part_of_the_host() {
    let one = a("com.docker.lb.context_root=/app");
    let answer = one.ask("GET /app/x?y=1 a.test");
    assert!(answer.body.contains("\nGET /app/x?y=1 HTTP/1.1\n"));
    one.serves("GET /app a.test");
    one.knows_nothing_of("GET / a.test");
    one.knows_nothing_of("GET /other a.test");
}

#[test]
fn context_root_rewrite_takes_it_off() {
    let one = a("com.docker.lb.context_root=/app
         com.docker.lb.context_root_rewrite=true");
    for (asked, got) in [("/app/x?y=1", "/x?y=1"), ("/app", "/"), ("/app/", "/")] {
        let answer = one.ask(&format!("GET {asked} a.test"));
        let line = format!("\nGET {got} HTTP/1.1\n");
        assert!(answer.body.contains(&line), "{asked}: {}", answer.body);
        assert_eq!(answer.seen("x-forwarded-prefix"), ["/app"]);
    }
    one.knows_nothing_of("GET / a.test");
}

#[test]
fn two_services_share_a_host_by_context_root() {
    let (site, app) = (Task::start(), Task::start());
    let of_app = format!("{A}\ncom.docker.lb.context_root=/app");
    let router = Router::start(&[
        service("site", &labels(A), &[&site]),
        service("app", &labels(&of_app), &[&app]),
    ]);
    assert_eq!(ask(router.http, "a.test", "/").task(), site.key);
    assert_eq!(ask(router.http, "a.test", "/app/").task(), app.key);
}

#[test]
fn ssl_cert_and_ssl_key_name_secrets() {
    let one = a("com.docker.lb.ssl_cert=a.cert
         com.docker.lb.ssl_key=a.secret");
    let directory = one.router.certificates();
    let pem = certificate(&directory, "a", &["a.test"]);
    for (made, named) in [("a.crt", "a.cert"), ("a.key", "a.secret")] {
        std::fs::rename(directory.join(made), directory.join(named)).unwrap();
    }
    let url = "https://a.test/";
    let (_, status, body) = until(|| get(one.router.https, &pem, "a.test", url));
    assert_eq!(status, 200);
    assert!(body.contains("\nx-forwarded-proto: https\n"), "{body}");
    one.serves("GET / a.test");
}

#[test]
fn a_certificate_without_a_key_is_that_of_the_host() {
    let one = a("com.docker.lb.ssl_cert=other");
    assert_eq!(one.ask_tls("GET / a.test").task(), one.task.key);
    one.serves("GET / a.test");
}

#[test]
fn ssl_only_sends_clients_to_tls() {
    let one = a("com.docker.lb.ssl_only=true");
    let answer = one.ask("GET /x?y=1 a.test:80");
    assert_eq!(answer.status, 302);
    assert_eq!(answer.field("location"), ["https://a.test/x?y=1"]);
    // A form is sent again as it is.
    let answer = one.ask("POST /form a.test\nContent-Length: 0");
    assert_eq!(answer.status, 307);
    let answer = one.ask_tls("GET /x a.test");
    assert_eq!((answer.status, answer.task()), (200, one.task.key));
}

#[test]
fn websockets_need_no_label() {
    let one = a("com.docker.lb.websocket_endpoints=/ws");
    for path in ["/ws", "/elsewhere"] {
        let mut client = Client::connect(one.router.http);
        let answer = client.ask(&super::request(&format!(
            "GET {path} a.test\nConnection: Upgrade\nUpgrade: websocket\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Version: 13"
        )));
        assert_eq!(answer.status, 101);
        client.send("there and back");
        assert_eq!(client.bytes(14), "there and back");
    }
}

#[test]
fn redirects_lead_from_a_host_to_another_url() {
    let one =
        a("com.docker.lb.redirects=http://old.test,http://a.test; older.test, https://a.test/new");
    for (host, location) in [
        ("old.test", "http://a.test/x?y=1"),
        ("older.test", "https://a.test/new/x?y=1"),
    ] {
        let answer = one.ask(&format!("GET /x?y=1 {host}"));
        assert_eq!(answer.status, 302);
        assert_eq!(answer.field("location"), [location]);
    }
    one.serves("GET / a.test");
}

/// As Mirantis has it in "Configure redirects": the old host is among the hosts, too.
#[test]
fn a_host_that_is_redirected_may_be_among_the_hosts() {
    let one = One::with(
        "com.docker.lb.hosts=old.test,new.test
         com.docker.lb.port=18080
         com.docker.lb.redirects=http://old.test,http://new.test",
    );
    let answer = one.ask("GET / old.test");
    assert_eq!(answer.status, 302);
    assert_eq!(answer.field("location"), ["http://new.test/"]);
    one.serves("GET / new.test");
}

#[test]
fn a_redirect_to_tls_does_not_lead_back_to_itself() {
    let one = a("com.docker.lb.redirects=http://a.test,https://a.test");
    let answer = one.ask("GET /x a.test");
    assert_eq!(answer.status, 302);
    assert_eq!(answer.field("location"), ["https://a.test/x"]);
    let answer = one.ask_tls("GET /x a.test");
    assert_eq!((answer.status, answer.task()), (200, one.task.key));
}

#[test]
fn default_backend_answers_what_nobody_claims() {
    let (default, a) = (Task::start(), Task::start());
    let labels_of_default = "com.docker.lb.default_backend=true
        com.docker.lb.port=18080";
    let router = Router::start(&[
        service("default", &labels(labels_of_default), &[&default]),
        service("a", &labels(A), &[&a]),
    ]);
    assert_eq!(ask(router.http, "a.test", "/").task(), a.key);
    assert_eq!(ask(router.http, "b.test", "/x").task(), default.key);
    assert_eq!(ask(router.http, "192.0.2.1", "/").task(), default.key);
}

#[test]
fn sticky_session_cookie_brings_a_session_back_to_its_task() {
    let tasks = [Task::start(), Task::start(), Task::start()];
    let of_a = format!("{A}\ncom.docker.lb.sticky_session_cookie=session");
    let router = Router::start(&[service("a", &labels(&of_a), &tasks.each_ref())]);
    let mut client = Client::connect(router.http);
    // The task sets the cookie of the session; what the router sets beside it leads back.
    let first = client.get("a.test", "/?set-cookie=session=s1;HttpOnly");
    let set = first.field("set-cookie");
    let [session, own] = set[..] else {
        panic!("{set:?}");
    };
    assert_eq!(session, "session=s1;HttpOnly");
    assert!(
        own.starts_with("swarmlb_") && own.ends_with(";HttpOnly"),
        "{own}"
    );
    let own = own.split(';').next().unwrap();
    for _ in 0..20 {
        let cookies = format!("GET / a.test\nCookie: session=s1; {own}");
        let answer = client.ask(&super::request(&cookies));
        assert_eq!(answer.task(), first.task());
        assert!(answer.field("set-cookie").is_empty());
    }
}

#[test]
fn ip_hash_brings_a_client_back_to_its_task() {
    let tasks = [Task::start(), Task::start(), Task::start()];
    let of_a = format!("{A}\ncom.docker.lb.ip_hash=true");
    let router = Router::start(&[service("a", &labels(&of_a), &tasks.each_ref())]);
    let first = ask(router.http, "a.test", "/").task();
    for _ in 0..20 {
        assert_eq!(ask(router.http, "a.test", "/").task(), first);
    }
}
