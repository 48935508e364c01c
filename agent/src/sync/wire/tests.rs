use super::*;
use proptest::prelude::*;

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
    )
        .prop_map(|(name, labels, ports, removed)| Service {
            name,
            labels,
            ports,
            removed,
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
    let sign = prop_oneof![
        Just(Sign::Fine),
        Just(Sign::Unhealthy),
        Just(Sign::Stopping),
        Just(Sign::Dead)
    ];
    (
        ("[a-z]{1,4}", "[a-z]{0,4}", any::<u64>()),
        state,
        desired,
        sign,
        prop::option::of("[a-f0-9]{1,8}"),
        prop::collection::vec(ports(), 0..2),
    )
        .prop_map(
            |((service, node, slot), state, desired, sign, container, host_ports)| Task {
                service: ServiceId(service),
                node: NodeId(node),
                slot,
                state,
                desired,
                container,
                host_ports,
                sign,
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
        prop::option::of("[a-z]{1,4}"),
    )
        .prop_map(
            |(hostname, address, state, manager, draining, datapath)| SwarmNode {
                hostname,
                address,
                state,
                manager,
                draining,
                datapath,
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
            services: services.into_iter().map(|(id, s)| (ServiceId(id), s)).collect(),
            tasks: tasks.into_iter().map(|(id, t)| (TaskId(id), t)).collect(),
            nodes: nodes.into_iter().map(|(id, n)| (NodeId(id), n)).collect(),
        };
        prop_assert_eq!(decode(encode(&sent)).unwrap(), sent);
    }

    #[test]
    fn no_bytes_stop_the_agent(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(bytes.into());
    }
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
        sign: 99,
        host_ports: vec![proto::Port {
            protocol: 99,
            ..Default::default()
        }],
        ..Default::default()
    };
    let (_, task) = task_in(task);
    assert_eq!(task.state, TaskState::Unknown);
    assert_eq!(task.desired, DesiredState::Unknown);
    assert_eq!(task.sign, Sign::Fine);
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
