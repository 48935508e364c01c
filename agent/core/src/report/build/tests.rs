mod states;

use super::*;
use crate::model::snapshot::{Proto, PublishMode, PublishedPort, SwarmNode};
use crate::testing::{self, member, service};
use std::net::Ipv4Addr;

fn node(hostname: &str, last: u8) -> SwarmNode {
    SwarmNode {
        manager: last == 1,
        ..member(hostname, Some(Ipv4Addr::new(192, 0, 2, last)))
    }
}

fn port(proto: Proto, published: u16, mode: PublishMode) -> PublishedPort {
    PublishedPort {
        mode,
        ..testing::port(proto, published, 80)
    }
}

fn task(service: &str, node: &str, slot: u64) -> Task {
    Task {
        slot,
        ..testing::task(service, node)
    }
}

/// Ids run against the order of names, so that nothing is in order by luck.
pub(crate) fn swarm() -> Snapshot {
    use PublishMode::{Host, Ingress};
    let mut snapshot = Snapshot {
        complete: true,
        ..Snapshot::default()
    };
    snapshot.nodes.insert("z".into(), node("alpha", 1));
    snapshot.nodes.insert("y".into(), node("beta", 2));
    let vote = vec![
        port(Proto::Udp, 9000, Ingress),
        port(Proto::Tcp, 8080, Ingress),
        port(Proto::Sctp, 7000, Ingress),
    ];
    snapshot.services.insert("a".into(), service("vote", vote));
    let agent = vec![port(Proto::Tcp, 9100, Ingress)];
    snapshot
        .services
        .insert("b".into(), service("probe", agent));
    let host = vec![port(Proto::Tcp, 0, Host), port(Proto::Tcp, 53, Host)];
    snapshot.services.insert("c".into(), service("dns", host));
    snapshot.services.insert("d".into(), service("db", vec![]));
    snapshot.tasks.insert("t9".into(), task("a", "z", 1));
    snapshot.tasks.insert("t8".into(), task("a", "y", 10));
    snapshot.tasks.insert("t7".into(), task("a", "y", 2));
    snapshot.tasks.insert("t1".into(), task("b", "y", 0));
    snapshot.tasks.insert("t2".into(), task("b", "z", 0));
    snapshot.tasks.insert("t3".into(), task("d", "z", 1));
    snapshot
}

pub(crate) fn this() -> Node {
    Node {
        id: "z".into(),
        tasks: BTreeMap::from([(
            TaskId::from("t9"),
            crate::model::node::TaskAddress::gateway(Ipv4Addr::new(172, 18, 0, 3)),
        )]),
        ..Node::default()
    }
}

fn traffic(new: u64) -> Counters {
    Counters {
        new,
        active: 1,
        packets_in: new * 5,
        bytes_in: new * 500,
        packets_out: new * 4,
        bytes_out: new * 4000,
    }
}

#[test]
fn only_services_with_a_tcp_or_udp_port_on_every_node_are_told() {
    let none = Withdrawn::default();
    let told = services(&swarm(), &none);
    let names: Vec<_> = told.services.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["probe", "vote"]);
    let vote: Vec<_> = told.services[1]
        .ports
        .iter()
        .map(|p| (p.proto, p.published))
        .collect();
    assert_eq!(vote, [(Proto::Tcp, 8080), (Proto::Udp, 9000)]);
    assert_eq!(
        tally(&swarm()),
        Tally {
            services: 2,
            tasks: 5
        }
    );
}

#[test]
fn tasks_that_only_keep_connections_are_counted_apart() {
    let mut snapshot = swarm();
    let of = |snapshot: &Snapshot| {
        let vote = services(snapshot, &Withdrawn::default())
            .services
            .pop()
            .unwrap();
        (vote.ready, vote.draining)
    };
    assert_eq!(of(&snapshot), (3, 0));
    let mut change = |id: &str, f: fn(&mut Task)| f(snapshot.tasks.get_mut(&id.into()).unwrap());
    change("t9", |task| task.desired = DesiredState::Ended);
    change("t8", |task| task.state = TaskState::Starting);
    change("t7", |task| task.health = LocalHealth::Dead);
    assert_eq!(of(&snapshot), (0, 1), "starting and dead ones hold none");
}

#[test]
fn a_service_is_told_with_ports_that_are_withdrawn_also_if_it_has_no_other() {
    let port = ((8088, Proto::Tcp), 80);
    let withdrawn = ["a", "d"].map(|id| (Key::of(id), [port].into()));
    let told = services(&swarm(), &withdrawn.into()).services;
    let told: Vec<_> = told
        .iter()
        .map(|it| (it.name.as_str(), it.ports.len(), it.withdrawn.len()))
        .collect();
    assert_eq!(told, [("db", 0, 1), ("probe", 1, 0), ("vote", 2, 1)]);
}

#[test]
fn a_removed_service_is_told_until_its_last_task_went() {
    let mut snapshot = swarm();
    snapshot.services.get_mut(&"a".into()).unwrap().removed = true;
    let vote = services(&snapshot, &Withdrawn::default())
        .services
        .pop()
        .unwrap();
    assert!(vote.removed);
    assert_eq!((vote.ready, vote.draining), (0, 3));
    assert_eq!(
        tally(&snapshot),
        Tally {
            services: 1,
            tasks: 2
        }
    );
}

#[test]
fn stats_are_in_order_with_names_addresses_and_retired_traffic() {
    let snapshot = swarm();
    let tasks = BTreeMap::from([
        (Key::of("t9"), traffic(10)),
        (Key::of("t7"), traffic(20)),
        (Key::of("somebody else's"), traffic(1000)),
    ]);
    let retired = BTreeMap::from([(Key::of("a"), traffic(100))]);
    let missing = BTreeSet::from([NodeId::from("y"), NodeId::from("gone")]);
    let told = stats(
        &snapshot,
        &this(),
        Scope::Cluster,
        &tasks,
        &retired,
        &missing,
    );
    assert_eq!(told.scope, "cluster");
    assert_eq!(told.missing, ["beta", "gone"]);
    let rows: Vec<_> = told
        .services
        .iter()
        .flat_map(|s| &s.tasks)
        .map(|t| (t.name.as_str(), t.node.as_str(), t.address, t.counters.new))
        .collect();
    let beta = Some(Ipv4Addr::new(192, 0, 2, 2));
    assert_eq!(
        rows,
        [
            ("probe.alpha", "alpha", None, 0),
            ("probe.beta", "beta", beta, 0),
            ("vote.1", "alpha", Some(Ipv4Addr::new(172, 18, 0, 3)), 10),
            ("vote.2", "beta", beta, 20),
            ("vote.10", "beta", beta, 0),
        ]
    );
    assert_eq!(told.services[1].total.new, 130);
    assert_eq!(told.services[1].total.active, 3);
    assert_eq!(told.services[0].total, Counters::default());
}

#[test]
fn ended_tasks_are_not_told() {
    let mut snapshot = swarm();
    snapshot.tasks.get_mut(&"t7".into()).unwrap().state = TaskState::Ended;
    let none = BTreeMap::new();
    let told = stats(
        &snapshot,
        &this(),
        Scope::Node,
        &none,
        &none,
        &BTreeSet::new(),
    );
    assert_eq!(told.scope, "node");
    assert_eq!(told.services[1].tasks.len(), 2);
}

#[test]
fn sums_over_nodes_add_up_by_key() {
    let mut sum_of = BTreeMap::from([(Key(1), traffic(1))]);
    sum(
        &mut sum_of,
        &BTreeMap::from([(Key(1), traffic(2)), (Key(2), traffic(3))]),
    );
    assert_eq!(sum_of[&Key(1)].bytes_in, 1500);
    assert_eq!(sum_of[&Key(2)], traffic(3));
}

#[test]
fn running_is_said_of_exactly_the_tasks_that_take_new_connections() {
    use {DesiredState as D, LocalHealth as S, TaskState as T};
    let states = [T::Pending, T::Starting, T::Running, T::Ended, T::Unknown];
    for state_of in states {
        for desired in [D::Running, D::Ready, D::Ended, D::Unknown] {
            for health in [S::Ok, S::Unhealthy, S::Stopping, S::Dead] {
                for down in [false, true] {
                    for removed in [false, true] {
                        let mut snapshot = swarm();
                        if down {
                            snapshot.nodes.get_mut(&"y".into()).unwrap().state = NodeState::Down;
                        }
                        snapshot.services.get_mut(&"a".into()).unwrap().removed = removed;
                        let task = Task {
                            state: state_of,
                            desired,
                            health,
                            ..task("a", "y", 1)
                        };
                        assert_eq!(
                            state(&snapshot, &task) == "running",
                            snapshot.eligible(&task),
                            "{task:?}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn each_way_to_stand_has_its_word() {
    let snapshot = swarm();
    let word = |change: fn(&mut Task)| {
        let mut task = task("a", "y", 1);
        change(&mut task);
        state(&snapshot, &task)
    };
    assert_eq!(word(|_| ()), "running");
    assert_eq!(word(|t| t.state = TaskState::Starting), "starting");
    assert_eq!(word(|t| t.state = TaskState::Pending), "starting");
    assert_eq!(word(|t| t.desired = DesiredState::Ended), "draining");
    assert_eq!(word(|t| t.health = LocalHealth::Unhealthy), "unhealthy");
    assert_eq!(word(|t| t.health = LocalHealth::Stopping), "stopping");
    assert_eq!(word(|t| t.health = LocalHealth::Dead), "stopping");
    assert_eq!(word(|t| t.state = TaskState::Unknown), "unknown");
    let mut lost = swarm();
    lost.nodes.get_mut(&"y".into()).unwrap().state = NodeState::Down;
    assert_eq!(state(&lost, &task("a", "y", 1)), "lost");
}

#[test]
fn nodes_are_told_by_name_with_the_tasks_they_serve() {
    let connected = BTreeSet::from([NodeId::from("y")]);
    let told = nodes(&swarm(), &"z".into(), Some(&connected));
    let rows: Vec<_> = told
        .nodes
        .iter()
        .map(|n| (n.hostname.as_str(), n.this, n.agent, n.tasks))
        .collect();
    assert_eq!(
        rows,
        [
            ("alpha", true, Some(true), 2),
            ("beta", false, Some(true), 3)
        ]
    );
    let alone = nodes(&swarm(), &"z".into(), Some(&BTreeSet::new()));
    assert_eq!(alone.nodes[1].agent, Some(false));
    assert_eq!(nodes(&swarm(), &"z".into(), None).nodes[0].agent, None);
}

#[test]
fn a_task_of_an_unknown_service_or_node_is_named_by_id() {
    let odd = task("nobody", "nowhere", 0);
    assert_eq!(task_name(&swarm(), &odd), "nobody.nowhere");
    assert_eq!(task_name(&swarm(), &task("a", "z", 4)), "vote.4");
}
