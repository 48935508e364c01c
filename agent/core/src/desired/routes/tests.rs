//! Services with routes: what of them is served, what the router gets, and what is said.

mod bounds;
mod changes;
mod shared;

use super::*;
use crate::desired::{Backend, Desired, Incremental, Locality, RoutedService};
use crate::model::node::{Node, TaskAddress};
use crate::model::snapshot::{DesiredState, PublishMode};
use crate::testing::{SnapshotBuilder, labels, link, member, port, service};
use std::net::Ipv4Addr;

const ON: Config = Config {
    port: 6081,
    label_ports: Some(1024..=u16::MAX),
    task_addresses: false,
    router: true,
    router_user: 999,
};
const WEB: [(&str, &str); 2] = [
    ("com.docker.lb.hosts", "a.example"),
    ("com.docker.lb.port", "8000"),
];

fn node() -> Node {
    let address = TaskAddress::gateway(Ipv4Addr::new(172, 18, 0, 3));
    Node {
        id: "here".into(),
        address: Some(Ipv4Addr::new(10, 0, 0, 1)),
        uplink: Some(link("eth0", 2)),
        tasks: [("a".into(), address)].into(),
        ..Node::default()
    }
}

fn with(labelled: &[(&str, &str)]) -> Service {
    Service {
        labels: labels(labelled),
        created: 7,
        ..service("web", vec![])
    }
}

fn view(service: Service) -> Snapshot {
    SnapshotBuilder::new()
        .service("s", service)
        .tasks("s", [("a", "here"), ("b", "there")])
        .node("here", member("node1", Some(Ipv4Addr::new(10, 0, 0, 1))))
        .node("there", member("node2", Some(Ipv4Addr::new(10, 0, 0, 2))))
        .build()
}

fn desired(snapshot: &Snapshot, config: &Config) -> (Desired, Vec<Problem>) {
    crate::desired::desired(snapshot, &node(), config)
}

fn messages(service: Service) -> Vec<String> {
    let (_, problems) = desired(&view(service), &ON);
    problems
        .into_iter()
        .map(|problem| problem.message)
        .collect()
}

#[test]
fn a_service_with_routes_is_served_without_a_port_and_its_tasks_have_addresses() {
    let (wanted, problems) = desired(&view(with(&WEB)), &ON);
    assert_eq!(problems, []);
    let served = &wanted.services[&Key::of("s")];
    // For the routers alone.
    assert!(served.routed && !served.task_address && served.frontends.is_empty());
    let host = wanted.host.as_ref().unwrap();
    assert_eq!(host.router_user, Some(999));
    let remote = Backend {
        address: Ipv4Addr::new(10, 0, 0, 2),
        locality: Locality::Remote,
        active: true,
    };
    assert_eq!(
        (served.backends.len(), served.backends[&Key::of("b")]),
        (2, remote)
    );
    let task = |id: &str, node: &str, local| RoutedTask {
        id: id.into(),
        key: Key::of(id),
        node: node.to_owned(),
        local,
        active: true,
    };
    let routed = RoutedService {
        name: "web".to_owned(),
        created_ns: 7,
        labels: Arc::new(with(&WEB).labels.route_labels()),
        tasks: vec![task("a", "node1", true), task("b", "node2", false)],
    };
    assert_eq!(wanted.routed, [("s".into(), Arc::new(routed))].into());
}

#[test]
fn without_a_router_or_a_route_nothing_is_served_or_said() {
    let unknown = ("com.docker.lb.nonsense", "x");
    let labelled = [WEB[0], WEB[1], unknown];
    for (service, config) in [
        (with(&labelled), Config::default()),
        (
            with(&[("swarmlb.enable", "false"), WEB[0], WEB[1], unknown]),
            ON,
        ),
        (with(&[("traefik.enable", "false")]), ON),
        (with(&[]), ON),
    ] {
        let (wanted, problems) = desired(&view(service), &config);
        assert_eq!((wanted.services.len(), wanted.routed.len()), (0, 0));
        assert_eq!(problems, []);
        let user = config.router.then_some(999);
        assert_eq!(wanted.host.unwrap().router_user, user);
    }
}

#[test]
fn a_task_that_goes_takes_no_new_requests_and_a_removed_service_no_router_knows() {
    let mut going = view(with(&WEB));
    going.tasks.get_mut(&"a".into()).unwrap().desired = DesiredState::Ended;
    let (wanted, _) = desired(&going, &ON);
    let active = |wanted: &Desired| -> Vec<bool> {
        let tasks = &wanted.routed[&"s".into()].tasks;
        tasks.iter().map(|task| task.active).collect()
    };
    assert_eq!(active(&wanted), [false, true]);
    going.services.get_mut(&"s".into()).unwrap().removed = true;
    let (wanted, _) = desired(&going, &ON);
    assert_eq!(wanted.routed.len(), 0);
    // Its connections go on.
    let served = &wanted.services[&Key::of("s")];
    assert_eq!((served.backends.len(), served.active().count()), (2, 0));
}

#[test]
fn each_label_that_is_not_served_is_named_and_no_more_than_a_few() {
    let [message] = &messages(with(&[WEB[0], WEB[1], ("com.docker.lb.ssl_onyl", "true")]))[..]
    else {
        panic!("one sentence");
    };
    assert!(
        message.contains("ssl_onyl") && message.contains("ssl_only"),
        "{message}"
    );
    let many: Vec<String> = (0..20)
        .map(|n| format!("com.docker.lb.unknown{n}"))
        .collect();
    let many: Vec<(&str, &str)> = many.iter().map(|label| (label.as_str(), "")).collect();
    let said = messages(with(&[many.as_slice(), &WEB].concat()));
    assert_eq!(said.len(), 17);
    assert!(
        said.iter()
            .any(|message| message.starts_with("4 more of its labels")),
        "{said:?}"
    );
}

#[test]
fn what_one_service_declares_is_bounded() {
    let long = "x".repeat(65_536);
    let large = with(&[WEB[0], WEB[1], ("traefik.x", &long)]);
    let (wanted, problems) = desired(&view(large), &ON);
    assert_eq!(wanted.routed.len(), 0);
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0]
            .message
            .contains("65536: none of its routes is served"),
        "{problems:?}"
    );
    // Nor is more than a line told of what somebody wrote.
    let long = "x".repeat(10_000);
    for message in messages(with(&[WEB[0], ("com.docker.lb.port", &long)])) {
        assert!(message.len() < 500, "{message}");
    }
}

#[test]
fn a_service_that_names_its_clients_is_not_opened_to_all_by_a_route() {
    let restricted = with(&[WEB[0], WEB[1], ("swarmlb.allow", "10.0.0.0/8")]);
    let (wanted, problems) = desired(&view(restricted), &ON);
    assert_eq!((wanted.routed.len(), wanted.services.len()), (0, 0));
    assert!(
        problems[0].message.contains("swarmlb.allow"),
        "{problems:?}"
    );
}

#[test]
fn the_older_service_has_a_rule_and_the_younger_is_told() {
    let mut snapshot = view(with(&WEB));
    let younger = Service {
        created: 8,
        name: "young".to_owned(),
        ..with(&WEB)
    };
    snapshot.services.insert("r".into(), younger);
    let (wanted, problems) = desired(&snapshot, &ON);
    assert_eq!(
        wanted.routed.len(),
        2,
        "which of them answers is the table's affair"
    );
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].object, "service young");
    // What is removed has no rule any more.
    let before = Incremental::full(&snapshot, &node(), &ON);
    snapshot.services.get_mut(&"s".into()).unwrap().removed = true;
    assert_eq!(before.update(&snapshot, &node(), &ON).problems(), []);
}

#[test]
fn who_publishes_a_port_of_the_router_is_told() {
    let mut host = port(Proto::Tcp, 443, 443);
    host.mode = PublishMode::Host;
    let published = Service {
        ports: vec![port(Proto::Tcp, 80, 80), port(Proto::Udp, 443, 443), host],
        ..with(&[])
    };
    let said = messages(published.clone());
    assert_eq!(said.len(), 1);
    assert!(
        said[0].starts_with("ports 80/tcp, 443/tcp are published: it is"),
        "{said:?}"
    );
    let (_, problems) = desired(&view(published), &Config::default());
    assert_eq!(problems, []);
}

#[test]
fn labels_are_parsed_when_they_change() {
    let snapshot = view(with(&WEB));
    let before = Incremental::full(&snapshot, &node(), &ON);
    let declaration = |of: &Incremental| Arc::clone(of.declarations().get(&"s".into()).unwrap());
    let first = declaration(&before);
    // Another port, another node, another service: all is computed anew, and these labels are not read.
    let mut next = snapshot.clone();
    next.services.get_mut(&"s".into()).unwrap().ports = vec![port(Proto::Tcp, 8080, 80)];
    next.services.insert("r".into(), service("other", vec![]));
    next.nodes.remove(&"there".into());
    let after = before.update(&next, &node(), &ON);
    assert!(Arc::ptr_eq(&first, &declaration(&after)));
    next.services.get_mut(&"s".into()).unwrap().labels =
        labels(&[WEB[1], ("com.docker.lb.hosts", "b.example")]);
    let after = after.update(&next, &node(), &ON);
    let rules: Vec<String> = declaration(&after)
        .routes()
        .map(|route| route.rule.to_string())
        .collect();
    assert_eq!(rules, ["Host(`b.example`)"]);
}
