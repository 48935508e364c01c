use super::*;
use crate::model::ids::TaskId;
use crate::report::build::tests::{swarm, this};
use lb_abi::TCP;
use lb_abi::flow::RESET;

const NODE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

fn tuple(port: u16, proto: u8) -> Tuple {
    Tuple {
        source: Be32::new(Ipv4Addr::new(203, 0, 113, 7).into()),
        destination: Be32::new(NODE.into()),
        source_port: Be16::new(port),
        destination_port: Be16::new(8080),
        proto,
        zero: [0; 3],
    }
}

fn flow(task: &str, seen: u32) -> Flow {
    Flow {
        seen,
        ..Flow::new(Key::from(&TaskId::from(task)).0, Be32::new(0))
    }
}

fn table(flows: impl IntoIterator<Item = (Tuple, Flow)>) -> FlowTable {
    FlowTable {
        now: 1_000,
        flows: flows.into_iter().collect(),
    }
}

fn all(limit: usize) -> FlowFilter {
    FlowFilter {
        service: None,
        limit,
    }
}

#[test]
fn a_flow_bears_the_swarms_names() {
    let table = table([(tuple(40_000, TCP), flow("t7", 970))]);
    assert_eq!(
        flows(&swarm(), &this(), &table, &all(1)).flows,
        [FlowReport {
            client: "203.0.113.7:40000".parse().unwrap(),
            presented: None,
            frontend: "192.0.2.1:8080".parse().unwrap(),
            proto: Proto::Tcp,
            service: Some("vote".into()),
            task: Some("vote.2".into()),
            node: Some("beta".into()),
            state: FlowState::Opening,
            idle_s: 32,
            through: None,
        }]
    );
}

#[test]
fn the_ingress_node_and_callers_are_named() {
    let tunnelled = Flow {
        peer: Be32::new(Ipv4Addr::new(192, 0, 2, 2).into()),
        ..flow("t9", 1_000)
    };
    let stranger = Flow {
        peer: Be32::new(Ipv4Addr::new(192, 0, 2, 77).into()),
        ..flow("gone", 999)
    };
    let called = Flow {
        port: Be16::new(61_022),
        ..flow("t9", 998)
    };
    let table = table([
        (tuple(1, TCP), tunnelled),
        (tuple(2, UDP), stranger),
        (tuple(3, TCP), called),
    ]);
    let this = Node {
        address: Some(NODE),
        ..this()
    };
    let told = flows(&swarm(), &this, &table, &all(9)).flows;
    let through: Vec<_> = told.iter().map(|flow| flow.through.as_deref()).collect();
    assert_eq!(through, [Some("beta"), Some("192.0.2.77"), None]);
    let presented: Vec<_> = told.iter().map(|flow| flow.presented).collect();
    assert_eq!(
        presented,
        [None, None, Some("192.0.2.1:61022".parse().unwrap())]
    );
    assert_eq!(
        told[0].state,
        FlowState::Open,
        "answers are noted elsewhere"
    );
    let gone = &told[1];
    assert_eq!(
        (&gone.service, &gone.task, &gone.node),
        (&None, &None, &None)
    );
}

#[test]
fn clients_of_a_tasks_own_networks_are_told_as_the_task_sees_them() {
    let seen = |state| Flow {
        state,
        remapped_port: Be16::new(2_000),
        ..flow("t9", 1_000)
    };
    let table = table([
        (tuple(1, TCP), seen(UNDER_NODE)),
        (tuple(2, TCP), seen(UNDER_GATEWAY)),
        // Under its own address.
        (tuple(3, TCP), seen(0)),
    ]);
    let this = Node {
        address: Some(NODE),
        gateway: Some(Ipv4Addr::new(172, 18, 0, 1)),
        ..this()
    };
    let told = flows(&swarm(), &this, &table, &all(9)).flows;
    let presented: Vec<_> = told.iter().map(|flow| flow.presented).collect();
    let [node, gateway] = ["192.0.2.1:2000", "172.18.0.1:2000"].map(|at| at.parse().unwrap());
    assert_eq!(presented, [Some(node), Some(gateway), None]);
}

#[test]
fn the_most_recent_come_first_and_the_rest_is_counted() {
    let table = table((0..10).map(|n| {
        let task = if n % 2 == 0 { "t9" } else { "t1" };
        (tuple(n, TCP), flow(task, 1_005 - u32::from(n)))
    }));
    let ports = |asked: &FlowFilter| {
        let told = flows(&swarm(), &this(), &table, asked);
        let ports: Vec<u16> = told.flows.iter().map(|flow| flow.client.port()).collect();
        (ports, told.more)
    };
    // What was seen since the clock was read is as recent as can be.
    assert_eq!(ports(&all(7)), ((0..7).collect(), 3));
    assert_eq!(ports(&all(10)).1, 0);
    let of = |service: &str, limit| FlowFilter {
        service: Some(service.into()),
        limit,
    };
    assert_eq!(ports(&of("b", 3)), (vec![1, 3, 5], 2));
    assert_eq!(ports(&of("d", 3)), (vec![], 0));
}

#[test]
fn states_follow_from_what_both_sides_sent() {
    let told = |proto, state, idle| {
        let flow = Flow {
            state,
            ..flow("t9", 0)
        };
        flow_state(proto, &flow, idle)
    };
    assert_eq!(told(TCP, 0, 900), FlowState::Opening);
    assert_eq!(told(TCP, ANSWERED, 1 << 20), FlowState::Open);
    assert_eq!(told(TCP, ANSWERED | FIN_IN, 0), FlowState::Closing);
    assert_eq!(told(TCP, ANSWERED | FIN_OUT, 0), FlowState::Closing);
    assert_eq!(told(TCP, ANSWERED | FIN_IN | FIN_OUT, 0), FlowState::Closed);
    assert_eq!(told(TCP, RESET, 0), FlowState::Closed);
    assert_eq!(told(UDP, 0, QUIET_TICKS), FlowState::Open);
    assert_eq!(told(UDP, ANSWERED, QUIET_TICKS + 1), FlowState::Quiet);
}

#[test]
fn the_clock_may_wrap_and_lag() {
    assert_eq!(idle_ticks(3, u32::MAX - 1), 5);
    assert_eq!(idle_ticks(7, 8), 0);
    // From half the range of the clock on, what was seen seems to come from the future.
    let half = u32::MAX / 2;
    assert_eq!((idle_ticks(half, 0), idle_ticks(half + 1, 0)), (half, 0));
}
