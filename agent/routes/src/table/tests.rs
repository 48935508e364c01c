mod changes;
mod tls;

use super::rank::Rank;
use super::*;
use crate::labels::declared;
use crate::path::NormalPath;
use http::{HeaderMap, Method};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};

/// A service with these labels (`label=value` a line), made at that time.
fn service(name: &str, created_ns: u64, labels: &str) -> Vec<Entry> {
    let labels = labels
        .lines()
        .filter_map(|line| line.trim().split_once('='));
    let labels = labels.map(|(label, value)| (label.to_owned(), value.to_owned()));
    let declared = declared(name, &labels.collect());
    assert_eq!(declared.problems, []);
    let entry = |route| Entry::new(&format!("id-of-{name}"), name, created_ns, route);
    declared.routes.into_iter().map(entry).collect()
}

/// A service with one router on both ports.
fn routed(name: &str, created_ns: u64, rule: &str, more: &str) -> Vec<Entry> {
    let labels = format!(
        "traefik.http.services.x.loadbalancer.server.port=80
         traefik.http.routers.x.entrypoints=web,websecure
         traefik.http.routers.x.rule={rule}
         {more}"
    );
    service(name, created_ns, &labels)
}

/// A table in which no route is kept out.
fn table(services: impl IntoIterator<Item = Vec<Entry>>) -> Table {
    let (table, conflicts) = Table::new(services.into_iter().flatten());
    assert_eq!(conflicts, []);
    table
}

/// The service that answers a URL.
fn answers<'a>(table: &'a Table, entry_point: EntryPoint, url: &str) -> Option<&'a str> {
    let (host, path) = url.split_at(url.find('/').unwrap());
    let request = Request {
        host: &Host::of(host).unwrap(),
        path: &NormalPath::of(path).unwrap(),
        query: "",
        method: &Method::GET,
        headers: &HeaderMap::new(),
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let found = table.find(entry_point, &request);
    found.map(|entry| entry.service_name.as_str())
}

#[test]
fn who_says_more_answers_first_and_a_priority_is_above_all() {
    let table = table([
        routed("host", 1, "Host(`a.example.com`)", ""),
        routed("path", 2, "Host(`a.example.com`) && PathPrefix(`/x`)", ""),
        routed("below", 0, "Host(`*.example.com`)", ""),
        routed("regex", 4, "HostRegexp(`com`)", ""),
        routed(
            "first",
            5,
            "PathPrefix(`/first`)",
            "traefik.http.routers.x.priority=1000",
        ),
        service(
            "last",
            0,
            "com.docker.lb.port=80\ncom.docker.lb.default_backend=true",
        ),
    ]);
    for (url, service) in [
        ("a.example.com/", "host"),
        ("a.example.com/x/y", "path"),
        ("b.example.com/x", "below"),
        ("c.b.example.com/", "below"),
        ("example.com/", "regex"),
        ("a.example.com/first", "first"),
        ("example.org/", "last"),
    ] {
        assert_eq!(
            answers(&table, EntryPoint::Http, url),
            Some(service),
            "{url}"
        );
    }
}

#[test]
fn a_route_is_served_on_its_entry_points_only() {
    let web = "traefik.http.services.x.loadbalancer.server.port=80
        traefik.http.routers.x.rule=Host(`a`)";
    let tls = "com.docker.lb.port=80
        com.docker.lb.hosts=b
        com.docker.lb.ssl_passthrough=true";
    let table = table([service("web", 1, web), service("tls", 2, tls)]);
    let both = |url| [EntryPoint::Http, EntryPoint::Https].map(|at| answers(&table, at, url));
    assert_eq!(both("a/"), [Some("web"), None]);
    assert_eq!(both("b/"), [None, Some("tls")]);
    assert_eq!(both("c/"), [None, None]);
}

#[test]
fn the_older_of_two_services_keeps_a_rule_whatever_the_priority() {
    let older = routed("older", 1, "Host(`a`) && PathPrefix(`/`)", "");
    let younger = routed(
        "younger",
        2,
        "Host(`A`)  &&  PathPrefix(`/`)",
        "traefik.http.routers.x.priority=1000",
    );
    for order in [[older.clone(), younger.clone()], [younger, older]] {
        let (table, conflicts) = Table::new(order.into_iter().flatten());
        assert_eq!(answers(&table, EntryPoint::Http, "a/"), Some("older"));
        let [conflict] = &conflicts[..] else {
            panic!("{conflicts:?}")
        };
        assert_eq!(
            conflict.to_string(),
            "service younger is not served by its route x: service older, which is older, has the rule \
             Host(`a`) && PathPrefix(`/`) already"
        );
    }
}

/// Rules of few words, so that they meet.
fn rule() -> impl Strategy<Value = String> {
    let atom = prop_oneof![
        Just("Host(`a.b`)"),
        Just("Host(`b`)"),
        Just("Host(`*.b`)"),
        Just("HostRegexp(`^a`)"),
        Just("PathPrefix(`/x`)"),
        Just("Path(`/`)"),
        Just("Method(`GET`)"),
    ];
    let atom = (any::<bool>(), atom).prop_map(|(not, atom)| {
        if not {
            format!("!{atom}")
        } else {
            atom.to_owned()
        }
    });
    let list = proptest::collection::vec(atom, 1..4);
    (list, any::<bool>()).prop_map(|(list, all)| list.join(if all { " && " } else { " || " }))
}

proptest! {
    /// The table finds what a walk over all routes finds, by rank.
    #[test]
    fn a_route_is_found_as_by_looking_at_all_of_them(
        rules in proptest::collection::vec((rule(), 0_i64..40), 0..8),
        url in prop_oneof![Just("a.b/"), Just("b/x"), Just("c.a.b/x"), Just("a/"), Just("ab/x")],
    ) {
        let services = rules.iter().zip(1_u64..).flat_map(|((rule, priority), number)| {
            let more = format!("traefik.http.routers.x.priority={priority}");
            routed(&number.to_string(), number, rule, &more)
        });
        let (table, _) = Table::new(services);
        let (host, path) = url.split_at(url.find('/').unwrap());
        let (host, headers) = (Host::of(host).unwrap(), HeaderMap::new());
        let path = NormalPath::of(path).unwrap();
        let request = Request {
            host: &host,
            path: &path,
            query: "",
            method: &Method::GET,
            headers: &headers,
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        let walked = table.entries().find(|entry| entry.route.rule.matches(&request));
        prop_assert_eq!(table.find(EntryPoint::Https, &request), walked);
        let ranks: Vec<Rank> = table.entries().map(|entry| Rank::of(&entry.route)).collect();
        prop_assert!(ranks.is_sorted_by(|one, next| one >= next));
    }

    #[test]
    fn hosts_below_are_those_whose_parents_are_named(host in "[a-c]([.][a-c]){0,4}", parent in "[a-c]([.][a-c]){0,2}") {
        let below = crate::rule::HostPattern::named(&format!("*.{parent}")).unwrap();
        let expected = host.ends_with(&format!(".{parent}"));
        prop_assert_eq!(below.matches(&Host::of(&host).unwrap()), expected);
    }
}

#[test]
fn of_each_route_of_a_host_it_is_said_why_it_answers_or_does_not() {
    let table = table([
        routed("host", 1, "Host(`a.example.com`)", ""),
        routed("path", 2, "Host(`a.example.com`) && PathPrefix(`/x`)", ""),
        routed("below", 0, "Host(`*.example.com`)", ""),
        routed("other", 0, "Host(`b.example.com`)", ""),
        service(
            "plain",
            3,
            "traefik.http.services.x.loadbalancer.server.port=80
             traefik.http.routers.x.rule=Host(`a.example.com`) && Method(`GET`)",
        ),
    ]);
    let host = Host::of("a.example.com").unwrap();
    let request = Request {
        host: &host,
        path: &NormalPath::root(),
        query: "",
        method: &Method::GET,
        headers: &HeaderMap::new(),
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let outcomes = table.outcomes(EntryPoint::Https, &request);
    let told: Vec<_> = outcomes
        .iter()
        .map(|(entry, outcome)| (entry.service_name.as_str(), outcome.clone()))
        .collect();
    let prefix = "PathPrefix(`/x`)".parse().unwrap();
    let expected = [
        ("path", Outcome::Unmatched(vec![&prefix])),
        ("plain", Outcome::OtherEntryPoint),
        ("host", Outcome::Answers),
        ("below", Outcome::Outranked),
    ];
    assert_eq!(told, expected);
}
