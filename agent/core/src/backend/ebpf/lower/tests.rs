//! What a view of the Swarm becomes in the kernel.

mod endpoints;
mod host;
mod labels;
mod listening;
mod on_link;
mod ports;
mod tables;
mod task_addresses;
mod withdrawn;

use super::*;
use crate::backend::Prune;
use crate::backend::ebpf::{HookKind, InUse, plan};
use crate::desired::desired;
use crate::maglev;
use crate::model::config::Config;
use crate::model::ids::{Key, NodeId, ServiceId, TaskId};
use crate::model::node::{Bridge, Node, TaskAddress};
use crate::model::port::{Proto, PublishMode, PublishedPort};
use crate::model::snapshot::{
    DesiredState, LocalHealth, NodeState, Service, Snapshot, Task, TaskState,
};
use crate::report::Problem;
use crate::testing::{self, SnapshotBuilder, link, member, task};
use lb_abi::service::{
    ACTIVE, ADDRESSED, DIRECT, LOCAL, Port, REMOTE, RESTRICTED, ROUTED, SCHED_LC, SCHED_MAGLEV,
    SCHED_SH,
};
use lb_abi::{Be16, TCP};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

const HERE: &str = "here";
const THERE: &str = "there";

fn node() -> Node {
    let own = TaskAddress::gateway(Ipv4Addr::new(172, 18, 0, 3));
    Node {
        id: HERE.into(),
        address: Some(Ipv4Addr::new(10, 0, 0, 1)),
        uplink: Some(link("eth0", 2)),
        bridge: Some(link("docker_gwbridge", 3)),
        netns_cookie: 4711,
        bridges: [link("docker0", 4)].into(),
        bridge_ports: [(7, BTreeSet::new())].into(),
        addresses: [Ipv4Addr::new(10, 0, 0, 1)].into(),
        tasks: [(TaskId::from("a"), own)].into(),
        ..Node::default()
    }
}

fn snapshot() -> Snapshot {
    let member = |last| member(&format!("node{last}"), Some(Ipv4Addr::new(10, 0, 0, last)));
    let port = testing::port(Proto::Tcp, 8080, 80);
    SnapshotBuilder::new()
        .service("vote", testing::service("vote", vec![port]))
        .tasks("vote", [("a", HERE), ("b", THERE)])
        .node(HERE, member(1))
        .node(THERE, member(2))
        .build()
}

/// The node where `have` is served now.
fn serving(node: &Node, have: &State) -> Node {
    Node {
        serving: InUse::default().of(have).clone(),
        ..node.clone()
    }
}

/// The state that serves `snapshot` where `have` is served now, and what can't be served.
fn lower(snapshot: &Snapshot, node: &Node, config: &Config, have: &State) -> (State, Vec<Problem>) {
    let (wanted, problems) = desired(snapshot, &serving(node, have), config);
    (Lowered::default().update(&wanted, have).want, problems)
}

/// The ports that are left to processes of the host, where `have` is served now.
fn barred(snapshot: &Snapshot, node: &Node, have: &State) -> usize {
    let (wanted, _) = desired(snapshot, &serving(node, have), &Config::default());
    let services = wanted.services.values();
    let frontends = services.flat_map(|service| &service.frontends);
    frontends.filter(|frontend| frontend.barred).count()
}

fn want(snapshot: &Snapshot) -> (State, Vec<Problem>) {
    lower(snapshot, &node(), &Config::default(), &State::default())
}

fn ready(state: &State) -> usize {
    state
        .frontends
        .values()
        .next()
        .map_or(usize::MAX, |frontend| frontend.count as usize)
}

#[test]
fn tasks_here_go_to_the_bridge_and_tasks_elsewhere_to_their_node() {
    let (state, problems) = want(&snapshot());
    assert_eq!(problems, vec![]);
    let a = state.backends[&Key::of("a")];
    let b = state.backends[&Key::of("b")];
    assert_eq!(
        (a.locality, Ipv4Addr::from(a.address.get())),
        (LOCAL, Ipv4Addr::new(172, 18, 0, 3))
    );
    assert_eq!(
        (b.locality, Ipv4Addr::from(b.address.get())),
        (REMOTE, Ipv4Addr::new(10, 0, 0, 2))
    );
    assert_eq!(ready(&state), 2);
    assert_eq!(
        state.peers.keys().collect::<Vec<_>>(),
        [&Ipv4Addr::new(10, 0, 0, 2)]
    );
}

#[test]
fn a_task_on_its_way_out_keeps_its_flows_and_gets_no_new_one() {
    for change in [
        (|task: &mut Task| task.desired = DesiredState::Ended) as fn(&mut Task),
        |task| task.health = LocalHealth::Stopping,
        |task| task.health = LocalHealth::Unhealthy,
        |task| task.state = TaskState::Starting,
    ] {
        let mut snapshot = snapshot();
        change(snapshot.tasks.get_mut(&TaskId::from("b")).unwrap());
        let (state, _) = want(&snapshot);
        assert_eq!(ready(&state), 1);
        assert!(state.backends.contains_key(&Key::of("b")));
    }
}

#[test]
fn a_dead_task_keeps_nothing() {
    let mut snapshot = snapshot();
    snapshot.tasks.get_mut(&TaskId::from("b")).unwrap().health = LocalHealth::Dead;
    let (state, _) = want(&snapshot);
    assert_eq!(ready(&state), 1);
    assert!(!state.backends.contains_key(&Key::of("b")));
}

#[test]
fn a_task_that_runs_here_is_held_before_the_swarm_says_so_and_gets_nothing() {
    let mut snapshot = snapshot();
    for task in ["a", "b"] {
        let task = snapshot.tasks.get_mut(&TaskId::from(task)).unwrap();
        task.state = TaskState::Pending;
    }
    let (state, problems) = want(&snapshot);
    assert_eq!(problems, vec![]);
    assert_eq!(state.backends.len(), 1, "b is elsewhere");
    assert_eq!(state.backends[&Key::of("a")].flags, 0);
    assert_eq!(ready(&state), 0);
    snapshot.tasks.get_mut(&TaskId::from("a")).unwrap().health = LocalHealth::Dead;
    assert_eq!(want(&snapshot).0.backends.len(), 0);
}

#[test]
fn a_node_that_is_down_takes_its_tasks_along_and_an_unknown_one_does_not() {
    for (state_of_node, expected) in [
        (NodeState::Down, 1),
        (NodeState::Unknown, 2),
        (NodeState::Ready, 2),
    ] {
        let mut snapshot = snapshot();
        snapshot.nodes.get_mut(&NodeId::from(THERE)).unwrap().state = state_of_node;
        assert_eq!(ready(&want(&snapshot).0), expected, "{state_of_node:?}");
    }
}

#[test]
fn a_service_without_tasks_is_published_with_none_so_that_it_is_refused() {
    let mut snapshot = snapshot();
    snapshot.tasks.clear();
    let (state, _) = want(&snapshot);
    assert_eq!(ready(&state), 0);
    assert!(state.tables.is_empty());
}

#[test]
fn a_removed_service_takes_nothing_new_but_its_tasks_keep_what_they_have() {
    let mut snapshot = snapshot();
    snapshot
        .services
        .get_mut(&ServiceId::from("vote"))
        .unwrap()
        .removed = true;
    let (state, _) = want(&snapshot);
    assert_eq!(ready(&state), 0);
    assert_eq!(state.backends.len(), 2);
}

#[test]
fn what_cannot_be_reached_is_named_and_the_rest_is_served() {
    let mut snapshot = snapshot();
    snapshot.tasks.insert("c".into(), task("vote", HERE)); // no address on the bridge
    snapshot
        .nodes
        .get_mut(&NodeId::from(THERE))
        .unwrap()
        .address = None;
    let (state, problems) = want(&snapshot);
    assert_eq!(ready(&state), 1);
    let objects: Vec<&str> = problems
        .iter()
        .map(|problem| problem.object.as_str())
        .collect();
    assert_eq!(
        objects,
        ["task b of service vote", "task c of service vote"]
    );
    assert!(problems[0].message.contains("node2"));
}

#[test]
fn the_same_view_again_changes_nothing_and_another_one_gets_another_table() {
    let first = want(&snapshot()).0;
    let again = lower(&snapshot(), &node(), &Config::default(), &first).0;
    assert_eq!(plan(&again, &first, Prune::Allowed), vec![]);
    let mut fewer = snapshot();
    fewer.tasks.remove(&TaskId::from("b"));
    let next = lower(&fewer, &node(), &Config::default(), &first).0;
    assert_ne!(first.tables.keys().next(), next.tables.keys().next());
}

#[test]
fn tcp_and_udp_on_one_number_are_two_frontends() {
    let mut snapshot = snapshot();
    let service = snapshot.services.get_mut(&ServiceId::from("vote")).unwrap();
    service.ports.push(PublishedPort {
        proto: Proto::Udp,
        published: 8080,
        target: 53,
        mode: PublishMode::Ingress,
    });
    service.ports.push(PublishedPort {
        proto: Proto::Sctp,
        published: 9,
        target: 9,
        mode: PublishMode::Ingress,
    });
    service.ports.push(PublishedPort {
        proto: Proto::Tcp,
        published: 7,
        target: 7,
        mode: PublishMode::Host,
    });
    let (state, problems) = want(&snapshot);
    assert_eq!(state.frontends.len(), 2);
    assert_eq!(problems.len(), 1);
}

#[test]
fn processes_on_the_node_are_served_where_its_namespace_is_known() {
    let on_host = |state: &State| {
        state
            .hooks
            .iter()
            .filter(|hook| hook.kind.on_host())
            .count()
    };
    let (state, _) = want(&snapshot());
    assert_eq!(state.settings.map(|settings| settings.network), Some(4711));
    assert_eq!(on_host(&state), HookKind::HOST.len());
    let node = Node {
        netns_cookie: 0,
        ..node()
    };
    let (state, problems) = lower(&snapshot(), &node, &Config::default(), &State::default());
    assert_eq!((on_host(&state), problems), (0, vec![]));
}

#[test]
fn every_bridge_is_listened_to_and_the_uplink_both_ways() {
    let hooks: Vec<String> = want(&snapshot())
        .0
        .hooks
        .iter()
        .filter(|hook| !hook.kind.on_host())
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        hooks,
        [
            "uplink-xdp-2",
            "uplink-tc-2",
            "bridge-tc-3",
            "bridge-tc-4",
            "port-tc-7",
            "uplink-egress-2"
        ]
    );
}

#[test]
fn connections_to_a_node_that_is_said_to_be_lost_go_on_and_datagrams_move() {
    for (proto, keeps) in [(Proto::Tcp, true), (Proto::Udp, false)] {
        let mut snapshot = snapshot();
        snapshot.nodes.get_mut(&NodeId::from(THERE)).unwrap().state = NodeState::Down;
        let service = snapshot.services.get_mut(&"vote".into()).unwrap();
        service.ports[0].proto = proto;
        let (state, _) = want(&snapshot);
        assert_eq!(ready(&state), 1, "no new one");
        assert_eq!(
            state.backends.contains_key(&Key::of("b")),
            keeps,
            "{proto:?}"
        );
    }
}
