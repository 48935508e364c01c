//! Packets of the host itself to another node's published port.

use crate::node::{HERE, KEYS, THERE, be, memory, socket};
use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};
use lb_abi::counters::Reason;
use lb_abi::flow::{ANSWERED, AWAY, EMBRYONIC, FIN_IN, FIN_OUT, Flow};
use lb_abi::service::LOCAL;
use lb_abi::{Be16, TCP, UDP};
use lb_datapath::Verdict;
use lb_datapath::egress::egress;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::socket_lb::{connect, mapped};
use lb_datapath::tunnel::{Direction, INNER, OVERHEAD, Read, open};
use std::net::Ipv4Addr;

/// The socket whose calls are task 2's.
const SOCKET: u64 = 5;
const ETHERNET: usize = 14;

/// The node after task 1 had its turn, and [`SOCKET`] was connected to task 2.
fn pointed(proto: u8) -> Memory {
    let memory = memory(proto);
    for cookie in [4, SOCKET] {
        let localhost = mapped(be(Ipv4Addr::LOCALHOST));
        connect(&memory, &socket(cookie, proto), localhost, Be16::new(8080)).unwrap();
    }
    memory
}

fn tcp(
    from: (Ipv4Addr, u16),
    to: (Ipv4Addr, u16),
    syn: bool,
    fin: bool,
    payload: usize,
) -> Vec<u8> {
    let mut builder = PacketBuilder::ethernet2([2; 6], [3; 6])
        .ipv4(from.0.octets(), to.0.octets(), 64)
        .tcp(from.1, to.1, 1, 1000);
    builder = if syn { builder.syn() } else { builder.ack(1) };
    if fin {
        builder = builder.fin();
    }
    if syn {
        builder = builder.options_raw(&[2, 4, 5, 0xb4]).unwrap();
    }
    let mut frame = Vec::new();
    builder.write(&mut frame, &vec![7; payload]).unwrap();
    frame
}

fn sent(memory: &Memory, frame: &[u8], socket: u64) -> (Verdict, Vec<u8>) {
    let mut frame = Frame::<true> {
        socket,
        ..Frame::new(frame.to_vec())
    };
    let verdict = egress(&mut frame, memory);
    (verdict, frame.bytes)
}

#[track_caller]
fn untouched(memory: &Memory, frame: &[u8], socket: u64) {
    let (verdict, after) = sent(memory, frame, socket);
    assert_eq!(verdict, Verdict::Pass);
    assert!(after == frame, "changed");
}

#[test]
fn a_connection_to_a_task_elsewhere_goes_through_the_tunnel_from_its_syn_on() {
    let memory = pointed(TCP);
    let (from, to) = ((HERE, 40_000), (THERE, 8080));
    let syn = tcp(from, to, true, false, 0);
    let ack = tcp(from, to, false, false, 100);
    let fin = tcp(from, to, false, true, 0);
    // The last ones are sent by the kernel, when the socket is gone.
    for (frame, socket) in [(&syn, SOCKET), (&ack, SOCKET), (&fin, SOCKET), (&ack, 0)] {
        let (verdict, after) = sent(&memory, frame, socket);
        assert_eq!(verdict, Verdict::Pass);
        assert_eq!(after.len(), frame.len() + OVERHEAD);
        assert_eq!(after[..ETHERNET], frame[..ETHERNET], "the next hop");
        let Read::Opened(opened) = open(&Frame::<true>::new(after.clone()), &KEYS) else {
            panic!("not to be opened")
        };
        assert_eq!(
            (opened.sender, opened.direction, opened.task),
            (be(HERE), Direction::ToTask, 2)
        );
        let outer = SlicedPacket::from_ethernet(&after).unwrap();
        let Some(TransportSlice::Udp(udp)) = outer.transport else {
            panic!("not in the tunnel")
        };
        assert_eq!(udp.destination_port(), 6081);
        if frame != &syn {
            assert_eq!(after[INNER..], frame[ETHERNET..], "the packet itself");
        }
    }
    let counted = memory.counters.borrow()[&2];
    assert_eq!((counted.new, counted.packets_in), (1, 4));
    let lengths: usize = [&syn, &ack, &fin, &ack]
        .map(|f| f.len() - ETHERNET)
        .iter()
        .sum();
    assert_eq!(counted.bytes_in, lengths as u64);
}

#[test]
fn the_syn_announces_what_the_tunnel_can_carry() {
    let memory = pointed(TCP);
    let syn = tcp((HERE, 40_000), (THERE, 8080), true, false, 0);
    let (_, after) = sent(&memory, &syn, SOCKET);
    let inner = SlicedPacket::from_ip(&after[INNER..]).unwrap();
    let Some(TransportSlice::Tcp(tcp)) = inner.transport else {
        panic!("no TCP inside")
    };
    assert_eq!(tcp.options(), [2, 4, 0x05, 0x7c]); // 1500 less 56 and 40
    let right = tcp
        .calc_checksum_ipv4(HERE.octets(), THERE.octets())
        .unwrap();
    assert_eq!(tcp.checksum(), right);
}

#[test]
fn calls_that_nobody_pointed_there_are_left_to_the_other_node() {
    let memory = pointed(TCP);
    let before = memory.clone();
    let to = (THERE, 8080);
    for socket in [0, 4, 99] {
        untouched(&memory, &tcp((HERE, 40_000), to, true, false, 0), socket);
        untouched(&memory, &tcp((HERE, 40_000), to, false, false, 9), socket);
    }
    for (from, to) in [
        ((HERE, 40_000), (THERE, 8081)),
        ((HERE, 40_000), (Ipv4Addr::new(10, 0, 0, 3), 8080)),
        ((Ipv4Addr::new(172, 18, 0, 1), 40_000), (THERE, 8080)),
    ] {
        untouched(&memory, &tcp(from, to, true, false, 0), SOCKET);
    }
    assert!(memory == before, "left a trace");
}

#[test]
fn a_new_connection_on_the_same_ports_is_not_the_old_one() {
    let memory = pointed(TCP);
    let (from, to) = ((HERE, 40_000), (THERE, 8080));
    sent(&memory, &tcp(from, to, true, false, 0), SOCKET);
    untouched(&memory, &tcp(from, to, true, false, 0), 99);
}

#[test]
fn a_socket_on_an_old_ones_ports_calls_its_own_task() {
    // Sockets 5 and 6 were pointed at tasks 2 and 3 of the same node, and have one port after another.
    let mut memory = pointed(TCP);
    let second = memory.backends[&2];
    memory.backends.insert(3, second);
    memory.slots.values_mut().for_each(|task| *task = 3);
    let localhost = mapped(be(Ipv4Addr::LOCALHOST));
    connect(&memory, &socket(6, TCP), localhost, Be16::new(8080)).unwrap();
    let syn = tcp((HERE, 40_000), (THERE, 8080), true, false, 0);
    let flow = |memory: &Memory| *memory.flows.borrow().values().next().unwrap();
    for (socket, task) in [(SOCKET, 2), (6, 3), (SOCKET, 2)] {
        let (_, after) = sent(&memory, &syn, socket);
        let Read::Opened(opened) = open(&Frame::<true>::new(after), &KEYS) else {
            panic!("not to be opened")
        };
        // Both what the packet says and what answers are compared with.
        assert_eq!((opened.task, flow(&memory).task), (task, task));
    }
    // Of the same task, too: nothing of the connection before is left.
    memory.flows.get_mut().values_mut().next().unwrap().state = FIN_IN | FIN_OUT | ANSWERED;
    sent(&memory, &syn, SOCKET);
    assert_eq!(flow(&memory).state, EMBRYONIC | AWAY);
}

#[test]
fn a_node_whose_keys_are_not_known_gets_calls_as_anybody_sends_them() {
    let mut memory = pointed(TCP);
    memory.peers.clear();
    let syn = tcp((HERE, 40_000), (THERE, 8080), true, false, 0);
    untouched(&memory, &syn, SOCKET);
}

#[test]
fn what_does_not_fit_the_tunnel_goes_as_it_is() {
    let memory = pointed(TCP);
    let (from, to) = ((HERE, 40_000), (THERE, 8080));
    let fits = 1500 - OVERHEAD - 40;
    let (_, after) = sent(&memory, &tcp(from, to, false, false, fits), SOCKET);
    assert_eq!(after.len(), ETHERNET + 1500);
    untouched(&memory, &tcp(from, to, false, false, fits + 1), SOCKET);
}

fn datagram(from: u16) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2; 6], [3; 6])
        .ipv4(HERE.octets(), THERE.octets(), 64)
        .udp(from, 8080)
        .write(&mut frame, b"question")
        .unwrap();
    frame
}

#[test]
fn datagrams_are_a_flow_from_the_first_that_leaves() {
    let mut memory = pointed(UDP);
    let counted = |memory: &Memory| {
        let counted = memory.counters.borrow()[&2];
        (counted.new, counted.packets_in)
    };
    assert_eq!(counted(&memory), (0, 0), "connected, and nothing sent");
    for packets in 1..=3 {
        sent(&memory, &datagram(40_000), SOCKET);
        assert_eq!(counted(&memory), (1, packets));
    }
    // Any process may open as many as it likes: until something answers, they take nobody's room.
    let opening = |flow: &Flow| flow.state & EMBRYONIC != 0;
    assert!(memory.flows.borrow().values().all(opening));
    for flow in memory.flows.get_mut().values_mut() {
        flow.state |= ANSWERED;
    }
    sent(&memory, &datagram(40_000), SOCKET);
    assert!(memory.flows.borrow().values().all(opening), "a question");
    memory.now += 3;
    sent(&memory, &datagram(40_000), SOCKET);
    assert!(!memory.flows.borrow().values().any(opening), "it goes on");
}

#[test]
fn a_task_that_is_gone_is_left_to_its_node() {
    let mut memory = pointed(UDP);
    let frame = datagram(40_000);
    assert_eq!(
        sent(&memory, &frame, SOCKET).1.len(),
        frame.len() + OVERHEAD
    );
    memory.backends.remove(&2);
    untouched(&memory, &frame, SOCKET);
}

#[test]
fn into_the_tunnel_goes_what_this_node_made_and_nothing_of_others() {
    let memory = pointed(TCP);
    let syn = tcp((HERE, 40_000), (THERE, 8080), true, false, 0);
    let (_, made) = sent(&memory, &syn, SOCKET);
    untouched(&memory, &made, 0);
    // Somebody has changed it, or written one: it is not for a node then, or it is dropped and counted.
    let to = |address: Ipv4Addr| {
        let mut frame = made.clone();
        frame[INNER + 12] ^= 1;
        frame[30..34].copy_from_slice(&address.octets());
        frame
    };
    let (verdict, _) = sent(&memory, &to(THERE), 0);
    assert_eq!(verdict, Verdict::Drop(Reason::NotOurs));
    untouched(&memory, &to(Ipv4Addr::new(10, 0, 0, 3)), 0);
}

#[test]
fn a_call_is_left_to_the_other_node_unless_its_task_is_known_to_be_there() {
    let memory = pointed(TCP);
    let syn = tcp((HERE, 40_000), (THERE, 8080), true, false, 0);
    for change in [
        |memory: &mut Memory| memory.settings = None,
        |memory: &mut Memory| memory.addresses.clear(),
        |memory: &mut Memory| memory.backends.get_mut(&2).unwrap().address = be(HERE),
        |memory: &mut Memory| memory.backends.get_mut(&2).unwrap().locality = LOCAL,
    ] {
        let mut memory = memory.clone();
        change(&mut memory);
        untouched(&memory, &syn, SOCKET);
    }
}
