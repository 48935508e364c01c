//! `stats --http`: HTTP requests, as people and scripts see them.

use crate::agent::Agent;
use crate::tables::{json, shows};
use lb_core::report::{HttpCounts, HttpRouteStats, HttpStats, RouterNumber, Stats};

fn counts(requests: [u64; 3], latency: [u64; 3]) -> HttpCounts {
    let classes = ["2xx", "4xx", "5xx"].map(str::to_owned);
    HttpCounts {
        requests: classes.into_iter().zip(requests).collect(),
        broken: 1,
        bytes_in: 1_000,
        bytes_out: 2_500_000,
        latency: latency.to_vec(),
        latency_us: 1,
        upstream: vec![10, 0, 0],
        upstream_us: 1,
        tries: [("ok".to_owned(), 5), ("refused".to_owned(), 2)].into(),
        under_way: 3,
    }
}

fn route(service: (&str, &str), name: &str, counts: HttpCounts) -> HttpRouteStats {
    HttpRouteStats {
        service: service.0.into(),
        service_name: service.1.into(),
        family: "traefik".into(),
        name: name.into(),
        counts,
    }
}

fn http() -> HttpStats {
    HttpStats {
        bounds_us: vec![1_000, 100_000],
        routes: vec![
            route(
                ("s7", "blog"),
                "blog",
                counts([20_000, 10, 0], [9_000, 1_000, 0]),
            ),
            route(("s1", "shop_vote"), "a", counts([90, 0, 0], [90, 10, 0])),
            route(("s1", "shop_vote"), "b", counts([5, 0, 5], [0, 0, 10])),
            route(("", ""), "", counts([7, 0, 0], [7, 0, 0])),
        ],
        routers: [("connections", "", 12), ("unrouted_total", "host", 4)]
            .map(|(name, reason, value)| RouterNumber {
                name: name.into(),
                labels: [("reason".to_owned(), reason.to_owned())].into(),
                value,
            })
            .into(),
    }
}

#[test]
fn requests_by_service_and_route() {
    let agent = Agent::start();
    shows(
        &agent.lbctl(&["stats", "--http"]),
        0,
        "no HTTP router is switched on: run the agents with --router on (deploy/router.yml does)\n",
    );
    agent.change(|swarm| swarm.http = Some(http()));
    shows(&agent.lbctl(&["stats", "--http"]), 0, "\
SERVICE/ROUTE   REQUESTS     2XX   3XX   4XX   5XX       P50       P90       P99   TASK P99       IN      OUT   UNDER WAY   TRIES FAILED   BROKEN
blog               20.0k   20.0k     0    10     0   0.56 ms   1.00 ms     90 ms    0.99 ms   1.0 kB   2.5 MB           3              2        1
  blog             20.0k   20.0k     0    10     0   0.56 ms   1.00 ms     90 ms    0.99 ms   1.0 kB   2.5 MB           3              2        1
shop_vote            100      95     0     0     5   0.61 ms     90 ms   >100 ms    0.99 ms   2.0 kB   5.0 MB           6              4        2
  a                   90      90     0     0     0   0.56 ms   1.00 ms     90 ms    0.99 ms   1.0 kB   2.5 MB           3              2        1
  b                   10       5     0     0     5   >100 ms   >100 ms   >100 ms    0.99 ms   1.0 kB   2.5 MB           3              2        1
ended routes           7       7     0     0     0   0.50 ms   0.90 ms   0.99 ms    0.99 ms   1.0 kB   2.5 MB           3              2        1

open connections: 12
requests without a route: 4 (host 4)
");
}

#[test]
fn a_service_without_a_published_port_can_be_picked_too() {
    let agent = Agent::start();
    agent.change(|swarm| swarm.http = Some(http()));
    for wanted in ["blog", "s7"] {
        let stats: Stats = json(&agent, &["stats", "--http", "--json", "--service", wanted]);
        assert_eq!(stats.services, []);
        let routes = stats.http.unwrap().routes;
        assert_eq!(routes, http().routes[..1]);
    }
    let both: Stats = json(&agent, &["stats", "--json", "--service", "shop_vote"]);
    assert_eq!(
        (both.services.len(), both.http.unwrap().routes.len()),
        (1, 2)
    );
}
