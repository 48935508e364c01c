//! Clients that may begin a flow, over TCP and UDP alike: those of the networks that a restriction names, and
//! nobody while the agent's lease has run out.

use std::net::{Ipv4Addr, SocketAddrV4};

use lb_abi::counters::Reason;
use lb_abi::service::{LOCAL, Port, RESTRICTED, SCHED_MAGLEV, Source};
use lb_abi::{Be16, Be32, TCP, UDP};
use lb_datapath::Verdict;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::uplink::uplink;

use crate::nodes::{FRONTEND, INGRESS, serving};
use crate::packets::{Body, Transport, segment};

/// Flags of TCP; none: a datagram.
type Kind = Option<u8>;

const OPENINGS: [Kind; 2] = [Some(0x02), None];

fn body(kind: Kind) -> Body {
    kind.map_or_else(|| Body::bare(Transport::Udp(true)), segment)
}

fn sent(memory: &Memory, from: [u8; 4], kind: Kind) -> Verdict {
    let from = SocketAddrV4::new(Ipv4Addr::from(from), 40_000);
    let mut frame = Frame::<true>::new(body(kind).frame(from, FRONTEND));
    uplink(&mut frame, memory)
}

/// Both protocols of the port are restricted, and only one of them lets 203.0.113.0/24 in.
fn restricted(proto: u8) -> Memory {
    let mut memory = serving(INGRESS, LOCAL, 2);
    for frontend in memory.frontends.values_mut() {
        frontend.flags = RESTRICTED;
    }
    let source = Source {
        port: Port::new(Be16::new(FRONTEND.port()), proto),
        address: Be32::from_bytes([203, 0, 113, 0]),
    };
    memory.allowed.insert((source, 24));
    memory
}

#[test]
fn a_restriction_is_one_of_a_port_and_a_protocol_and_holds_for_datagrams_too() {
    let (inside, outside) = ([203, 0, 113, 7], [203, 0, 114, 7]);
    for (kind, proto, other) in [(OPENINGS[0], TCP, UDP), (OPENINGS[1], UDP, TCP)] {
        let dropped = Verdict::Drop(Reason::NotAllowed);
        let memory = restricted(proto);
        assert_eq!(sent(&memory, inside, kind), Verdict::Bridge);
        for _ in 0..2 {
            assert_eq!(sent(&memory, outside, kind), dropped, "{kind:?}");
        }
        assert_eq!(memory.flows.borrow().len(), 1, "no flow of who may not");
        let memory = restricted(other);
        assert_eq!(sent(&memory, inside, kind), dropped, "another protocol's");
        assert!(memory.flows.borrow().is_empty());
    }
}

#[test]
fn the_middle_of_a_connection_by_hash_is_no_way_around_a_restriction() {
    let mut memory = restricted(TCP);
    for frontend in memory.frontends.values_mut() {
        frontend.scheduler = SCHED_MAGLEV;
    }
    let dropped = Verdict::Drop(Reason::NotAllowed);
    assert_eq!(sent(&memory, [203, 0, 114, 7], Some(0x10)), dropped);
    assert_eq!(sent(&memory, [203, 0, 113, 7], Some(0x10)), Verdict::Bridge);
}

#[test]
fn without_a_lease_nobody_begins_a_flow_and_who_has_one_keeps_it() {
    for kind in OPENINGS {
        let mut memory = serving(INGRESS, LOCAL, 2);
        assert_eq!(sent(&memory, [203, 0, 113, 7], kind), Verdict::Bridge);
        memory.expired = true;
        assert_eq!(sent(&memory, [203, 0, 113, 7], kind), Verdict::Bridge);
        assert_eq!(sent(&memory, [203, 0, 113, 8], kind), Verdict::Pass);
        assert_eq!(memory.flows.borrow().len(), 1);
    }
}

#[test]
fn a_syn_with_a_fin_opens_nothing() {
    // No client sends it; scanners do.
    let memory = serving(INGRESS, LOCAL, 1);
    for flags in [0x03, 0x06, 0x12] {
        assert_eq!(sent(&memory, [203, 0, 113, 7], Some(flags)), Verdict::Pass);
    }
    assert!(memory.flows.borrow().is_empty());
}
