//! What the router tells its agent of what it has counted.

use super::tls::{get, until};
use crate::harness::{Client, Router, Task, ask, certificate, service};
use lb_router_wire::stats::{Counts, Stats, Total};
use std::collections::HashMap;
use std::time::{Duration, Instant};

const LABELS: [(&str, &str); 2] = [
    ("com.docker.lb.hosts", "a.test"),
    ("com.docker.lb.port", "18080"),
];

/// What an agent knows after each message.
#[derive(Default)]
struct Known {
    routes: HashMap<String, Counts>,
    totals: Vec<u64>,
}

impl Known {
    fn take(&mut self, stats: Stats) {
        for (key, counts) in stats.routes {
            self.routes.insert(key.service, counts);
        }
        if !stats.totals.is_empty() {
            self.totals = stats.totals;
        }
    }

    /// Takes messages until it is so.
    fn until(&mut self, router: &mut Router, is_so: impl Fn(&Self) -> bool) {
        let begin = Instant::now();
        while !is_so(self) {
            assert!(
                begin.elapsed() < Duration::from_secs(10),
                "{:?}",
                self.routes
            );
            self.take(router.stats());
        }
    }

    fn of(&self, service: &str) -> Counts {
        let service = format!("id-of-{service}");
        self.routes.get(&service).copied().unwrap_or_default()
    }

    fn total(&self, total: Total) -> u64 {
        self.totals.get(total as usize).copied().unwrap_or_default()
    }
}

#[test]
fn requests_are_counted_by_route_and_status() {
    let (task, absent) = (Task::start(), Task::absent());
    let absent_labels = [("com.docker.lb.hosts", "absent.test"), LABELS[1]];
    let mut router = Router::start(&[
        service("a", &LABELS, &[&task]),
        service("absent", &absent_labels, &[&absent]),
    ]);
    let mut out = 0;
    for status in [200, 201, 302, 404, 500] {
        let path = format!("/?status={status}");
        out += ask(router.http, "a.test", &path).body.len() as u64;
    }
    Client::connect(router.http)
        .ask("POST / HTTP/1.1\r\nHost: absent.test\r\nContent-Length: 5\r\n\r\nhello");
    let mut known = Known::default();
    known.until(&mut router, |known| {
        known.of("a").requests.iter().sum::<u64>() == 5 && known.of("absent").requests[4] == 1
    });
    let a = known.of("a");
    assert_eq!(a.requests, [0, 2, 1, 1, 1, 0]);
    assert_eq!((a.bytes_in, a.bytes_out, a.broken), (0, out, 0));
    assert_eq!(a.latency.iter().sum::<u64>(), 5);
    assert!(a.latency_us > 0);
    assert_eq!(a.upstream.iter().sum::<u64>(), 5);
    assert!((1..=a.latency_us).contains(&a.upstream_us));
    assert_eq!((a.tries, a.under_way), ([5, 0, 0, 0, 0], 0));
    let absent = known.of("absent");
    assert_eq!(absent.tries, [0, 1, 0, 0, 0]);
    assert_eq!(absent.upstream, [0; 16], "no task has answered");
}

#[test]
fn kept_connections_what_drains_and_the_routes_in_force_are_counted() {
    let (task, other) = (Task::start(), Task::start());
    let mut router = Router::start(&[service("a", &LABELS, &[&task])]);
    ask(router.http, "a.test", "/");
    let mut known = Known::default();
    known.until(&mut router, |known| {
        known.total(Total::PoolIdle) == 1
            && known.total(Total::TableVersion) == 1
            && known.total(Total::TableApplies) == 1
    });
    assert!(known.total(Total::TableApplyUs) > 0);
    let mut socket = Client::connect(router.http);
    socket.ask(
        "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    );
    let task = task.leaving();
    router.change(&[service("a", &LABELS, &[&task, &other])]);
    known.until(&mut router, |known| {
        known.total(Total::DrainingRequests) == 1
            && known.total(Total::PoolIdle) == 0
            && known.total(Total::TableVersion) == 2
            && known.total(Total::TableApplies) == 2
    });
    drop(socket);
    known.until(&mut router, |known| {
        known.total(Total::DrainingRequests) == 0
    });
}

#[test]
fn what_is_under_way_and_what_has_no_route_is_counted() {
    let task = Task::start();
    let a_path = [LABELS[0], LABELS[1], ("com.docker.lb.context_root", "/app")];
    let mut router = Router::start(&[service("a", &a_path, &[&task])]);
    let mut socket = Client::connect(router.http);
    socket.ask(
        "GET /app HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    );
    let silent = Client::connect(router.http);
    ask(router.http, "nobody.test", "/");
    ask(router.http, "a.test", "/other");
    Client::connect(router.http).ask("GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n");
    let mut known = Known::default();
    known.until(&mut router, |known| {
        known.of("a").under_way == 1
            && known.total(Total::UnroutedHost) == 1
            && known.total(Total::UnroutedPath) == 1
            && known.total(Total::RejectedManyHosts) == 1
            && known.total(Total::ConnectionsHttp1) == 1
            && known.total(Total::ConnectionsHttpNew) == 1
    });
    socket.send("12345");
    socket.bytes(5);
    drop((socket, silent));
    known.until(&mut router, |known| {
        known.of("a").under_way == 0
            && known.total(Total::ConnectionsHttp1) == 0
            && known.total(Total::ConnectionsHttpNew) == 0
    });
    let a = known.of("a");
    assert_eq!((a.requests[0], a.bytes_in, a.bytes_out), (1, 5, 5));
    assert_eq!(a.latency.iter().sum::<u64>(), 0, "no time of a tunnel");
}

#[test]
fn handshakes_are_counted() {
    let task = Task::start();
    let mut router = Router::start(&[service("a", &LABELS, &[&task])]);
    let a = certificate(&router.certificates(), "a", &["a.test"]);
    until(|| get(router.https, &a, "a.test", "https://a.test/x"));
    get(router.https, &a, "other.test", "https://other.test/").unwrap_err();
    let mut known = Known::default();
    known.until(&mut router, |known| {
        known.total(Total::Tls13Full) == 1
            && known.total(Total::TlsFailed) >= 1
            && known.of("a").requests[1] == 1
    });
}

#[test]
fn another_agent_is_told_all_and_the_last_one_all_until_the_end() {
    let task = Task::start();
    let services = [service("a", &LABELS, &[&task])];
    let mut router = Router::start(&services);
    ask(router.http, "a.test", "/");
    let mut known = Known::default();
    known.until(&mut router, |known| known.of("a").requests[1] == 1);
    let instance = router.stats().instance;
    router.new_agent(&services);
    let mut known = Known::default();
    known.until(&mut router, |known| known.of("a").requests[1] == 1);
    ask(router.http, "a.test", "/");
    router.terminate();
    router.next_session();
    let mut known = Known::default();
    let last = router.stats();
    assert_eq!(last.instance, instance);
    known.take(last);
    assert_eq!(known.of("a").requests[1], 2);
}

#[test]
fn clients_that_send_no_request_are_counted() {
    let task = Task::start();
    let services = [service("a", &LABELS, &[&task])];
    let mut router = Router::start_with(&services, &["--head-timeout", "1"]);
    let _silent = Client::connect(router.http);
    let mut garbage = Client::connect(router.http);
    garbage.send("GET\0/ HTTP/1.1\r\n\r\n");
    let mut known = Known::default();
    known.until(&mut router, |known| {
        known.total(Total::RejectedNoRequest) == 1 && known.total(Total::RejectedNoHttp) == 1
    });
}

#[test]
fn nobody_waits_for_an_access_log_that_is_not_read_and_what_is_dropped_is_counted() {
    let mut router = Router::start_with(&[], &["--access-log", "json"]);
    let mut client = Client::connect(router.http);
    let long = "\u{e9}".repeat(512);
    let request =
        format!("GET / HTTP/1.1\r\nHost: a.test\r\nUser-Agent: {long}\r\nReferer: {long}\r\n\r\n");
    for _ in 0..1_000 {
        assert_eq!(client.ask(&request).status, 404);
    }
    let mut known = Known::default();
    let begin = Instant::now();
    // Messages of before may wait.
    while begin.elapsed() < Duration::from_secs(2) {
        known.take(router.stats());
    }
    let dropped = known.total(Total::LogDropped);
    assert!(dropped > 0);
    for _ in dropped..1_000 {
        let line = router.log_line();
        assert!(line.ends_with('}'), "{line}");
    }
    router.terminate();
    assert_eq!(router.rest_of_log(), Vec::<String>::new());
}
