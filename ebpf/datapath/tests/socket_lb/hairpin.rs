//! Containers of the node that call a published port: the port that each is presented under, and when it
//! is another's. Two ports of one container that differ by its share of ports are tried alike, so that the
//! second call meets the first one's port.

use crate::node::{HERE, TASK, memory};
use etherparse::PacketBuilder;
use lb_abi::flow::{ANSWERED, EMBRYONIC, FIN_IN, FIN_OUT};
use lb_abi::{TCP, UDP};
use lb_datapath::Verdict;
use lb_datapath::bridge::bridge;
use lb_datapath::model::{Frame, Memory};
use std::net::Ipv4Addr;

const CONTAINER: Ipv4Addr = Ipv4Addr::new(172, 18, 0, 77);
/// A container's share of ports: the ports that it is presented under repeat with this.
const SHARE: u16 = 1024;

/// A node with task 1 alone, which is here.
fn alone(proto: u8) -> Memory {
    let mut memory = memory(proto);
    memory.slots.values_mut().for_each(|task| *task = 1);
    memory
}

/// The port under which the task sees a new flow from this port of the container.
fn shown(memory: &Memory, proto: u8, port: u16) -> u16 {
    let builder =
        PacketBuilder::ethernet2([2; 6], [3; 6]).ipv4(CONTAINER.octets(), HERE.octets(), 64);
    let mut bytes = Vec::new();
    if proto == TCP {
        let builder = builder.tcp(port, 8080, 1, 1000).syn();
        builder.write(&mut bytes, &[]).unwrap();
    } else {
        builder.udp(port, 8080).write(&mut bytes, b"?").unwrap();
    }
    let mut frame = Frame::<true>::new(bytes);
    assert_eq!(bridge(&mut frame, memory), Verdict::Bridge);
    assert_eq!(frame.bytes[26..30], HERE.octets(), "as this node");
    assert_eq!(frame.bytes[30..34], TASK.octets());
    u16::from_be_bytes([frame.bytes[34], frame.bytes[35]])
}

/// Sets the state of the flow that began at this port of the container.
fn state(memory: &mut Memory, port: u16, state: u32) {
    let flows = memory.flows.get_mut();
    let mut flows = flows.iter_mut();
    let (_, flow) = flows
        .find(|(tuple, _)| tuple.source_port.get() == port)
        .unwrap();
    flow.state = state;
}

/// Has the second flow, after so many seconds, the port of the first one, which is in this state by then?
fn given_on(proto: u8, first: u32, seconds: u64) -> bool {
    let mut memory = alone(proto);
    let was = shown(&memory, proto, 1000);
    assert!(was > 60_999, "above Linux' own ports: {was}");
    assert_eq!(shown(&memory, proto, 1000), was, "it keeps it");
    state(&mut memory, 1000, first);
    memory.now = lb_abi::flow::ticks(seconds * 1_000_000_000);
    shown(&memory, proto, 1000 + SHARE) == was
}

#[test]
fn a_connections_port_is_given_on_only_when_it_ended_and_the_task_has_forgotten_it() {
    let closed = FIN_IN | FIN_OUT | ANSWERED;
    assert!(!given_on(TCP, closed, 0));
    assert!(!given_on(TCP, closed, 60), "TIME-WAIT");
    assert!(given_on(TCP, closed, 63));
    for lives in [ANSWERED, EMBRYONIC, ANSWERED | FIN_IN] {
        assert!(!given_on(TCP, lives, 86_400), "{lives}");
    }
}

#[test]
fn a_datagrams_port_is_given_on_after_silence_and_sooner_after_a_single_question() {
    let stream = ANSWERED;
    assert!(!given_on(UDP, stream, 120));
    assert!(!given_on(UDP, stream, 180));
    assert!(given_on(UDP, stream, 185));
    let question = EMBRYONIC;
    assert!(!given_on(UDP, question, 29));
    assert!(given_on(UDP, question, 32));
}

#[test]
fn where_all_ports_ended_just_now_the_last_tries_take_one_of_them() {
    let mut memory = alone(TCP);
    let ports = (0..6).map(|n| 1000 + n * SHARE);
    let mut taken = Vec::new();
    for port in ports {
        let shown = shown(&memory, TCP, port);
        assert!(!taken.contains(&shown), "each has its own");
        taken.push(shown);
        state(&mut memory, port, FIN_IN | FIN_OUT);
    }
    let again = shown(&memory, TCP, 1000 + 6 * SHARE);
    assert_eq!(again, taken[5], "the first that is not to linger");
}
