//! `traefik.*` but rules and middlewares: routers and services.

use super::{One, labels};
use crate::harness::{Client, Router, Task, ask, service};
use crate::task_tls::authority_and_task;
use std::collections::BTreeMap;
use std::path::Path;

const A: &str = "traefik.enable=true
    traefik.http.routers.a.rule=Host(`a.test`)
    traefik.http.services.a.loadbalancer.server.port=18080";

/// `a.test`, with more labels.
fn a(more: &str) -> One {
    One::with(&format!("{A}\n{more}"))
}

#[test]
fn enable() {
    a("").serves("GET / a.test");
    let without_enable = A.replace("traefik.enable=true", "");
    One::with(&without_enable).serves("GET / a.test");
    let off = A.replace("enable=true", "enable=false");
    One::with(&off).knows_nothing_of("GET / a.test");
    let capital = A.replace("traefik.http", "Traefik.HTTP");
    One::with(&capital).serves("GET / a.test");
}

#[test]
fn a_service_without_a_rule_has_the_host_of_its_name() {
    let one = One::with(
        "traefik.enable=true
         traefik.http.services.a.loadbalancer.server.port=18080",
    );
    one.serves("GET / one");
    one.knows_nothing_of("GET / a");
}

#[test]
fn server_port() {
    let other = A.replace("18080", "18079");
    assert_eq!(One::with(&other).ask("GET / a.test").status, 502);
    let none = A.replace(
        "loadbalancer.server.port=18080",
        "loadbalancer.passhostheader=true",
    );
    One::with(&none).knows_nothing_of("GET / a.test");
}

#[test]
fn entrypoints_have_the_usual_names() {
    for (names, http, https) in [
        ("web", true, false),
        ("http", true, false),
        ("websecure", false, true),
        ("https", false, true),
        ("web, websecure", true, true),
        ("web,metrics", true, false),
        ("metrics", false, false),
    ] {
        let one = a(&format!("traefik.http.routers.a.entrypoints={names}"));
        let served = |served| if served { 200 } else { 404 };
        assert_eq!(one.ask("GET / a.test").status, served(http), "{names}");
        let by_tls = one.ask_tls("GET / a.test").status;
        assert_eq!(by_tls, served(https), "{names}");
    }
}

#[test]
fn a_router_with_tls_is_served_on_443_alone() {
    for label in ["tls=true", "tls.certresolver=le", "tls={}"] {
        let one = a(&format!("traefik.http.routers.a.{label}"));
        let answer = one.ask_tls("GET / a.test");
        assert_eq!(
            (answer.status, answer.task()),
            (200, one.task.key),
            "{label}"
        );
        assert_eq!(answer.seen("x-forwarded-proto"), ["https"]);
        one.knows_nothing_of("GET / a.test");
    }
    a("traefik.http.routers.a.tls=false").serves("GET / a.test");
}

#[test]
fn a_router_names_its_service() {
    let two = "traefik.http.routers.a.rule=Host(`a.test`)
        traefik.http.routers.a.service=good
        traefik.http.routers.b.rule=Host(`b.test`)
        traefik.http.routers.b.service=bad@swarm
        traefik.http.routers.c.rule=Host(`c.test`)
        traefik.http.routers.d.rule=Host(`d.test`)
        traefik.http.routers.d.service=nobody
        traefik.http.services.good.loadbalancer.server.port=18080
        traefik.http.services.bad.loadbalancer.server.port=18079";
    let one = One::with(two);
    one.serves("GET / a.test");
    assert_eq!(one.ask("GET / b.test").status, 502);
    one.knows_nothing_of("GET / c.test");
    one.knows_nothing_of("GET / d.test");
}

#[test]
fn priority_decides_and_else_the_longer_rule_does() {
    let (short, long) = (Task::start(), Task::start());
    let of_short = "traefik.http.routers.s.rule=Host(`a.test`)
        traefik.http.services.s.loadbalancer.server.port=18080";
    let of_long = "traefik.http.routers.l.rule=Host(`a.test`) && PathPrefix(`/x`)
        traefik.http.services.l.loadbalancer.server.port=18080";
    for (priority, at_x) in [
        ("", long.key),
        ("traefik.http.routers.s.priority=1000", short.key),
        ("traefik.http.routers.s.priority=0", long.key),
    ] {
        let of_short = format!("{of_short}\n{priority}");
        let router = Router::start(&[
            service("short", &labels(&of_short), &[&short]),
            service("long", &labels(of_long), &[&long]),
        ]);
        assert_eq!(ask(router.http, "a.test", "/x").task(), at_x, "{priority}");
        assert_eq!(ask(router.http, "a.test", "/y").task(), short.key);
    }
}

#[test]
fn labels_that_say_nothing_here_are_accepted() {
    for label in [
        "traefik.docker.network=front",
        "traefik.swarm.network=front",
        "traefik.docker.lbswarm=true",
        "traefik.swarm.lbswarm=true",
        "traefik.constraint-label=public",
        "traefik.tags=public",
        "traefik.http.routers.a.rulesyntax=v3",
        "traefik.http.routers.a.tls.options=modern@file",
        "traefik.http.routers.a.observability.accesslogs=false",
        "traefik.http.services.a.loadbalancer.healthcheck.path=/health",
        "traefik.http.services.a.loadbalancer.responseforwarding.flushinterval=1s",
        "traefik.http.services.a.loadbalancer.server.weight=2",
        "traefik.tcp.routers.t.rule=HostSNI(`*`)",
        "traefik.nonsense=1",
        "traefik.frontend.rule=Host:b.test",
    ] {
        let one = a(label);
        if label.contains("tls.") {
            assert_eq!(one.ask_tls("GET / a.test").status, 200, "{label}");
        } else {
            one.serves("GET / a.test");
        }
    }
}

#[test]
fn server_scheme() {
    let seen = |scheme: &str| {
        let label = "traefik.http.services.a.loadbalancer.server.scheme";
        let one = a(&format!("{label}={scheme}"));
        one.ask("GET /x?y a.test").body
    };
    let http = seen("http");
    assert!(http.contains("\nGET /x?y HTTP/1.1\n"), "{http}");
    let h2c = seen("h2c");
    assert!(h2c.contains("\nGET http://a.test/x?y HTTP/2.0\n"), "{h2c}");
}

#[test]
fn server_scheme_https_is_verified_and_takes_bodies_and_websockets() {
    let (authority, task) = authority_and_task("a.test", &["h2", "http/1.1"]);
    let text = format!("{A}\ntraefik.http.services.a.loadbalancer.server.scheme=https");
    let services = [service("a", &labels(&text), &[&task])];
    let prepare =
        |directory: &Path| std::fs::write(directory.join("authority"), authority).unwrap();
    let router = Router::start_after(&services, &[], prepare);
    let mut client = Client::connect(router.http);
    let body = client.get("a.test", "/x?y").body;
    assert!(
        body.contains("\nGET https://a.test/x?y HTTP/2.0\n"),
        "{body}"
    );
    let post = super::request("POST / a.test\nContent-Length: 5") + "hello";
    assert!(client.ask(&post).body.ends_with("\n\nhello"));
    let upgraded = client.ask(&super::request(WEBSOCKET));
    assert_eq!(upgraded.status, 101);
    client.send("there and back");
    assert_eq!(client.bytes(14), "there and back");
    // Nobody knows the authority of this one.
    let (_, task) = authority_and_task("a.test", &[]);
    let router = Router::start(&[service("a", &labels(&text), &[&task])]);
    assert_eq!(ask(router.http, "a.test", "/").status, 502);
}

const WEBSOCKET: &str = "GET / a.test\nConnection: Upgrade\nUpgrade: websocket
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Version: 13";

#[test]
fn h2c_takes_bodies_and_websockets() {
    let one = a("traefik.http.services.a.loadbalancer.server.scheme=h2c");
    let mut client = Client::connect(one.router.http);
    for _ in 0..3 {
        let post = super::request("POST / a.test\nContent-Length: 5") + "hello";
        assert!(client.ask(&post).body.ends_with("\n\nhello"));
    }
    assert_eq!(
        one.task
            .connections
            .load(std::sync::atomic::Ordering::Relaxed),
        1
    );
    let upgraded = client.ask(&super::request(WEBSOCKET));
    assert_eq!(upgraded.status, 101);
}

#[test]
fn passhostheader() {
    let label = "traefik.http.services.a.loadbalancer.passhostheader";
    assert_eq!(a("").ask("GET / a.test").seen("host"), ["a.test"]);
    let one = a(&format!("{label}=false"));
    let answer = one.ask("GET / a.test");
    assert_eq!(answer.seen("host"), [one.task.address.to_string()]);
    assert_eq!(answer.seen("x-forwarded-host"), ["a.test"]);
    let by_h2c = a(&format!(
        "{label}=false\ntraefik.http.services.a.loadbalancer.server.scheme=h2c"
    ));
    let line = format!("\nGET http://{}/ HTTP/2.0\n", by_h2c.task.address);
    let body = by_h2c.ask("GET / a.test").body;
    assert!(body.contains(&line), "{body}");
}

#[test]
fn sticky_cookies_are_set_as_the_labels_say() {
    const STICKY: &str = "traefik.http.services.a.loadbalancer.sticky.cookie";
    let set = |labels: &str| {
        let one = a(&labels.replace("STICKY", STICKY));
        let answer = one.ask("GET / a.test");
        let fields = answer.field("set-cookie");
        let [field] = fields[..] else {
            panic!("{labels}: {fields:?}");
        };
        let (name, rest) = field.split_once('=').unwrap();
        let (value, rest) = rest.split_at(16);
        assert!(
            value.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{field}"
        );
        // It leads back, and is not set again.
        let again = one.ask(&format!("GET / a.test\nCookie: x=y; {name}={value}"));
        assert!(again.field("set-cookie").is_empty());
        // The task sees it, as it sees all cookies.
        assert_eq!(again.seen("cookie"), [format!("x=y; {name}={value}")]);
        (name.to_owned(), rest.to_owned())
    };
    let (name, rest) = set("STICKY=true");
    assert!(name.starts_with("swarmlb_"), "{name}");
    assert_eq!(rest, "; Path=/");
    assert_eq!(set("STICKY.name=lb"), ("lb".into(), "; Path=/".into()));
    let (_, rest) = set(
        "STICKY.secure=true\nSTICKY.httponly=true\nSTICKY.samesite=strict\nSTICKY.path=/app\nSTICKY.maxage=60",
    );
    assert_eq!(
        rest,
        "; Path=/app; Max-Age=60; HttpOnly; Secure; SameSite=Strict"
    );
    let (_, rest) = set("STICKY.samesite=none\nSTICKY.secure=true");
    assert_eq!(rest, "; Path=/; Secure; SameSite=None");
    let off = a(&format!("{STICKY}=false"));
    assert!(off.ask("GET / a.test").field("set-cookie").is_empty());
}

#[test]
fn strategy_wrr_asks_one_task_after_the_other() {
    let tasks = [Task::start(), Task::start(), Task::start()];
    let text = format!("{A}\ntraefik.http.services.a.loadbalancer.strategy=wrr");
    let router = Router::start(&[service("a", &labels(&text), &tasks.each_ref())]);
    let mut answered = BTreeMap::<u64, u32>::new();
    for _ in 0..9 {
        *answered
            .entry(ask(router.http, "a.test", "/").task())
            .or_default() += 1;
    }
    assert_eq!(answered.into_values().collect::<Vec<_>>(), [3, 3, 3]);
}
