use super::*;
use crate::desired::desired;
use crate::model::config::Config;
use crate::model::node::TaskAddress;
use crate::model::port::Proto;
use crate::testing::{self, SnapshotBuilder, link};
use std::net::Ipv4Addr;

fn nets(networks: &[&str]) -> BTreeSet<Ipv4Net> {
    networks.iter().map(|it| it.parse().unwrap()).collect()
}

/// The node `here`, whose uplinks have these networks, and whose task `a` has those.
fn node(uplinks: &[&str], own: &[&str]) -> Node {
    let address = Ipv4Addr::new(172, 18, 0, 3);
    Node {
        id: "here".into(),
        address: Some(Ipv4Addr::new(192, 0, 2, 1)),
        uplink: Some(link("eth0", 2)),
        uplink_networks: nets(uplinks),
        bridge_ports: [(7, [address].into())].into(),
        container_networks: [(7, nets(own))].into(),
        tasks: [("a".into(), TaskAddress::gateway(address))].into(),
        ..Node::default()
    }
}

fn told(node: &Node, datapath: &str) -> Vec<Problem> {
    let service = testing::service("vote", vec![testing::port(Proto::Tcp, 8080, 80)]);
    let snapshot = SnapshotBuilder::new()
        .service("vote", service)
        .tasks("vote", [("a", "here"), ("b", "there")])
        .node("here", testing::member("alpha", None))
        .build();
    let (desired, problems) = desired(&snapshot, node, &Config::default());
    assert!(!problems.iter().any(|problem| problem.object == "task a"));
    network_overlap(&snapshot, node, &desired, datapath)
}

#[test]
fn who_is_seen_under_another_address_is_told_once_for_each_service_and_network() {
    let node = node(
        &["10.0.0.0/16", "192.0.2.0/24"],
        &["10.0.1.0/24", "10.0.2.0/24", "172.18.0.0/16"],
    );
    let problems = told(&node, "ebpf");
    let clients = ["10.0.1.0/24", "10.0.2.0/24"];
    assert_eq!(problems.len(), clients.len(), "{problems:?}");
    for (problem, clients) in problems.iter().zip(clients) {
        assert_eq!(problem.object, "service vote");
        let seen = format!("they see clients of {clients} under this node's address");
        assert!(problem.message.contains(&seen), "{problem:?}");
        assert!(
            problem.message.contains("--default-addr-pool"),
            "{problem:?}"
        );
    }
}

#[test]
fn by_ipvs_they_are_said_to_get_no_answers() {
    let problems = told(&node(&["10.0.1.128/25"], &["10.0.0.0/16"]), "ipvs");
    let [problem] = &problems[..] else {
        panic!("{problems:?}");
    };
    let seen = "clients of 10.0.1.128/25 get no answers";
    assert!(problem.message.contains(seen), "{problem:?}");
}

#[test]
fn an_uplink_with_an_address_alone_is_among_its_clients() {
    let problems = told(&node(&["10.0.1.7/32"], &["10.0.1.0/24"]), "ebpf");
    let [problem] = &problems[..] else {
        panic!("{problems:?}");
    };
    let seen = "clients of 10.0.1.0/24 under";
    assert!(problem.message.contains(seen), "{problem:?}");
}

#[test]
fn networks_that_no_client_is_in_are_no_problem() {
    let other = node(&["192.0.2.0/24"], &["10.0.1.0/24", "172.18.0.0/16"]);
    assert_eq!(told(&other, "ebpf"), []);
    assert_eq!(told(&node(&["10.0.0.0/16"], &[]), "ebpf"), []);
}
