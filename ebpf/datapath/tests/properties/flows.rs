//! Tasks of flows, for any number of tasks and any order of packets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddrV4};

use lb_abi::flow::{EMBRYONIC, Flow};
use lb_abi::service::{Backend, LOCAL, REMOTE, SCHED_MAGLEV, SCHED_RR, SCHED_SH};
use lb_abi::settings::Settings;
use lb_abi::{Be16, Be32, TCP};
use lb_datapath::Verdict;
use lb_datapath::bridge::bridge;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::parse::outer;
use lb_datapath::tunnel::{Direction, enter};
use lb_datapath::uplink::uplink;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::nodes::{FRONTEND, HOME, INGRESS, key, serving};
use crate::packets::{Body, Transport};

fn client(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 7), port)
}

/// Sends a packet under tc and says whose its flow is now.
fn send(memory: &Memory, port: u16, transport: Transport) -> Option<u64> {
    let frame = Body::bare(transport).frame(client(port), FRONTEND);
    let verdict = uplink(&mut Frame::<true>::new(frame), memory);
    let flows = memory.flows.borrow();
    let mut flows = flows.iter();
    let (_, flow) = flows.find(|(tuple, _)| tuple.source_port == Be16::new(port))?;
    assert_ne!(verdict, Verdict::Pass, "it has a flow");
    Some(flow.task)
}

fn syn() -> Transport {
    Transport::Tcp(0x02, Vec::new(), 7)
}

proptest! {
    #[test]
    fn as_many_new_flows_as_tasks_reach_each_task_once(
        count in 1u32..80, place in prop_oneof![Just(LOCAL), Just(REMOTE)], begin in 0u64..1 << 40,
    ) {
        let mut memory = serving(INGRESS, place, count);
        memory.turns.get_mut().values_mut().for_each(|turn| *turn = begin);
        let port = |n: u32| 1000 + u16::try_from(n).unwrap();
        for transport in [syn, || Transport::Udp(true)] {
            memory.flows.get_mut().clear();
            let tasks: BTreeSet<_> = (0..count).map(|n| send(&memory, port(n), transport()).unwrap()).collect();
            prop_assert_eq!(tasks.len(), count as usize);
        }
    }

    #[test]
    fn a_flow_stays_with_its_task_until_it_is_over(
        count in 1u32..9,
        // Ports, and flags without FIN and RST.
        packets in vec((1u16..6, prop_oneof![Just(0x02u8), Just(0x10), Just(0x18), Just(0x12)]), 1..60),
    ) {
        let memory = serving(INGRESS, LOCAL, count);
        let mut tasks = BTreeMap::new();
        for (port, flags) in packets {
            let task = send(&memory, port, Transport::Tcp(flags, Vec::new(), 1));
            match tasks.get(&port) {
                Some(before) => prop_assert_eq!(task, Some(*before)),
                None if flags == 0x02 => {
                    tasks.insert(port, task.unwrap());
                }
                None => prop_assert_eq!(task, None, "only a SYN makes a flow"),
            }
        }
        let turns = memory.turns.borrow();
        let tcp = turns.iter().find(|(port, _)| port.proto == TCP).unwrap();
        prop_assert_eq!(*tcp.1, tasks.len() as u64, "one turn for each flow");
    }
}

#[test]
fn a_syn_that_comes_again_goes_to_who_takes_it_now() {
    let mut memory = serving(INGRESS, REMOTE, 2);
    let first = send(&memory, 1, syn()).unwrap();
    assert_eq!(send(&memory, 1, syn()), Some(first), "while it takes flows");
    let other = [key(0), key(1)].into_iter().find(|task| *task != first);
    let other = other.unwrap();
    memory.backends.get_mut(&first).unwrap().flags = 0;
    memory.slots.values_mut().for_each(|task| *task = other);
    assert_eq!(send(&memory, 1, ack()), Some(first), "not a SYN");
    assert_eq!(send(&memory, 1, syn()), Some(other));

    let mut memory = serving(INGRESS, REMOTE, 1);
    let task = send(&memory, 1, syn()).unwrap();
    let settled = memory.flows.get_mut().values_mut().next().unwrap();
    settled.state &= !EMBRYONIC;
    memory.backends.get_mut(&task).unwrap().flags = 0;
    assert_eq!(send(&memory, 1, syn()), Some(task), "its client was there");
    memory.flows.get_mut().values_mut().next().unwrap().state |= EMBRYONIC;
    for frontend in memory.frontends.values_mut() {
        frontend.count = 0;
    }
    assert_eq!(send(&memory, 1, syn()), Some(task), "nobody else takes it");
}

/// An ingress node with local tasks, which it picks as `scheduler` says.
fn picking(scheduler: u16, count: u32) -> Memory {
    let mut memory = serving(INGRESS, LOCAL, count);
    memory
        .frontends
        .values_mut()
        .for_each(|frontend| frontend.scheduler = scheduler);
    memory
}

fn ack() -> Transport {
    Transport::Tcp(0x10, Vec::new(), 7)
}

proptest! {
    #[test]
    fn by_hash_every_node_sends_a_client_to_the_same_task(count in 1u32..80, port in 1000u16..) {
        for scheduler in [SCHED_SH, SCHED_MAGLEV] {
            let first = send(&picking(scheduler, count), port, syn());
            prop_assert!(first.is_some());
            // Another node, which sees the connection's middle first: a node went away.
            let other = picking(scheduler, count);
            prop_assert_eq!(send(&other, port, ack()), first);
            let counted: u64 = other.counters.borrow().values().map(|task| task.new).sum();
            prop_assert_eq!(counted, 0, "it is no new connection");
            // And another connection of the same client.
            if scheduler == SCHED_SH {
                prop_assert_eq!(send(&other, port ^ 1, syn()), first);
            }
        }
    }
}

#[test]
fn by_the_hash_of_ports_a_clients_connections_reach_all_tasks() {
    let memory = picking(SCHED_MAGLEV, 6);
    let tasks: BTreeSet<_> = (0..100)
        .map(|n| send(&memory, 2000 + n, syn()).unwrap())
        .collect();
    assert_eq!(tasks.len(), 6);
}

#[test]
fn in_turn_the_middle_of_a_connection_is_nobodys_and_a_reset_opens_nothing() {
    let reset = || Transport::Tcp(0x04, Vec::new(), 7);
    for (scheduler, transport) in [(SCHED_RR, ack()), (SCHED_RR, reset()), (SCHED_SH, reset())] {
        let memory = picking(scheduler, 6);
        let frame = Body::bare(transport).frame(client(1000), FRONTEND);
        let verdict = uplink(&mut Frame::<true>::new(frame), &memory);
        assert_eq!(verdict, Verdict::Pass);
        assert!(memory.flows.borrow().is_empty());
    }
}

#[test]
fn a_task_on_another_bridge_is_handed_to_that_bridge() {
    let mut memory = serving(INGRESS, LOCAL, 1);
    memory
        .backends
        .values_mut()
        .for_each(|backend| backend.link = 44);
    let frame = Body::bare(syn()).frame(client(1000), FRONTEND);
    let verdict = uplink(&mut Frame::<true>::new(frame), &memory);
    assert_eq!(verdict, Verdict::Container(44));
}

#[test]
fn while_there_is_no_bridge_to_the_task_a_containers_call_is_untouched() {
    let mut memory = serving(INGRESS, LOCAL, 1);
    memory.settings = memory.settings.map(|settings| Settings {
        bridge: 0,
        ..settings
    });
    for transport in [syn(), Transport::Udp(true)] {
        let caller = SocketAddrV4::new(Ipv4Addr::new(172, 19, 0, 9), 1000);
        let frame = Body::bare(transport).frame(caller, FRONTEND);
        let mut packet = Frame::<true>::new(frame.clone());
        assert_eq!(bridge(&mut packet, &memory), Verdict::Pass);
        assert_eq!(packet.bytes, frame);
    }
}

#[test]
fn an_answer_to_a_process_here_is_the_kernels_whatever_port_the_process_has() {
    // It called from a port that is published here, and its task is elsewhere.
    let mut memory = serving(INGRESS, LOCAL, 1);
    let there = Backend::new(Be32::new(HOME.into()), REMOTE, 1);
    memory.backends.insert(key(9), there);
    let process = FRONTEND;
    let called = SocketAddrV4::new(HOME, FRONTEND.port());
    let answer = Body::bare(Transport::Udp(true)).frame(called, process);
    let mut frame = Frame::<false>::new(answer.clone());
    let segment = outer(&frame, &memory).unwrap();
    let flow = Flow::new(key(9), Be32::new(0));
    memory
        .flows
        .borrow_mut()
        .insert(segment.tuple.reversed(), flow);
    let there = Settings {
        node: Be32::new(HOME.into()),
        ..memory.settings.unwrap()
    };
    let here = Be32::new(INGRESS.into());
    assert!(enter(
        &mut frame,
        &memory,
        &segment,
        &there,
        here,
        Direction::ToClient,
        key(9)
    ));
    // XDP leaves it to tc, which opens it on its way to the kernel: no way leads to the node itself.
    frame.routed = false;
    let tunnelled = frame.bytes.clone();
    assert_eq!(uplink(&mut frame, &memory), Verdict::Pass);
    assert_eq!(frame.bytes, tunnelled);
    let mut frame = Frame::<true>::new(frame.bytes);
    assert_eq!(uplink(&mut frame, &memory), Verdict::Pass);
    assert_eq!(frame.bytes, answer);
}

#[test]
fn what_nobody_can_answer_opens_no_flow() {
    let nobodys = [
        Ipv4Addr::LOCALHOST,
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::new(0, 1, 2, 3),
        Ipv4Addr::new(224, 0, 0, 1),
        Ipv4Addr::BROADCAST,
    ];
    for source in nobodys {
        for transport in [syn(), Transport::Udp(true)] {
            let memory = serving(INGRESS, LOCAL, 2);
            let before = memory.clone();
            let frame = Body::bare(transport).frame(SocketAddrV4::new(source, 1000), FRONTEND);
            let mut packet = Frame::<true>::new(frame.clone());
            assert_eq!(uplink(&mut packet, &memory), Verdict::Pass, "{source}");
            assert_eq!(packet.bytes, frame, "{source}");
            assert!(memory == before, "{source} left a trace");
        }
    }
}
