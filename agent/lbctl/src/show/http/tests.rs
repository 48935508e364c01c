use super::text;
use lb_core::report::{HttpCounts, HttpRouteStats, HttpStats, RouterNumber, Stats};
use std::time::Duration;

fn route(service: &str, name: &str, requests: u64) -> HttpRouteStats {
    HttpRouteStats {
        service: service.into(),
        service_name: service.into(),
        family: "traefik".into(),
        name: name.into(),
        counts: HttpCounts {
            requests: [("2xx".to_owned(), requests), ("5xx".to_owned(), 1)].into(),
            latency: vec![requests, 1, 0],
            upstream: vec![requests, 0, 0],
            tries: [("ok".to_owned(), requests), ("reset".to_owned(), 3)].into(),
            bytes_out: 1_200,
            under_way: 2,
            ..HttpCounts::default()
        },
    }
}

fn stats(routes: Vec<HttpRouteStats>) -> Stats {
    let number = |name: &str, reason: Option<&str>, value| RouterNumber {
        name: name.into(),
        labels: reason
            .map(|it| ("reason".into(), it.into()))
            .into_iter()
            .collect(),
        value,
    };
    Stats {
        scope: "cluster".into(),
        missing: Vec::new(),
        services: Vec::new(),
        http: Some(HttpStats {
            bounds_us: vec![1_000, 2_000],
            routes,
            routers: vec![
                number("connections", None, 7),
                number("unrouted_total", Some("host"), 4),
                number("unrouted_total", Some("path"), 0),
            ],
        }),
    }
}

#[test]
fn a_service_is_the_sum_of_its_routes() {
    let text = text(
        &stats(vec![route("web", "a", 9), route("web", "b", 19)]),
        None,
        None,
    );
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|it| it.split_whitespace().collect())
        .collect();
    assert_eq!(lines[1][..6], ["web", "30", "28", "0", "0", "2"], "{text}");
    assert_eq!(lines[2][..2], ["a", "10"]);
    assert_eq!(lines[3][..2], ["b", "20"]);
    assert!(lines[1].ends_with(&["2.4", "kB", "4", "6", "0"]), "{text}");
    assert!(lines[1].contains(&"0.54"), "p50: {text}");
    assert!(text.contains("open connections: 7\n"), "{text}");
    assert!(
        text.contains("requests without a route: 4 (host 4)\n"),
        "{text}"
    );
}

#[test]
fn rates_are_differences_and_there_is_none_where_a_number_runs_backwards() {
    let before = stats(vec![route("web", "a", 5), route("x", "b", 50)]);
    let after = stats(vec![route("web", "a", 25), route("x", "b", 10)]);
    let watched = Some(Some((&before, Duration::from_secs(2))));
    let shown = text(&after, watched, None);
    let rates: Vec<&str> = shown
        .lines()
        .skip(1)
        .take(4)
        .map(|line| line.split_whitespace().nth(2).unwrap())
        .collect();
    assert_eq!(rates, ["10.0", "10.0", "-", "-"], "{shown}");
    let first = text(&after, Some(None), None);
    assert!(first.lines().next().unwrap().contains("REQ/S"), "{first}");
}

#[test]
fn routes_that_are_gone_and_routers_that_are_off_are_said() {
    let shown = text(&stats(vec![route("", "", 1)]), None, None);
    assert!(
        shown.lines().nth(1).unwrap().starts_with("ended routes"),
        "{shown}"
    );
    let off = text(&Stats::default(), None, None);
    assert!(off.contains("--router on"), "{off}");
}

#[test]
fn what_tasks_take_and_what_leads_to_them_is_shown() {
    let mut after = stats(vec![route("web", "a", 100)]);
    let number = |name: &str, state: Option<&str>, value| RouterNumber {
        name: name.into(),
        labels: state
            .map(|it| ("state".into(), it.into()))
            .into_iter()
            .collect(),
        value,
    };
    after.http.as_mut().unwrap().routers = vec![
        number("pool_connections", Some("idle"), 3),
        number("pool_connections", Some("shared"), 2),
        number("draining_requests", None, 1),
        number("table_version", None, 77),
        number("table_applies_total", None, 4),
        number("table_apply_microseconds_total", None, 1_000),
    ];
    let shown = text(&after, None, None);
    for line in [
        "kept connections to tasks: 5 (idle 3, shared 2)\n",
        "requests at tasks that are being stopped: 1\n",
        "changes of routes: 4, in force after 0.25 ms on average\n",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
    assert!(!shown.contains("77"), "{shown}");
    assert!(
        shown.contains("TASK P99") && shown.contains("0.99 ms"),
        "{shown}"
    );
    // With `--watch`, those since then: none.
    let watched = Some(Some((&after, Duration::from_secs(1))));
    let none = text(&after, watched, None);
    assert!(!none.contains("0.99 ms"), "{none}");
}
