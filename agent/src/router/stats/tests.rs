use super::{Counted, ROUTERS, ROUTES};
use lb_core::report::HttpStats;
use lb_router_wire::stats::{Counts, RouteKey, Stats, Total};

fn key(service: &str, name: &str) -> RouteKey {
    RouteKey {
        service: service.into(),
        family: "traefik".into(),
        name: name.into(),
    }
}

/// A message of a router: so many requests of one route, one of which is under way, and a connection.
fn stats(instance: u64, key: RouteKey, requests: u64) -> Stats {
    let mut counts = Counts {
        under_way: 1,
        ..Counts::default()
    };
    counts.requests[1] = requests;
    let mut totals = vec![0; Total::ALL.len()];
    totals[Total::ConnectionsHttp1 as usize] = 1;
    totals[Total::UnroutedHost as usize] = requests;
    Stats {
        instance,
        routes: vec![(key, counts)],
        ended: Vec::new(),
        totals,
    }
}

fn report(counted: &Counted) -> HttpStats {
    counted.report("alpha", |service| {
        (service == "s").then(|| "web".to_owned())
    })
}

/// Requests and exchanges under way of the only route; connections and requests without a route.
fn numbers(counted: &Counted) -> [u64; 4] {
    let report = report(counted);
    let [route] = &report.routes[..] else {
        panic!("{report:?}");
    };
    let total = |name: &str, value: &str| {
        let mut numbers = report.routers.iter();
        let labels = |it: &lb_core::report::RouterNumber| it.labels.values().any(|it| it == value);
        numbers
            .find(|it| it.name == name && labels(it))
            .unwrap()
            .value
    };
    [
        route.counts.requests["2xx"],
        route.counts.under_way,
        total("connections", "http1"),
        total("unrouted_total", "host"),
    ]
}

#[test]
fn routers_are_added_and_each_is_counted_once() {
    let mut counted = Counted::default();
    counted.begin(1);
    counted.take(stats(1, key("s", "r"), 5));
    counted.take(stats(1, key("s", "r"), 7));
    counted.begin(2);
    counted.take(stats(2, key("s", "r"), 10));
    assert_eq!(numbers(&counted), [17, 2, 2, 17]);
    counted.end(1);
    assert_eq!(
        numbers(&counted),
        [17, 1, 1, 17],
        "what it has counted stays"
    );
    // It was away only.
    counted.begin(1);
    counted.take(stats(1, key("s", "r"), 8));
    assert_eq!(numbers(&counted), [18, 2, 2, 18]);
}

#[test]
fn many_routers_one_after_the_other_are_counted_together() {
    let mut counted = Counted::default();
    let routers = ROUTERS as u64 * 3;
    for instance in 0..routers {
        counted.begin(instance);
        counted.take(stats(instance, key("s", "r"), 2));
        counted.end(instance);
    }
    assert_eq!(counted.routers.len(), ROUTERS);
    assert_eq!(numbers(&counted), [routers * 2, 0, 0, routers * 2]);
}

#[test]
fn routes_that_are_gone_and_services_that_nobody_knows_have_no_names() {
    let mut counted = Counted::default();
    counted.begin(1);
    counted.take(stats(1, key("s", "r"), 5));
    counted.take(stats(1, key("unknown", "evil"), 3));
    counted.take(stats(1, RouteKey::default(), 5));
    counted.take(Stats {
        instance: 1,
        ended: vec![key("s", "r")],
        ..Stats::default()
    });
    let report = report(&counted);
    let [gone] = &report.routes[..] else {
        panic!("{report:?}");
    };
    assert_eq!(gone.counts.requests["2xx"], 8);
    assert_eq!((gone.name.as_str(), gone.service_name.as_str()), ("", ""));
}

#[test]
fn a_router_that_was_taken_over_costs_no_more_memory_and_breaks_no_sum() {
    let mut counted = Counted::default();
    counted.begin(1);
    counted.take(stats(1, key("s", &"n".repeat(1_000)), 1));
    assert!(report(&counted).routes.is_empty());
    for number in 0..ROUTES + 10 {
        counted.take(stats(1, key("s", &number.to_string()), u64::MAX));
    }
    assert_eq!(report(&counted).routes.len(), ROUTES);
    // Nobody has begun with this number.
    counted.take(stats(2, key("s", "r"), 1));
    assert_eq!(counted.routers.len(), 1);
    // It comes under another number each time: names are given up, and sums reach their end.
    for instance in 1..10 {
        counted.end(instance);
        counted.begin(instance + 1);
        for number in 0..ROUTES {
            let name = format!("{instance}-{number}");
            counted.take(stats(instance + 1, key("s", &name), 1));
        }
        assert!(counted.routes() <= ROUTES);
    }
    let ended = report(&counted);
    let mut ended = ended.routes.iter().filter(|it| it.name.is_empty());
    assert_eq!(ended.next().unwrap().counts.requests["2xx"], u64::MAX);
}

#[test]
fn the_version_of_the_table_is_that_of_the_newest_router_that_is_there() {
    let mut counted = Counted::default();
    for (instance, version) in [(1, 5), (2, 7), (3, 6)] {
        counted.begin(instance);
        let mut stats = stats(instance, key("s", "r"), 1);
        stats.totals[Total::TableVersion as usize] = version;
        stats.routes[0].1.answered(700);
        counted.take(stats);
    }
    let version = |counted: &Counted| {
        let report = report(counted);
        let mut numbers = report.routers.iter();
        let version = numbers.find(|it| it.name == "table_version").unwrap();
        assert_eq!(version.labels["node"], "alpha");
        version.value
    };
    assert_eq!(version(&counted), 7);
    counted.end(2);
    assert_eq!(version(&counted), 6);
    let counts = report(&counted).routes[0].counts.clone();
    assert_eq!((counts.upstream[1], counts.upstream_us), (3, 2_100));
}
