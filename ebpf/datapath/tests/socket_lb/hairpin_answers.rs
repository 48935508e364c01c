//! Containers of the node that call a published port, and what they get: answers of a task here and of one elsewhere, in the
//! name of whom they called, and of nobody else.

use crate::node::{HERE, KEYS, TASK, THERE, be, memory};
use etherparse::PacketBuilder;
use lb_abi::counters::Reason;
use lb_abi::flow::{Flow, SnatEntry, Tuple};
use lb_abi::{Be16, TCP, UDP};
use lb_datapath::Verdict;
use lb_datapath::bridge::bridge;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::parse::outer;
use lb_datapath::tunnel::{Direction, INNER, OVERHEAD, Opened, Read, enter, open};
use lb_datapath::uplink::uplink;
use std::net::Ipv4Addr;

type Ends = [(Ipv4Addr, u16); 2];

const CALLER: (Ipv4Addr, u16) = (Ipv4Addr::new(172, 18, 0, 77), 1000);
const CALLED: (Ipv4Addr, u16) = (HERE, 8080);
/// The bridge that the caller is on.
const BRIDGE: u32 = 9;
const UNKNOWN: Verdict = Verdict::Drop(Reason::UnknownTask);

/// A node with this task alone: 1 is here, 2 on the other node.
fn alone(proto: u8, task: u64) -> Memory {
    let mut memory = memory(proto);
    memory.slots.values_mut().for_each(|place| *place = task);
    memory
}

/// A packet between these ends with so much payload. TCP without a SYN, or with one if there is no payload.
fn packet(proto: u8, [from, to]: Ends, payload: usize) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([3; 6], [2; 6]);
    let builder = builder.ipv4(from.0.octets(), to.0.octets(), 64);
    let mut bytes = Vec::new();
    let payload = vec![7; payload];
    if proto == UDP {
        builder
            .udp(from.1, to.1)
            .write(&mut bytes, &payload)
            .unwrap();
        return bytes;
    }
    let builder = builder.tcp(from.1, to.1, 1, 1000);
    let builder = if payload.is_empty() {
        builder.syn()
    } else {
        builder.ack(1)
    };
    builder.write(&mut bytes, &payload).unwrap();
    bytes
}

/// A container or a task on [`BRIDGE`] sends it.
fn sends(memory: &Memory, bytes: Vec<u8>) -> (Verdict, Vec<u8>) {
    let mut frame = Frame::<true> {
        link: BRIDGE,
        ..Frame::new(bytes)
    };
    (bridge(&mut frame, memory), frame.bytes)
}

/// The port under which the caller is presented.
fn shown(memory: &Memory) -> (Ipv4Addr, u16) {
    let callers = memory.callers.borrow();
    let port = callers.keys().next().unwrap().source_port;
    (HERE, port.get())
}

/// What the other node puts into the tunnel for this one.
fn from_there(bytes: Vec<u8>, task: u64) -> Vec<u8> {
    let mut there = memory(TCP);
    let settings = there.settings.as_mut().unwrap();
    settings.node = be(THERE);
    let settings = *settings;
    let mut frame = Frame::<true>::new(bytes);
    let segment = outer(&frame, &there).unwrap();
    let way = Direction::ToClient;
    assert!(enter(
        &mut frame,
        &there,
        &segment,
        &settings,
        be(HERE),
        way,
        task
    ));
    frame.bytes
}

fn traffic(memory: &Memory, task: u64) -> (u64, u64, u64) {
    let counters = memory.counters.borrow()[&task];
    (counters.new, counters.packets_in, counters.packets_out)
}

#[test]
fn a_container_is_answered_by_a_task_here_in_the_name_of_whom_it_called() {
    for proto in [TCP, UDP] {
        let memory = alone(proto, 1);
        let (verdict, sent) = sends(&memory, packet(proto, [CALLER, CALLED], 0));
        assert_eq!(verdict, Verdict::Bridge);
        let shown = shown(&memory);
        assert_eq!(sent, packet(proto, [shown, (TASK, 80)], 0));
        let answer = packet(proto, [(TASK, 80), shown], 30);
        let (verdict, got) = sends(&memory, answer.clone());
        assert_eq!(verdict, Verdict::Container(BRIDGE));
        assert_eq!(got, packet(proto, [CALLED, CALLER], 30));
        assert_eq!(traffic(&memory, 1), (1, 1, 1));
        // Of a task that the container did not call, it gets nothing.
        for flow in memory.flows.borrow_mut().values_mut() {
            flow.task = 2;
        }
        assert_eq!(sends(&memory, answer.clone()).0, UNKNOWN);
        memory.flows.borrow_mut().clear();
        assert_eq!(sends(&memory, answer.clone()).0, UNKNOWN, "no flow");
        memory.callers.borrow_mut().clear();
        assert_eq!(sends(&memory, answer).0, UNKNOWN, "no caller");
        assert_eq!(traffic(&memory, 1), (1, 1, 1), "nor is it counted");
    }
}

#[test]
fn a_caller_whose_entry_others_have_pushed_out_is_presented_under_the_same_port_again() {
    for proto in [TCP, UDP] {
        let memory = alone(proto, 1);
        sends(&memory, packet(proto, [CALLER, CALLED], 0));
        let before = shown(&memory);
        memory.callers.borrow_mut().clear();
        let (verdict, sent) = sends(&memory, packet(proto, [CALLER, CALLED], 30));
        assert_eq!(verdict, Verdict::Bridge);
        assert_eq!(sent, packet(proto, [before, (TASK, 80)], 30));
        let answer = packet(proto, [(TASK, 80), before], 30);
        assert_eq!(sends(&memory, answer).0, Verdict::Container(BRIDGE));
        // Another caller has the port by now: this one gets another one.
        let entry = memory.callers.borrow().values().next().copied();
        let other = SnatEntry {
            port: Be16::new(2000),
            ..entry.unwrap()
        };
        memory
            .callers
            .borrow_mut()
            .values_mut()
            .for_each(|caller| *caller = other);
        let taken = taken(&memory);
        memory.flows.borrow_mut().extend(taken);
        let (_, sent) = sends(&memory, packet(proto, [CALLER, CALLED], 30));
        assert_ne!(sent, packet(proto, [before, (TASK, 80)], 30));
    }
}

/// The flow of the caller's, as that of its port 2000.
fn taken(memory: &Memory) -> Option<(Tuple, Flow)> {
    let flows = memory.flows.borrow();
    let (tuple, flow) = flows.iter().next()?;
    let source_port = Be16::new(2000);
    Some((
        Tuple {
            source_port,
            ..*tuple
        },
        *flow,
    ))
}

#[test]
fn a_container_is_answered_by_a_task_elsewhere_through_the_tunnel() {
    for proto in [TCP, UDP] {
        let memory = alone(proto, 2);
        let (verdict, sent) = sends(&memory, packet(proto, [CALLER, CALLED], 0));
        assert_eq!(verdict, Verdict::Uplink);
        let shown = shown(&memory);
        let opened = Opened {
            sender: be(HERE),
            direction: Direction::ToTask,
            task: 2,
        };
        let frame = Frame::<true>::new(sent);
        assert_eq!(open(&frame, &KEYS), Read::Opened(opened));
        let inside = packet(proto, [shown, CALLED], 0);
        assert_eq!(frame.bytes[INNER..], inside[14..]);
        assert_eq!(frame.bytes[30..34], THERE.octets(), "to the task's node");

        let answer = from_there(packet(proto, [CALLED, shown], 30), 2);
        let mut xdp = Frame::<false>::new(answer.clone());
        assert_eq!(uplink(&mut xdp, &memory), Verdict::Pass, "tc's affair");
        assert_eq!(xdp.bytes, answer);
        let mut tc = Frame::<true>::new(answer);
        assert_eq!(uplink(&mut tc, &memory), Verdict::Container(BRIDGE));
        assert_eq!(tc.bytes, packet(proto, [CALLED, CALLER], 30));
        assert_eq!(traffic(&memory, 2), (1, 1, 1));

        // For another task the node does not speak, nor to a port that is no caller's.
        let aside = (shown.0, shown.1 ^ 1);
        for said in [
            from_there(packet(proto, [CALLED, shown], 30), 1),
            from_there(packet(proto, [CALLED, shown], 30), 77),
            from_there(packet(proto, [CALLED, aside], 30), 2),
        ] {
            let mut tc = Frame::<true>::new(said);
            assert_eq!(uplink(&mut tc, &memory), UNKNOWN);
        }
        assert_eq!(traffic(&memory, 2), (1, 1, 1));
    }
}

#[test]
fn a_container_whose_packet_does_not_fit_the_tunnel_is_told_by_its_node() {
    let memory = alone(UDP, 2);
    // 1500 less 56 of the tunnel and 28 of headers.
    let [fits, too_big] = [1416, 1417].map(|size| packet(UDP, [CALLER, CALLED], size));
    let (verdict, sent) = sends(&memory, fits.clone());
    assert_eq!(
        (verdict, sent.len()),
        (Verdict::Uplink, fits.len() + OVERHEAD)
    );
    let told = Verdict::TooBig(HERE.into());
    assert_eq!(sends(&memory, too_big.clone()), (told, too_big));
}

#[test]
fn what_a_container_sends_to_others_is_none_of_this_nodes_flows() {
    let memory = alone(TCP, 1);
    let before = memory.clone();
    for to in [(THERE, 8080), (HERE, 8081)] {
        let frame = packet(TCP, [CALLER, to], 0);
        assert_eq!(sends(&memory, frame.clone()), (Verdict::Pass, frame));
    }
    assert!(memory == before, "left a trace");
}
