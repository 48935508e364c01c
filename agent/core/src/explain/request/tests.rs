mod certificates;
mod many;
mod said;

use super::*;
use crate::desired::Incremental;
use crate::model::config::Config;
use crate::model::node::{Node, TaskAddress};
use crate::model::snapshot::{LocalHealth, Service, Snapshot, Task};
use crate::testing::{SnapshotBuilder, labels, link, member, service, task};
use std::net::Ipv4Addr;

const SHOP: [(&str, &str); 6] = [
    ("com.docker.lb.hosts", "shop.example"),
    ("com.docker.lb.port", "8000"),
    ("com.docker.lb.context_root", "/shop"),
    ("com.docker.lb.context_root_rewrite", "true"),
    ("com.docker.lb.ssl_cert", "shop.crt"),
    ("com.docker.lb.ssl_key", "shop.key"),
];
const SITE: [(&str, &str); 3] = [
    ("com.docker.lb.hosts", "shop.example"),
    ("com.docker.lb.port", "80"),
    ("com.docker.lb.ip_hash", "true"),
];

fn with(name: &str, created: u64, labelled: &[(&str, &str)]) -> Service {
    Service {
        created,
        labels: labels(labelled),
        ..service(name, vec![])
    }
}

/// Two services of one host, and a third that an older one keeps out. Of three tasks of the shop, one is being stopped.
fn swarm() -> Snapshot {
    let stopping = Task {
        health: LocalHealth::Stopping,
        slot: 3,
        ..task("a", "n2")
    };
    let numbered = |slot, service, node| Task {
        slot,
        ..task(service, node)
    };
    SnapshotBuilder::new()
        .service("a", with("shop", 1, &SHOP))
        .service("b", with("site", 2, &SITE))
        .service("c", with("late", 3, &SITE[..2]))
        .task("t1", numbered(1, "a", "n1"))
        .task("t2", numbered(2, "a", "n2"))
        .task("t3", stopping)
        .task("t4", numbered(1, "b", "n1"))
        .task("t5", numbered(2, "b", "n2"))
        .node("n1", member("alpha", Some(Ipv4Addr::new(10, 0, 0, 1))))
        .node("n2", member("beta", Some(Ipv4Addr::new(10, 0, 0, 2))))
        .build()
}

fn explain(snapshot: &Snapshot, query: &RequestQuery) -> RequestExplanation {
    explain_with(snapshot, query, None)
}

/// With these certificates of the router, on 2026-12-01.
fn explain_with(
    snapshot: &Snapshot,
    query: &RequestQuery,
    certificates: Option<&[RouterCertificate]>,
) -> RequestExplanation {
    let at = |last| TaskAddress::gateway(Ipv4Addr::new(172, 18, 0, last));
    let node = Node {
        id: "n1".into(),
        address: Some(Ipv4Addr::new(10, 0, 0, 1)),
        uplink: Some(link("eth0", 2)),
        tasks: [("t1".into(), at(3)), ("t4".into(), at(4))].into(),
        ..Node::default()
    };
    let config = Config {
        router: true,
        ..Config::default()
    };
    let full = Incremental::full(snapshot, &node, &config);
    let routed = Routed {
        snapshot,
        declarations: full.declarations(),
        services: &full.desired.routed,
        addresses: &TaskAddresses::ByKey,
        certificates,
        now_s: 1_796_083_200,
    };
    explain_request(&routed, query)
}

fn query(url: &str) -> RequestQuery {
    RequestQuery::new(url, None, [], Some("203.0.113.7")).unwrap()
}

fn ask(url: &str) -> RequestExplanation {
    explain(&swarm(), &query(url))
}

#[test]
fn the_route_that_answers_is_told_with_the_filters_and_the_tasks_and_why_no_other_does() {
    let told = ask("https://SHOP.example:8443/shop/%63art?x=1");
    assert_eq!(told.result, RequestResult::Task);
    assert_eq!((told.status, told.task.as_deref()), (None, None));
    let beta = "beta, [fdb4:2e91:7ac3:0:";
    let address = |id: &str| {
        let task = told
            .tasks
            .iter()
            .find(|task| task.id.as_str() == id)
            .unwrap();
        task.address.unwrap()
    };
    let expected = [
        "203.0.113.7 asks for GET https://shop.example/shop/cart?x=1 on port 443.".to_owned(),
        "Port 8443 is none of the router's: it is assumed to lead to its port 443.".to_owned(),
        "The certificate for shop.example is in the files shop.crt and shop.key of the router, as a label says."
            .to_owned(),
        format!(
            "route {} of service shop answers: its rule {} matches, with priority {}.",
            told.route.as_ref().unwrap().name,
            told.route.as_ref().unwrap().rule,
            told.route.as_ref().unwrap().priority,
        ),
        format!(
            "Not route {} of service site (Host(`shop.example`), priority 20): its priority is lower.",
            told.others[0].route.name
        ),
        format!(
            "Not route {} of service late (Host(`shop.example`), priority 20): service site, which is older, has this rule.",
            told.others[1].route.name
        ),
        "Its filters, in order: strip-prefix (passed).".to_owned(),
        "One of 2 tasks of shop gets /cart: the less loaded of two that are drawn. Which one that is, is the router's \
         choice with each request."
            .to_owned(),
        format!("shop.1 on alpha, {}: ready.", address("t1")),
        format!("shop.2 on beta, {}: ready.", address("t2")),
        format!("shop.3 on beta, {}: stopping, no new requests.", address("t3")),
    ];
    assert_eq!(told.sentences, expected);
    assert!(expected[9].contains(beta) && expected[9].ends_with("]:8000: ready."));
}

#[test]
fn a_client_s_address_leads_to_one_task_and_the_part_of_a_rule_that_does_not_match_is_named() {
    let told = ask("http://shop.example/");
    let one = told.task.clone().unwrap();
    assert!(["site.1", "site.2"].contains(&one.as_str()));
    assert_eq!(told.others[0].reason, OtherReason::Unmatched);
    assert_eq!(told.others[0].unmatched, ["PathPrefix(`/shop`)"]);
    let all = told.sentences.join("\n");
    assert!(
        all.contains(&format!(
            "{one} gets /, unless it has just failed: the client's address"
        )),
        "{all}"
    );
    assert!(
        all.contains("of its rule, PathPrefix(`/shop`) does not match."),
        "{all}"
    );
    assert_eq!(told.certificate, None);
    // Other clients, another task.
    let clients = (0..32).map(|last| format!("203.0.113.{last}"));
    let mut tasks: Vec<String> = clients
        .filter_map(|client| {
            let query = RequestQuery::new("http://shop.example/", None, [], Some(&client)).unwrap();
            explain(&swarm(), &query).task
        })
        .collect();
    tasks.sort();
    tasks.dedup();
    assert_eq!(tasks, ["site.1", "site.2"]);
}

#[test]
fn what_the_router_answers_itself_is_told() {
    let told = ask("http://nobody.example/");
    assert_eq!(
        (told.result, told.status),
        (RequestResult::NoRoute, Some(404))
    );
    let told = ask("http://shop.example/%zz");
    assert_eq!(
        (told.result, told.status),
        (RequestResult::Refused, Some(400))
    );
    let told = ask("https://192.0.2.7/");
    assert_eq!((told.result, told.status), (RequestResult::Refused, None));
    assert_eq!(told.certificate.unwrap().by, CertificateBy::Nothing);
    let mut empty = swarm();
    for id in ["t4", "t5"] {
        empty.tasks.remove(&id.into());
    }
    let told = explain(&empty, &query("http://shop.example/"));
    assert_eq!(
        (told.result, told.status),
        (RequestResult::NoReadyTask, Some(503))
    );
}

#[test]
fn filters_are_run_up_to_the_one_that_answers_and_passwords_are_not_compared() {
    let guarded = [
        ("traefik.http.routers.g.rule", "Host(`g.example`)"),
        ("traefik.http.routers.g.middlewares", "net,users,up"),
        ("traefik.http.services.g.loadbalancer.server.port", "80"),
        (
            "traefik.http.middlewares.net.ipallowlist.sourcerange",
            "203.0.113.0/24",
        ),
        (
            "traefik.http.middlewares.users.basicauth.users",
            "admin:$apr1$x$y",
        ),
        ("traefik.http.middlewares.up.redirectscheme.scheme", "https"),
    ];
    let snapshot = SnapshotBuilder::new()
        .service("g", with("guarded", 1, &guarded))
        .tasks("g", [("t1", "n1")])
        .build();
    let outcomes = |headers: &[&str], client: &str| {
        let headers = headers.iter().copied();
        let query = RequestQuery::new("http://g.example/x", None, headers, Some(client)).unwrap();
        let told = explain(&snapshot, &query);
        let filters = told.filters.iter();
        let filters: Vec<FilterOutcome> = filters.map(|it| it.outcome).collect();
        assert!(!format!("{told:?}").contains("apr1"));
        (told.status, filters, told.location)
    };
    use FilterOutcome::{Answers, IfPassword, NotReached, Passed};
    let outside = outcomes(&[], "198.51.100.1");
    assert_eq!(
        outside,
        (Some(403), vec![Answers, NotReached, NotReached], None)
    );
    let without = outcomes(&[], "203.0.113.9");
    assert_eq!(
        without,
        (Some(401), vec![Passed, Answers, NotReached], None)
    );
    let with = outcomes(&["Authorization: Basic YWRtaW46eA=="], "203.0.113.9");
    let to = "https://g.example/x".to_owned();
    assert_eq!(
        with,
        (Some(302), vec![Passed, IfPassword, Answers], Some(to))
    );
}

#[test]
fn a_service_that_speaks_tls_itself_gets_the_connection() {
    let own = [SITE[0], SITE[1], ("com.docker.lb.ssl_passthrough", "true")];
    let snapshot = SnapshotBuilder::new()
        .service("p", with("own", 1, &own))
        .tasks("p", [("t1", "n1")])
        .build();
    let told = explain(&snapshot, &query("https://shop.example/any"));
    assert_eq!(told.result, RequestResult::PassedThrough);
    assert_eq!(told.certificate.unwrap().by, CertificateBy::Task);
    let last = &told.sentences[told.sentences.len() - 2];
    assert_eq!(
        last,
        "own.1 gets the connection, unless it has just failed: it is the only one that takes new requests."
    );
}

#[test]
fn what_is_no_question_is_said_in_one_sentence() {
    let wrong = |url: &str, method, header: &str, client| {
        let error = RequestQuery::new(url, method, [header], client).unwrap_err();
        error.to_string()
    };
    let (url, header) = ("http://a.example/", "A: b");
    for (message, begins) in [
        (
            wrong("ftp://a.example/", None, header, None),
            "ftp://a.example/ is no URL",
        ),
        (
            wrong("a.example/x", None, header, None),
            "a.example/x is no URL",
        ),
        (
            wrong("http://u:p@a.example/", None, header, None),
            "the URL has a user's name",
        ),
        (wrong(url, Some("GE T"), header, None), "GE T is no method"),
        (
            wrong(url, None, "Accept", None),
            "Accept is no header field",
        ),
        (
            wrong(url, None, header, Some("alpha")),
            "alpha is no address of a client",
        ),
    ] {
        assert!(message.starts_with(begins), "{message}");
    }
}
