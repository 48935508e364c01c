mod interlock;
mod middlewares;
mod misspelt;
mod shared;
mod traefik;
mod version1;

use super::*;
use crate::route::{Filter, Target, Tasks};
use proptest::prelude::*;

/// What labels, as `label=value` a line, declare for the service `shop`.
fn of(text: &str) -> Declared {
    let labels = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let labels = labels.map(|line| {
        let (label, value) = line.split_once('=').unwrap();
        (label.to_owned(), value.to_owned())
    });
    declared("shop", &labels.collect())
}

/// The routes of labels that are all served: name, rule and port.
fn served(text: &str) -> Vec<(String, String, u16)> {
    let declared = of(text);
    assert_eq!(declared.problems, []);
    let routes = declared.routes.iter();
    routes
        .map(|route| {
            (
                route.name.clone(),
                route.rule.to_string(),
                tasks(&route.target).port,
            )
        })
        .collect()
}

fn tasks(target: &Target) -> &Tasks {
    match target {
        Target::Tasks(tasks) => tasks,
        Target::Elsewhere(to) => panic!("they go to {to}"),
    }
}

/// The problems of labels.
fn problems(text: &str) -> Vec<String> {
    of(text).problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_service_without_labels_of_ours_has_no_routes_and_no_problems() {
    assert_eq!(
        of("swarmlb.policy=maglev\ncom.example.lb.hosts=a"),
        Declared::default()
    );
}

#[test]
fn both_families_may_be_on_one_service() {
    let both = "com.docker.lb.hosts=a.example.com
        com.docker.lb.port=80
        traefik.http.routers.x.rule=Host(`b.example.com`)
        traefik.http.services.x.loadbalancer.server.port=81";
    assert_eq!(
        served(both),
        [
            (
                "a.example.com".to_owned(),
                "Host(`a.example.com`)".to_owned(),
                80
            ),
            ("x".to_owned(), "Host(`b.example.com`)".to_owned(), 81),
        ]
    );
}

#[test]
fn a_service_has_not_more_routes_than_one_may_have() {
    let hosts: Vec<String> = (0..ROUTES + 2).map(|number| format!("h{number}")).collect();
    let labels = format!(
        "com.docker.lb.port=80\ncom.docker.lb.hosts={}",
        hosts.join(",")
    );
    assert_eq!(of(&labels).routes.len(), ROUTES);
    let [first, _] = &problems(&labels)[..] else {
        panic!("{:?}", problems(&labels))
    };
    assert_eq!(
        first,
        "label com.docker.lb.… (h128): a service has 128 routes at most: this one is not served"
    );
}

/// Labels as people write them, and with mistakes.
fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    let word = prop_oneof![
        Just("hosts"),
        Just("port"),
        Just("http"),
        Just("routers"),
        Just("services"),
        Just("middlewares"),
        Just("loadbalancer"),
        Just("server"),
        Just("rule"),
        Just("tls"),
        Just("entrypoints"),
        Just("basicauth"),
        Just("users"),
        Just("headers"),
        Just("stsseconds"),
        Just("x"),
        Just("y"),
        Just("frontend"),
        Just(""),
        Just("sticky"),
        Just("cookie"),
        Just("redirects"),
        Just("ssl_cert"),
        Just("service"),
        Just("forwardauth"),
    ];
    let prefix = prop_oneof![
        Just("com.docker.lb."),
        Just("traefik."),
        Just("Traefik.http.")
    ];
    let label = (prefix, proptest::collection::vec(word, 1..6));
    let label = label.prop_map(|(prefix, words)| format!("{prefix}{}", words.join(".")));
    let value = prop_oneof![
        Just("Host(`a`)".to_owned()),
        Just("x".to_owned()),
        Just("x,y@file".to_owned()),
        Just("true".to_owned()),
        Just("80".to_owned()),
        Just("web,websecure".to_owned()),
        Just("a.example.com,*.b".to_owned()),
        ".{0,8}",
    ];
    proptest::collection::btree_map(label, value, 0..8)
}

proptest! {
    #[test]
    fn no_labels_stop_the_agent_and_none_that_keeps_strangers_out_is_lost(labels in labels()) {
        let declared = declared("shop", &labels);
        for problem in &declared.problems {
            prop_assert!(!problem.to_string().is_empty());
        }
        // Whatever names authentication: a route that uses it has it, or is closed.
        for route in &declared.routes {
            let label = format!("traefik.http.routers.{}.middlewares", route.name);
            if labels.get(&label).is_some_and(|names| names.contains("@file")) {
                let closed = |filter: &Filter| matches!(filter, Filter::Closed(_));
                prop_assert!(route.filters.iter().any(closed));
            }
        }
    }
}
