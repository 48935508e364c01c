//! `traefik.http.routers.X.rule`: each matcher and operator, by requests that it matches and others that it does not.

use super::One;
use crate::harness::{Client, Router, Task, service};

fn rule(rule: &str) -> One {
    One::with(&labels_of(rule))
}

fn labels_of(rule: &str) -> String {
    format!(
        "traefik.enable=true
         traefik.http.routers.a.rule={rule}
         traefik.http.services.a.loadbalancer.server.port=18080"
    )
}

/// Requests that are served, and requests that are not.
fn check(text: &str, served: &[&str], others: &[&str]) {
    let one = rule(text);
    for head in served {
        let answer = one.ask(head);
        assert_eq!(answer.status, 200, "{text}: {head}: {answer:?}");
        assert_eq!(answer.task(), one.task.key);
    }
    for head in others {
        assert_eq!(one.ask(head).status, 404, "{text}: {head}");
    }
}

#[test]
fn host() {
    check(
        "Host(`A.test`)",
        &[
            "GET / a.test",
            "GET /x A.Test:8080",
            "POST / a.test\nContent-Length: 0",
        ],
        &["GET / b.test", "GET / x.a.test", "GET / 192.0.2.1"],
    );
    check(
        "Host(`*.a.test`)",
        &["GET / x.a.test", "GET / y.x.a.test"],
        &["GET / a.test"],
    );
    check(
        "Host(`192.0.2.1`)",
        &["GET / 192.0.2.1:80"],
        &["GET / a.test"],
    );
    check(
        "Host(`[2001:db8::1]`)",
        &["GET / [2001:DB8::1]:80"],
        &["GET / [2001:db8::2]"],
    );
    // Version 2.
    check("HostHeader(`a.test`)", &["GET / a.test"], &["GET / b.test"]);
}

#[test]
fn lists_of_version_2_are_alternatives() {
    check(
        "Host(`a.test`, `b.test`) && PathPrefix(`/x`,`/y`)",
        &["GET /x a.test", "GET /y b.test"],
        &["GET /z a.test", "GET /x c.test"],
    );
}

#[test]
fn host_regexp() {
    check(
        r"HostRegexp(`^[a-z]+\.a\.test$`)",
        &["GET / x.a.test", "GET / XY.A.TEST:80"],
        &["GET / 1.a.test", "GET / a.test", "GET / x.a.test.b"],
    );
    // Version 2 has names in braces.
    check(
        "HostRegexp(`{name:[a-z]+}.a.test`)",
        &["GET / x.a.test"],
        &["GET / a.test", "GET / 1.a.test", "GET / xaxtest"],
    );
}

#[test]
fn path() {
    check(
        "Path(`/x`)",
        &["GET /x a.test", "GET /x?y a.test", "GET /%78 b.test"],
        &["GET /x/ a.test", "GET / a.test"],
    );
    check(
        "Path(`/{id:[0-9]+}`)",
        &["GET /17 a.test"],
        &["GET /x a.test", "GET /17/x a.test"],
    );
}

#[test]
fn path_prefix() {
    check(
        "PathPrefix(`/x`)",
        &["GET /x a.test", "GET /x/y a.test", "GET /xy a.test"],
        &["GET /y/x a.test"],
    );
    check("PathPrefix(`/`)", &["GET / a.test", "GET /x b.test"], &[]);
}

#[test]
fn path_regexp() {
    check(
        r"PathRegexp(`\.(jpg|png)$`)",
        &["GET /a/b.png a.test"],
        &["GET /b.png/ a.test"],
    );
}

#[test]
fn header() {
    check(
        "Header(`X-Kind`, `beta`)",
        &[
            "GET / a.test\nX-Kind: beta",
            "GET / a.test\nx-kind: alpha\nx-kind: beta",
        ],
        &["GET / a.test", "GET / a.test\nX-Kind: beta2"],
    );
    check(
        "HeaderRegexp(`X-Kind`, `^b`)",
        &["GET / a.test\nX-Kind: beta"],
        &["GET / a.test\nX-Kind: alpha"],
    );
    // Version 2.
    check(
        "Headers(`X-Kind`, `beta`)",
        &["GET / a.test\nX-Kind: beta"],
        &["GET / a.test"],
    );
}

/// A client cannot say of itself what only the router knows.
#[test]
fn header_sees_fields_of_the_router() {
    check(
        "Header(`X-Forwarded-Proto`, `http`)",
        &["GET / a.test\nX-Forwarded-Proto: https"],
        &[],
    );
    check(
        "Header(`X-Real-Ip`, `192.0.2.1`)",
        &[],
        &["GET / a.test\nX-Real-Ip: 192.0.2.1"],
    );
}

#[test]
fn query() {
    check(
        "Query(`kind`, `beta`)",
        &[
            "GET /?kind=beta a.test",
            "GET /?x=1&kind=b%65ta a.test",
            "GET /?kind=a&kind=beta a.test",
        ],
        &[
            "GET / a.test",
            "GET /?kind=beta2 a.test",
            "GET /?Kind=beta a.test",
        ],
    );
    check(
        "Query(`debug`)",
        &["GET /?debug a.test", "GET /?debug= a.test"],
        &["GET /?debug=1 a.test"],
    );
    check(
        "QueryRegexp(`n`, `^[0-9]+$`)",
        &["GET /?n=17 a.test"],
        &["GET /?n=x a.test"],
    );
    // Version 2: all of them.
    check(
        "Query(`a=1`, `b=2`)",
        &["GET /?b=2&a=1 a.test"],
        &["GET /?a=1 a.test"],
    );
}

#[test]
fn method() {
    check(
        "Method(`GET`)",
        &["GET / a.test"],
        &["POST / a.test\nContent-Length: 0", "DELETE / a.test"],
    );
    check(
        "Method(`PUT`, `DELETE`)",
        &["DELETE / a.test", "PUT / a.test\nContent-Length: 0"],
        &["GET / a.test"],
    );
}

#[test]
fn client_ip() {
    check("ClientIP(`127.0.0.1`)", &["GET / a.test"], &[]);
    check(
        "ClientIP(`127.0.0.0/8`)",
        &["GET / a.test\nX-Forwarded-For: 192.0.2.1"],
        &[],
    );
    check(
        "ClientIP(`192.0.2.0/24`)",
        &[],
        &["GET / a.test\nX-Forwarded-For: 192.0.2.1"],
    );
}

#[test]
fn client_ip_is_that_behind_trusted_proxies() {
    let task = Task::start();
    let text = labels_of("ClientIP(`192.0.2.0/24`, `2001:db8::/32`)");
    let services = [service("a", &super::labels(&text), &[&task])];
    let router = Router::start_with(&services, &["--trusted-proxies", "127.0.0.0/8"]);
    for (forwarded, status) in [
        ("192.0.2.1", 200),
        ("192.0.2.1, 127.0.0.9", 200),
        ("2001:db8::1", 200),
        ("192.0.2.1, 198.51.100.1", 404),
        ("198.51.100.1", 404),
    ] {
        let head = format!("GET / a.test\nX-Forwarded-For: {forwarded}");
        let answer = Client::connect(router.http).ask(&super::request(&head));
        assert_eq!(answer.status, status, "{forwarded}");
    }
}

#[test]
fn operators() {
    check(
        "Host(`a.test`) && PathPrefix(`/x`)",
        &["GET /x a.test"],
        &["GET /x b.test", "GET /y a.test"],
    );
    check(
        "Host(`a.test`) || PathPrefix(`/x`)",
        &["GET /x b.test", "GET /y a.test"],
        &["GET /y b.test"],
    );
    check(
        "Host(`a.test`) && !Path(`/x`)",
        &["GET /y a.test"],
        &["GET /x a.test", "GET /y b.test"],
    );
    // `&&` binds more than `||`, and parentheses bind most.
    check(
        "Host(`a.test`) || Host(`b.test`) && Path(`/x`)",
        &["GET /y a.test", "GET /x b.test"],
        &["GET /y b.test"],
    );
    check(
        "(Host(`a.test`) || Host(`b.test`)) && Path(`/x`)",
        &["GET /x a.test", "GET /x b.test"],
        &["GET /y a.test"],
    );
    check(
        "Host(`a.test`) && !(Path(`/x`) || Method(`POST`))",
        &["GET /y a.test"],
        &["GET /x a.test", "POST /y a.test\nContent-Length: 0"],
    );
    // Texts may stand between quotation marks.
    check("Host(\"a.test\")", &["GET / a.test"], &["GET / b.test"]);
}
