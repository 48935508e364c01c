//! Two flows from one port of a client that meet at one task: for how long the later one needs another
//! port. The times are those of Linux' tables, in seconds, and not of the constants that are to match them.

use std::net::{Ipv4Addr, SocketAddrV4};

use lb_abi::Be16;
use lb_abi::service::{LOCAL, Port};
use lb_abi::{TCP, UDP};
use lb_datapath::Verdict;
use lb_datapath::bridge::bridge;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::uplink::uplink;

use crate::nodes::{FRONTEND, INGRESS, serving, task};
use crate::packets::{Body, Transport, segment};

const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 7), 40_000);
/// A second published port of the same service.
const OTHER: SocketAddrV4 = SocketAddrV4::new(INGRESS, 81);

/// One task behind both ports.
fn memory() -> Memory {
    let mut memory = serving(INGRESS, LOCAL, 1);
    for proto in [TCP, UDP] {
        let at = |frontend: SocketAddrV4| Port::new(Be16::new(frontend.port()), proto);
        let same = memory.frontends[&at(FRONTEND)];
        let port = at(OTHER);
        memory.frontends.insert(port, same);
        memory.turns.get_mut().insert(port, 0);
    }
    memory
}

/// Ports that clients have no sockets on by themselves.
const OTHERS: std::ops::Range<u16> = 1_024..32_768;

const SYN: u8 = 0x02;
const FIN: u8 = 0x11;
const ACK: u8 = 0x10;

/// Sends a client's packet, and says from which port the task sees it come.
fn seen(memory: &Memory, body: &Body, to: SocketAddrV4) -> u16 {
    let mut frame = Frame::<true>::new(body.frame(CLIENT, to));
    assert_eq!(uplink(&mut frame, memory), Verdict::Bridge);
    u16::from_be_bytes([frame.bytes[34], frame.bytes[35]])
}

fn answers(memory: &Memory, body: &Body) {
    let mut frame = Frame::<true>::new(body.frame(task(0), CLIENT));
    assert_eq!(bridge(&mut frame, memory), Verdict::Uplink);
}

/// The clock after so many seconds: ticks of 2^30 ns that have begun.
fn after(memory: &mut Memory, seconds: u64) {
    memory.now = lb_abi::flow::ticks(seconds * 1_000_000_000) + 1;
}

/// Port of a flow to [`OTHER`] at the task, so many seconds after `before` was sent to [`FRONTEND`].
fn later(before: impl Fn(&Memory), body: &Body, seconds: u64) -> u16 {
    let mut memory = memory();
    before(&memory);
    after(&mut memory, seconds);
    seen(&memory, body, OTHER)
}

#[test]
fn a_port_is_taken_for_as_long_as_the_tasks_kernel_remembers_the_connection_before() {
    // TIME-WAIT is 60 s.
    let over = |memory: &Memory| {
        assert_eq!(seen(memory, &segment(SYN), FRONTEND), CLIENT.port());
        answers(memory, &segment(SYN | ACK));
        seen(memory, &segment(FIN), FRONTEND);
        answers(memory, &segment(FIN));
    };
    for seconds in [0, 30, 59] {
        let port = later(over, &segment(SYN), seconds);
        assert!(OTHERS.contains(&port), "{port} after {seconds} s");
    }
    assert_eq!(later(over, &segment(SYN), 63), CLIENT.port());
}

#[test]
fn a_connection_that_was_answered_has_its_port_until_it_ends_and_an_unanswered_one_does_not() {
    let answered = |memory: &Memory| {
        seen(memory, &segment(SYN), FRONTEND);
        answers(memory, &segment(SYN | ACK));
    };
    let silent = |memory: &Memory| {
        seen(memory, &segment(SYN), FRONTEND);
    };
    let day = 86_400;
    assert!(OTHERS.contains(&later(answered, &segment(SYN), day)));
    assert!(OTHERS.contains(&later(silent, &segment(SYN), 0)));
    assert_eq!(later(silent, &segment(SYN), 63), CLIENT.port());
    // Whose reset ended it is forgotten by the task's kernel at once.
    let reset = |memory: &Memory| {
        answered(memory);
        seen(memory, &segment(0x04), FRONTEND);
    };
    assert_eq!(later(reset, &segment(SYN), 0), CLIENT.port());
}

#[test]
fn datagrams_have_their_port_for_as_long_as_linux_tracks_a_stream_of_them_and_longer() {
    let datagram = Body::bare(Transport::Udp(true));
    let before = |memory: &Memory| {
        seen(memory, &Body::bare(Transport::Udp(true)), FRONTEND);
    };
    // `nf_conntrack_udp_timeout_stream` is 120 s.
    for seconds in [0, 60, 120, 179] {
        let port = later(before, &datagram, seconds);
        assert!(OTHERS.contains(&port), "{port} after {seconds} s");
    }
    assert_eq!(later(before, &datagram, 185), CLIENT.port());
}

#[test]
fn a_flow_keeps_its_other_port_and_its_way_back_has_the_flows_own_room() {
    let mut memory = memory();
    // The flow of the second port is a known client's; what leads back from the task is forgotten, as when
    // the table is full, and the first port's flow takes its place.
    seen(&memory, &segment(SYN), OTHER);
    answers(&memory, &segment(SYN | ACK));
    seen(&memory, &segment(ACK), OTHER);
    memory.replies.get_mut().clear();
    assert_eq!(seen(&memory, &segment(SYN), FRONTEND), CLIENT.port());
    let opening = |memory: &Memory, port: u16| {
        let replies = memory.replies.borrow();
        let mut ways = replies.iter();
        let (_, way) = ways
            .find(|(tuple, _)| tuple.destination_port.get() == port)
            .unwrap();
        way.opening
    };
    let port = seen(&memory, &segment(SYN), OTHER);
    assert!(OTHERS.contains(&port), "{port}");
    assert_eq!(opening(&memory, port), 0, "a known client's");
    for flags in [ACK, ACK | 0x08, FIN] {
        assert_eq!(seen(&memory, &segment(flags), OTHER), port);
    }

    let memory = self::memory();
    seen(&memory, &segment(SYN), FRONTEND);
    let port = seen(&memory, &segment(SYN), OTHER);
    assert_eq!(opening(&memory, port), 1, "anybody's");
    assert_eq!(seen(&memory, &segment(ACK), OTHER), port);
}
