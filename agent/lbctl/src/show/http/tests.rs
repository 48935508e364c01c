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
