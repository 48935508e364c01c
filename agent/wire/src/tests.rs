//! What arrives is what was sent, and no more than fits.

use super::*;
use lb_core::model::ids::{ServiceId, TaskId};
use lb_core::model::snapshot::{
    DesiredState, LocalHealth, NodeState, Proto, PublishMode, PublishedPort, Service, Snapshot,
    SwarmNode, Task, TaskState,
};
use lb_core::model::token::{TokenKey, TokenKeys};
use lb_core::view::overlay::{EventKind, LocalEvent};
use proptest::prelude::*;
use prost::Message;

fn ports() -> impl Strategy<Value = PublishedPort> {
    let proto = prop_oneof![Just(Proto::Tcp), Just(Proto::Udp), Just(Proto::Sctp)];
    let mode = prop_oneof![Just(PublishMode::Ingress), Just(PublishMode::Host)];
    (proto, any::<u16>(), any::<u16>(), mode).prop_map(|(proto, published, target, mode)| {
        PublishedPort {
            proto,
            published,
            target,
            mode,
        }
    })
}

fn services() -> impl Strategy<Value = Service> {
    (
        ".{0,8}",
        prop::collection::btree_map(".{0,4}", ".{0,4}", 0..3),
        prop::collection::vec(ports(), 0..3),
        any::<bool>(),
        any::<u64>(),
    )
        .prop_map(|(name, labels, ports, removed, created)| Service {
            name,
            labels: labels.into(),
            ports,
            removed,
            created,
        })
}

fn tasks() -> impl Strategy<Value = Task> {
    let state = prop_oneof![
        Just(TaskState::Pending),
        Just(TaskState::Starting),
        Just(TaskState::Running),
        Just(TaskState::Ended),
        Just(TaskState::Unknown)
    ];
    let desired = prop_oneof![
        Just(DesiredState::Running),
        Just(DesiredState::Ready),
        Just(DesiredState::Ended),
        Just(DesiredState::Unknown)
    ];
    let health = prop_oneof![
        Just(LocalHealth::Ok),
        Just(LocalHealth::Unhealthy),
        Just(LocalHealth::Stopping),
        Just(LocalHealth::Dead)
    ];
    (
        ("[a-z]{1,4}", "[a-z]{0,4}", any::<u64>()),
        state,
        desired,
        health,
        (
            prop::collection::vec(ports(), 0..2),
            prop::collection::vec(ports(), 0..2),
        ),
    )
        .prop_map(
            |((service, node, slot), state, desired, health, (host_ports, targets))| Task {
                service: service.into(),
                node: node.into(),
                slot,
                state,
                desired,
                host_ports: host_ports.into(),
                targets: targets.into(),
                health,
            },
        )
}

fn nodes() -> impl Strategy<Value = SwarmNode> {
    let state = prop_oneof![
        Just(NodeState::Unknown),
        Just(NodeState::Down),
        Just(NodeState::Ready),
        Just(NodeState::Disconnected)
    ];
    (
        ".{0,6}",
        prop::option::of(any::<std::net::Ipv4Addr>()),
        state,
        any::<bool>(),
        any::<bool>(),
        prop::option::of("ebpf|ipvs"),
        prop::option::of(any::<(u32, [u8; 16], [u8; 16])>()),
    )
        .prop_map(
            |(hostname, address, state, manager, draining, datapath, keys)| SwarmNode {
                hostname,
                address,
                state,
                manager,
                draining,
                datapath,
                token_keys: keys.map(|(epoch, current, next)| TokenKeys {
                    epoch,
                    current: TokenKey::new(current),
                    next: TokenKey::new(next),
                }),
            },
        )
}

proptest! {
    #[test]
    fn a_view_arrives_as_it_was_sent(
        complete in any::<bool>(),
        services in prop::collection::btree_map("[a-z]{1,5}", services(), 0..4),
        tasks in prop::collection::btree_map("[a-z]{1,5}", tasks(), 0..6),
        nodes in prop::collection::btree_map("[a-z]{1,5}", nodes(), 0..4),
    ) {
        let sent = Snapshot {
            complete,
            services: services.into_iter().map(|(id, s)| (id.into(), s)).collect(),
            tasks: tasks.into_iter().map(|(id, t)| (id.into(), t)).collect(),
            nodes: nodes.into_iter().map(|(id, n)| (id.into(), n)).collect(),
        };
        prop_assert_eq!(decode(encode(&sent)).unwrap(), sent);
    }

    #[test]
    fn no_bytes_stop_the_agent(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(bytes.into());
    }
}

#[test]
fn labels_of_routes_arrive() {
    let labels = [
        ("com.docker.lb.hosts", "a.example"),
        ("traefik.enable", "true"),
    ];
    let labels = labels.map(|(label, value)| (label.to_owned(), value.to_owned()));
    let service = Service {
        labels: labels.clone().into_iter().collect(),
        ..Service::default()
    };
    let sent = Snapshot {
        services: [(ServiceId::from("s"), service)].into_iter().collect(),
        ..Snapshot::default()
    };
    let arrived = decode(encode(&sent)).unwrap();
    let kept = arrived.services[&ServiceId::from("s")]
        .labels
        .route_labels();
    assert_eq!(kept, labels.into());
}

#[test]
fn keys_of_another_size_are_no_keys() {
    let keys = |current: usize, next: usize| proto::TokenKeys {
        epoch: 1,
        current: vec![7; current].into(),
        next: vec![8; next].into(),
    };
    assert!(keys_in(&keys(16, 16)).is_some());
    for (current, next) in [(0, 0), (15, 16), (16, 17), (16, 0), (1 << 16, 16)] {
        assert_eq!(keys_in(&keys(current, next)), None, "{current} {next}");
    }
    let shown = format!("{:?}", keys(16, 16));
    assert!(
        !shown.contains("7, 7") && !shown.contains("\\x07"),
        "{shown}"
    );
}

#[test]
fn events_arrive_as_they_were_sent() {
    for kind in [
        EventKind::Start,
        EventKind::Kill,
        EventKind::Die,
        EventKind::Healthy,
        EventKind::Unhealthy,
    ] {
        let event = LocalEvent {
            task: "t".into(),
            kind,
        };
        assert_eq!(event_in(event_out(&event)), Some(event));
    }
}

#[test]
fn words_of_a_later_version_conclude_nothing() {
    let task = proto::Task {
        id: "t".into(),
        state: 99,
        desired: 99,
        health: 99,
        host_ports: vec![proto::Port {
            protocol: 99,
            ..Default::default()
        }],
        ..Default::default()
    };
    let view = proto::Snapshot {
        tasks: vec![task],
        nodes: vec![proto::Node {
            datapath: "later".into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let view = decode(view.encode_to_vec().into()).unwrap();
    let task = &view.tasks[&"t".into()];
    assert!(view.nodes.values().all(|node| node.datapath.is_none()));
    assert_eq!(task.state, TaskState::Unknown);
    assert_eq!(task.desired, DesiredState::Unknown);
    assert_eq!(task.health, LocalHealth::Ok);
    assert!(task.host_ports.is_empty());
    let event = proto::Event {
        task_id: "t".into(),
        kind: 99,
    };
    assert_eq!(event_in(event), None);
}

#[test]
fn an_embedded_message_is_the_same_on_the_wire_as_its_bytes() {
    let snapshot = Snapshot {
        complete: true,
        ..Snapshot::default()
    };
    let update = proto::SnapshotUpdate {
        epoch: 1,
        revision: 2,
        snapshot: encode(&snapshot),
    };
    assert_eq!(update.encode_to_vec(), [8, 1, 16, 2, 26, 2, 8, 1]);
}

#[test]
fn what_a_node_says_of_itself_has_its_size() {
    let hello = proto::Hello {
        datapath: "x".repeat(60_000),
        address: "y".repeat(1_000),
        task_health: vec![proto::TaskHealth::default(); 30_000],
        ..Default::default()
    };
    let told = report_in(hello);
    assert_eq!(told, PeerReport::default());
    let task_health =
        (0..5_000).map(|number| (TaskId::from(format!("t{number}")), LocalHealth::Dead));
    let task_health: Vec<_> = task_health.collect();
    let portions = task_health_out(&task_health)
        .into_iter()
        .map(|task_health| proto::Hello {
            task_health,
            ..Default::default()
        });
    let up = |hello: &proto::Hello| proto::Up {
        kind: Some(proto::up::Kind::Hello(hello.clone())),
    };
    let arrived: Vec<_> = portions
        .inspect(|hello| proto::Up::check(&up(hello).encode_to_vec()).unwrap())
        .flat_map(|hello| report_in(hello).task_health)
        .collect();
    assert_eq!(arrived, task_health);
    let event = proto::Event {
        task_id: "t".repeat(65),
        kind: proto::EventKind::Die.into(),
    };
    assert_eq!(event_in(event), None);
}

#[test]
fn each_kind_of_message_has_its_size() {
    let up = |kind| proto::Up { kind: Some(kind) }.encode_to_vec();
    let hello = |bytes: usize| {
        up(proto::up::Kind::Hello(proto::Hello {
            version: "v".repeat(bytes),
            ..Default::default()
        }))
    };
    let stats = |bytes: usize| {
        up(proto::up::Kind::Stats(proto::StatsAnswer {
            request_id: 1,
            json: vec![0; bytes].into(),
        }))
    };
    assert_eq!(proto::Up::check(&hello(65_000)), Ok(()));
    assert_eq!(proto::Up::check(&stats(STATS_BYTES - 100)), Ok(()));
    for large in [hello(66_000), stats(STATS_BYTES)] {
        assert!(matches!(
            proto::Up::check(&large),
            Err(LimitError::Bytes { .. })
        ));
    }
    // Neither in several parts, nor behind a kind that may be large, nor of a kind that nobody knows.
    let parts = [hello(40_000), hello(40_000)].concat();
    assert!(proto::Up::check(&parts).is_err());
    assert!(proto::Up::check(&[stats(1), hello(66_000)].concat()).is_err());
    let mut unknown = hello(66_000);
    unknown[0] = 0x7a;
    assert!(proto::Up::check(&unknown).is_err());
    // An empty service is two bytes on the wire, and a hundred times as much in memory.
    let crowd = [0x12, 0].repeat(100_001);
    let refused = decode(crowd.into()).unwrap_err();
    assert!(refused.to_string().contains("services"), "{refused}");
}
