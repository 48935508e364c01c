//! What is desired, in its own words. What follows for the kernel is tested with each back end.

mod growth;
mod limits;
mod withdrawn;

use super::*;
use crate::model::ids::{Key, TaskId};
use crate::model::labels::Policy;
use crate::model::node::{Bridge, Serving, TaskAddress};
use crate::model::port::Proto;
use crate::model::port::{PublishMode, PublishedPort};
use crate::model::snapshot::{Service as SwarmService, SwarmNode};
use crate::model::token::{TokenKey, TokenKeys};
use crate::testing::{SnapshotBuilder, labels, link, member, port};
use std::net::Ipv4Addr;
use std::time::Duration;

const HERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const THERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

fn node() -> Node {
    let at = |last, bridge| TaskAddress {
        address: Ipv4Addr::new(172, 18, 0, last),
        bridge,
    };
    Node {
        id: "here".into(),
        address: Some(HERE),
        uplink: Some(link("eth0", 2)),
        bridges: [link("docker0", 4)].into(),
        tasks: [
            (TaskId::from("a"), at(3, Bridge::Gateway)),
            (TaskId::from("b"), at(4, Bridge::Default)),
        ]
        .into(),
        ..Node::default()
    }
}

fn view(service: SwarmService) -> Snapshot {
    SnapshotBuilder::new()
        .service("s", service)
        .tasks("s", [("a", "here"), ("b", "here"), ("c", "there")])
        .node("there", member("node2", Some(THERE)))
        .build()
}

fn web() -> SwarmService {
    SwarmService {
        name: "web".to_owned(),
        ports: vec![port(Proto::Tcp, 8080, 80)],
        ..SwarmService::default()
    }
}

fn served(service: SwarmService) -> Service {
    let (wanted, problems) = desired(&view(service), &node(), &Config::default());
    assert_eq!(problems, vec![]);
    let service = &wanted.services[&Key::of("s")];
    Service::clone(service)
}

#[test]
fn a_task_is_where_it_runs_and_takes_new_flows_unless_it_is_told_not_to() {
    let backends = served(web()).backends;
    let local = |bridge| Locality::Local { bridge };
    for (id, address, locality) in [
        ("a", Ipv4Addr::new(172, 18, 0, 3), local(None)),
        ("b", Ipv4Addr::new(172, 18, 0, 4), local(Some(4))),
        ("c", THERE, Locality::Remote),
    ] {
        let expected = Backend {
            address,
            locality,
            active: true,
        };
        assert_eq!(backends[&Key::of(id)], expected, "{id}");
    }
    let only = served(SwarmService {
        labels: labels(&[("swarmlb.local", "only")]),
        ..web()
    });
    let active: Vec<Key> = only.active().collect();
    let mut here = ["a", "b"].map(Key::of);
    here.sort_unstable();
    assert_eq!((active, only.backends.len()), (here.to_vec(), 3));
}

#[test]
fn labels_are_options_in_plain_values() {
    let service = served(SwarmService {
        labels: labels(&[
            ("swarmlb.policy", "maglev"),
            ("swarmlb.affinity", "60"),
            ("swarmlb.return", "direct"),
            ("swarmlb.task-address", "true"),
            ("swarmlb.allow", "192.0.2.0/24"),
            ("swarmlb.publish", "8081:81/udp"),
        ]),
        ..web()
    });
    let frontend = |published, proto, target| Frontend {
        published,
        proto,
        target,
        barred: false,
    };
    let expected = Service {
        policy: Policy::Maglev,
        affinity: Some(Duration::from_secs(60)),
        direct: true,
        task_address: true,
        routed: false,
        routed_ports: [].into(),
        tracked: false,
        allow: Some(["192.0.2.0/24".parse().unwrap()].into()),
        frontends: vec![
            frontend(8080, Proto::Tcp, 80),
            frontend(8081, Proto::Udp, 81),
        ],
        backends: served(web()).backends,
        targets: [].into(),
        withdrawn: [].into(),
    };
    assert_eq!(service, expected);
}

#[test]
fn replies_are_tracked_where_docker_publishes_ports_of_the_service_too() {
    assert!(!served(web()).tracked);
    let mut service = web();
    service.ports.push(PublishedPort {
        mode: PublishMode::Host,
        ..port(Proto::Tcp, 9090, 90)
    });
    assert!(served(service).tracked);
}

#[test]
fn the_keys_of_a_node_are_known_or_absent_or_nothing_is_heard_of_it() {
    let keys = TokenKeys {
        epoch: 3,
        current: TokenKey::new([1; 16]),
        next: TokenKey::new([2; 16]),
    };
    for (token_keys, datapath, expected) in [
        (Some(keys), Some("ebpf"), PeerKeys::Known(keys)),
        (Some(keys), None, PeerKeys::Known(keys)),
        (None, Some("ebpf"), PeerKeys::Absent),
        (None, None, PeerKeys::Unknown),
    ] {
        let peer = SwarmNode {
            token_keys,
            datapath: datapath.map(str::to_owned),
            ..member("node2", Some(THERE))
        };
        let mut view = view(web());
        view.nodes.insert("there".into(), peer);
        let (wanted, _) = desired(&view, &node(), &Config::default());
        let host = wanted.host.unwrap();
        assert_eq!(host.peers, [(THERE, expected)].into());
    }
}

#[test]
fn the_mtu_between_nodes_is_that_of_the_narrowest_path_to_one_of_them() {
    let mtu = |path_mtus: &[(Ipv4Addr, u32)]| {
        let node = Node {
            path_mtus: path_mtus.iter().copied().collect(),
            ..node()
        };
        let (wanted, _) = desired(&view(web()), &node, &Config::default());
        wanted.host.unwrap().mtu
    };
    assert_eq!(mtu(&[]), 1500, "that of the uplink");
    let elsewhere = Ipv4Addr::new(10, 0, 0, 9);
    assert_eq!(mtu(&[(elsewhere, 1300)]), 1500, "not a node of the Swarm");
    assert_eq!(mtu(&[(THERE, 1400), (elsewhere, 1300)]), 1400);
    assert_eq!(mtu(&[(THERE, 9000)]), 1500);
}

#[test]
fn a_node_without_a_way_out_serves_nothing() {
    for node in [
        Node {
            uplink: None,
            ..node()
        },
        Node {
            address: None,
            ..node()
        },
    ] {
        let (wanted, problems) = desired(&view(web()), &node, &Config::default());
        assert_eq!((wanted, problems), (Desired::default(), vec![]));
    }
}

#[test]
fn what_is_served_is_in_use() {
    let (wanted, _) = desired(&view(web()), &node(), &Config::default());
    let serving = |has_tasks| Serving {
        service: Key::of("s"),
        target: 80,
        has_tasks,
    };
    let number = (8080, Proto::Tcp);
    assert_eq!(wanted.serving(), [(number, serving(true))].into());
    let mut idle = view(web());
    idle.tasks.clear();
    let (wanted, _) = desired(&idle, &node(), &Config::default());
    assert_eq!(wanted.serving(), [(number, serving(false))].into());
}
