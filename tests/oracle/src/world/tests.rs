//! Sequences of steps that the datapath must handle as expected, and that the assertions must accept.

use super::*;
use crate::names::{MAC, PUBLISHED, Who};
use etherparse::PacketBuilder;

/// Two nodes, every task on the first one, whose card a client's frames come in on.
fn world() -> World {
    let mut world = World {
        nodes: Default::default(),
        tables: 0,
        pool: Vec::new(),
    };
    // Bytes that have ended say no to everything.
    let tables = Tables::arbitrary(&mut Unstructured::new(&[])).unwrap();
    world.change(Node::First, &tables);
    world.change(Node::Second, &tables);
    world
}

const UPLINK_TC: AttachPoint = AttachPoint {
    second: false,
    hook: Hook::Tc,
    no_route: false,
    merged: None,
    socket: 0,
    other_bridge: false,
};

fn syn() -> Vec<u8> {
    let from = Who::Client(false).address().octets();
    let to = Node::First.address().octets();
    let builder = PacketBuilder::ethernet2([2; 6], MAC).ipv4(from, to, 64);
    let mut frame = Vec::new();
    let builder = builder.tcp(40_000, PUBLISHED[0], 1, 1000).syn();
    builder.write(&mut frame, &[]).unwrap();
    frame
}

/// Key of the task that has the flow of [`syn`].
fn task(world: &World) -> u64 {
    let flows = world.nodes[0].flows.borrow();
    assert_eq!(flows.len(), 1);
    flows.values().next().unwrap().task
}

#[test]
fn a_syn_sent_again_may_move_to_who_takes_connections_once_its_first_task_takes_none() {
    let mut world = world();
    world.send(UPLINK_TC, syn());
    let first = task(&world);
    world.send(UPLINK_TC, syn());
    assert_eq!(task(&world), first, "it takes connections");
    let memory = &mut world.nodes[0];
    let drained = memory.backends.get_mut(&first).unwrap();
    drained.flags = 0;
    let service = drained.service;
    let mut others = memory.backends.iter();
    let other = others.find(|(key, backend)| **key != first && backend.service == service);
    let other = *other.unwrap().0;
    memory.slots.values_mut().for_each(|task| {
        if *task == first {
            *task = other;
        }
    });
    world.send(UPLINK_TC, syn());
    assert_eq!(task(&world), other);
}

#[test]
fn a_syn_that_nobody_has_answered_in_time_may_move() {
    let mut world = world();
    world.send(UPLINK_TC, syn());
    let first = task(&world);
    let service = world.nodes[0].backends[&first].service;
    for node in &mut world.nodes {
        node.now += 1;
    }
    world.send(UPLINK_TC, syn());
    let backends = &world.nodes[0].backends;
    let others = backends
        .values()
        .filter(|backend| backend.service == service);
    assert_eq!(task(&world) != first, others.count() > 1);
}

#[test]
#[should_panic(expected = "settled from the beginning")]
fn no_flow_begins_among_those_whose_clients_are_there() {
    let mut world = world();
    let was = world.nodes[0].clone();
    world.send(UPLINK_TC, syn());
    for flow in world.nodes[0].flows.get_mut().values_mut() {
        flow.state = 0;
    }
    let frame = syn();
    Event {
        hook: Hook::Tc,
        was: &was,
        is: &world.nodes[0],
        before: &frame,
        after: &frame,
        verdict: Verdict::Pass,
    }
    .check();
}

#[test]
#[should_panic(expected = "a flow has moved")]
fn a_flow_may_not_move_while_its_task_takes_connections() {
    let mut world = world();
    world.send(UPLINK_TC, syn());
    let was = world.nodes[0].clone();
    for flow in world.nodes[0].flows.get_mut().values_mut() {
        flow.task ^= 0x0300;
    }
    let frame = syn();
    Event {
        hook: Hook::Tc,
        was: &was,
        is: &world.nodes[0],
        before: &frame,
        after: &frame,
        verdict: Verdict::Pass,
    }
    .check();
}
