//! Processes of the node that call one task by its own address, at a port that it listens on itself (ADR 0011).

use crate::node::{HERE, HOST, KEYS, ROUTER, TASK, THERE, be, memory, socket};
use etherparse::PacketBuilder;
use lb_abi::counters::Reason;
use lb_abi::service::{ACTIVE, ADDRESSED, Backend, LOCAL, ROUTED};
use lb_abi::settings::NO_USER;
use lb_abi::sock_rev_nat::address_of;
use lb_abi::{Be16, Be32, TCP, UDP};
use lb_datapath::Verdict;
use lb_datapath::bridge::bridge;
use lb_datapath::egress::egress;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::socket_lb::{Socket, asked, connect, mapped};
use lb_datapath::tunnel::{Direction, Opened, Read, open};
use lb_datapath::uplink::uplink;
use proptest::prelude::*;
use std::net::Ipv4Addr;

/// A port that nobody publishes.
const PORT: u16 = 9000;
const NUMBER: Be16 = Be16::new(PORT);
const SOCKET: u64 = 5;
const PROCESS: (Ipv4Addr, u16) = (HERE, 40_000);
/// Task 2, on the bridge of its own node.
const FAR: Ipv4Addr = Ipv4Addr::new(172, 18, 0, 9);

/// The node, whose tasks may be called so.
fn addressed() -> Memory {
    with_flags(ADDRESSED)
}

/// The node, whose tasks have these flags.
fn with_flags(flags: u32) -> Memory {
    let mut memory = memory(TCP);
    for backend in memory.backends.values_mut() {
        backend.flags = ACTIVE | flags;
    }
    memory
}

/// A socket of a process that this user runs.
fn of_user(user: u32) -> Socket {
    Socket {
        user,
        ..socket(SOCKET, TCP)
    }
}

/// The node of task 2.
fn far() -> Memory {
    let mut far = addressed();
    far.settings.as_mut().unwrap().node = be(THERE);
    far.addresses = [THERE.into()].into();
    far.peers = [(HERE.into(), KEYS)].into();
    let mut backend = Backend::new(be(FAR), LOCAL, 9);
    backend.flags |= ADDRESSED;
    far.backends.insert(2, backend);
    far
}

fn tcp([from, to]: [(Ipv4Addr, u16); 2], syn: bool) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([3; 6], [2; 6])
        .ipv4(from.0.octets(), to.0.octets(), 64)
        .tcp(from.1, to.1, 1, 1000);
    let builder = if syn { builder.syn() } else { builder.ack(1) };
    let mut bytes = Vec::new();
    builder.write(&mut bytes, &[]).unwrap();
    bytes
}

/// A process sends it by [`SOCKET`].
fn leaves(memory: &Memory, bytes: Vec<u8>) -> (Verdict, Vec<u8>) {
    let mut frame = Frame::<true> {
        socket: SOCKET,
        ..Frame::new(bytes)
    };
    (egress(&mut frame, memory), frame.bytes)
}

fn arrives(memory: &Memory, bytes: Vec<u8>) -> (Verdict, Vec<u8>) {
    let mut frame = Frame::<true>::new(bytes);
    (uplink(&mut frame, memory), frame.bytes)
}

fn called(memory: &Memory, socket: &Socket, task: u64) -> Option<(Be32, Be16)> {
    connect(memory, socket, address_of(task), NUMBER)
}

#[test]
fn a_socket_is_pointed_at_the_task_that_it_names_and_told_that_it_has_it() {
    let memory = addressed();
    let process = socket(SOCKET, TCP);
    for (task, at) in [(1, TASK), (2, THERE), (1, TASK)] {
        assert_eq!(called(&memory, &process, task), Some((be(at), NUMBER)));
        let told = asked(&memory, SOCKET, mapped(be(at)), NUMBER);
        assert_eq!(told, Some((address_of(task), NUMBER)));
    }
    let new = |task: u64| memory.counters.borrow()[&task].new;
    assert_eq!((new(1), new(2)), (2, 1));
}

#[test]
fn who_may_not_call_a_task_so_is_pointed_nowhere() {
    let memory = addressed();
    let closed = self::memory(TCP);
    let process = socket(SOCKET, TCP);
    for (what, memory, socket, task) in [
        ("its service has no such label", &closed, process, 1),
        ("no such task", &memory, process, 77),
        ("datagrams", &memory, socket(SOCKET, UDP), 1),
        (
            "another namespace",
            &memory,
            Socket {
                network: HOST + 1,
                ..process
            },
            1,
        ),
        (
            "not to be heard from outside the host",
            &memory,
            Socket {
                bound: be(Ipv4Addr::LOCALHOST),
                ..process
            },
            1,
        ),
    ] {
        assert_eq!(called(memory, &socket, task), None, "{what}");
        assert!(memory.calls.borrow().is_empty(), "{what}");
        assert!(memory.counters.borrow().values().all(|task| task.new == 0));
    }
}

#[test]
fn a_call_reaches_the_tasks_own_port_on_another_node_and_its_answer_the_process() {
    let (here, far) = (addressed(), far());
    called(&here, &socket(SOCKET, TCP), 2).unwrap();
    let (verdict, tunnelled) = leaves(&here, tcp([PROCESS, (THERE, PORT)], true));
    assert_eq!(verdict, Verdict::Pass);
    let opened = Opened {
        sender: be(HERE),
        direction: Direction::ToOwn,
        task: 2,
    };
    let frame = Frame::<true>::new(tunnelled.clone());
    assert_eq!(open(&frame, &KEYS), Read::Opened(opened));
    // Outside of the tunnel nothing would say whose it is: XDP leaves it to tc.
    let mut xdp = Frame::<false>::new(tunnelled.clone());
    assert_eq!(uplink(&mut xdp, &far), Verdict::Pass);
    assert_eq!(xdp.bytes, tunnelled);
    let delivered = tcp([PROCESS, (FAR, PORT)], true);
    assert_eq!(arrives(&far, tunnelled), (Verdict::Bridge, delivered));

    let mut answer = Frame::<true>::new(tcp([(FAR, PORT), PROCESS], false));
    assert_eq!(bridge(&mut answer, &far), Verdict::Uplink);
    let got = tcp([(THERE, PORT), PROCESS], false);
    assert_eq!(arrives(&here, answer.bytes), (Verdict::Pass, got));
    // The rest of the connection goes the same way, also what the kernel sends when the socket is gone.
    let ack = tcp([PROCESS, (THERE, PORT)], false);
    let mut frame = Frame::<true>::new(ack.clone());
    assert_eq!(egress(&mut frame, &here), Verdict::Pass);
    for tunnelled in [frame.bytes, leaves(&here, ack).1] {
        let delivered = tcp([PROCESS, (FAR, PORT)], false);
        assert_eq!(arrives(&far, tunnelled), (Verdict::Bridge, delivered));
    }
}

proptest! {
    #[test]
    fn all_may_call_a_task_that_is_addressed_and_the_router_one_that_is_routed(
        user in prop_oneof![Just(ROUTER), Just(0), 0..NO_USER],
        router_user in prop_oneof![Just(ROUTER), Just(NO_USER)],
        flags in prop_oneof![Just(0), Just(ADDRESSED), Just(ROUTED), Just(ADDRESSED | ROUTED)],
        task in 1_u64..=2,
    ) {
        let mut memory = with_flags(flags);
        memory.settings.as_mut().unwrap().router_user = router_user;
        let may = flags & ADDRESSED != 0 || (flags & ROUTED != 0 && user == router_user);
        let pointed = called(&memory, &of_user(user), task);
        prop_assert_eq!(pointed.is_some(), may);
        prop_assert_eq!(memory.calls.borrow().is_empty(), !may, "left a trace");
    }
}

#[test]
fn a_node_lets_others_call_tasks_of_services_that_want_it_and_by_tcp_alone() {
    let here = with_flags(ROUTED);
    called(&here, &of_user(ROUTER), 2).unwrap();
    let (_, tunnelled) = leaves(&here, tcp([PROCESS, (THERE, PORT)], true));
    let mut far = far();
    far.backends.get_mut(&2).unwrap().flags &= !ADDRESSED;
    let unknown = Verdict::Drop(Reason::UnknownTask);
    assert_eq!(arrives(&far, tunnelled.clone()).0, unknown);
    assert!(far.flows.borrow().is_empty());
    // Whose process it was, its own node has looked at.
    far.backends.get_mut(&2).unwrap().flags |= ROUTED;
    let delivered = tcp([PROCESS, (FAR, PORT)], true);
    assert_eq!(arrives(&far, tunnelled), (Verdict::Bridge, delivered));
}

#[test]
fn datagrams_to_a_port_that_is_not_published_are_left_alone() {
    let memory = addressed();
    called(&memory, &socket(SOCKET, TCP), 2).unwrap();
    let mut bytes = Vec::new();
    PacketBuilder::ethernet2([3; 6], [2; 6])
        .ipv4(HERE.octets(), THERE.octets(), 64)
        .udp(40_000, PORT)
        .write(&mut bytes, b"?")
        .unwrap();
    assert_eq!(leaves(&memory, bytes.clone()), (Verdict::Pass, bytes));
}
