//! The ports under which clients of a task's own networks are presented: each flow has one that no other has at the
//! task, and where there is none the client is refused, and that counted.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};

use lb_abi::counters::Reason;
use lb_abi::flow::{ANSWERED, EMBRYONIC, Flow, RevNat, Tuple, UNDER_NODE};
use lb_abi::{Be16, Be32, TCP, UDP};
use lb_datapath::Verdict;
use lb_datapath::model::Memory;

use crate::nodes::{FRONTEND, INGRESS, key, task};
use crate::on_link::{ACK, CLIENT, FIN, OTHERS, SYN, here, shown, task_sends, tc};
use crate::packets::{Body, Transport, segment};

const NO_PORT: Verdict = Verdict::Drop(Reason::NoPort);

/// A client for each number, in the task's own network.
fn client(n: u16) -> SocketAddrV4 {
    let [high, low] = n.to_be_bytes();
    SocketAddrV4::new(Ipv4Addr::new(203, 1, high, low), CLIENT.port())
}

fn be(address: Ipv4Addr) -> Be32 {
    Be32::new(address.into())
}

/// Gives each port to a flow of another client, in this state.
fn fill(memory: &mut Memory, proto: u8, state: u32) {
    for port in OTHERS {
        let from = client(port);
        let own = Tuple {
            source: be(*from.ip()),
            destination: be(INGRESS),
            source_port: Be16::new(from.port()),
            destination_port: Be16::new(FRONTEND.port()),
            proto,
            zero: [0; 3],
        };
        let flow = Flow {
            state: state | UNDER_NODE,
            seen: memory.now,
            remapped_port: Be16::new(port),
            ..Flow::new(key(0), Be32::new(0))
        };
        memory.flows.get_mut().insert(own, flow);
        let back = Tuple {
            source: be(*task(0).ip()),
            destination: be(INGRESS),
            source_port: Be16::new(task(0).port()),
            destination_port: Be16::new(port),
            ..own
        };
        let reply = RevNat {
            task: key(0),
            frontend: own.destination,
            peer: Be32::new(0),
            client_address: own.source,
            port: own.destination_port,
            client: own.source_port,
            calls: 0,
            opening: 0,
            direct: 0,
            zero: [0; 5],
        };
        memory.replies.get_mut().insert(back, reply);
    }
}

#[test]
fn clients_with_one_port_are_presented_under_different_ones_and_each_gets_its_own_answer() {
    let memory = here();
    let shown: Vec<_> = (0..500)
        .map(|n| shown(&memory, &segment(SYN), client(n)))
        .collect();
    assert_eq!(shown.iter().collect::<BTreeSet<_>>().len(), 500);
    for (n, known) in (0..).zip(shown) {
        let answer = segment(SYN | ACK);
        let replied = task_sends(&memory, &answer.frame(task(0), known));
        let expected = answer.frame(FRONTEND, client(n));
        assert_eq!(replied, (Verdict::Uplink, expected));
    }
}

#[test]
fn where_every_port_has_a_connection_that_lives_the_next_one_is_refused_and_harms_none() {
    for (proto, request) in [(TCP, segment(SYN)), (UDP, Body::bare(Transport::Udp(true)))] {
        let mut memory = here();
        fill(&mut memory, proto, ANSWERED);
        let replies = memory.replies.borrow().clone();
        let sent = request.frame(CLIENT, FRONTEND);
        assert_eq!(tc(&memory, &sent).0, NO_PORT, "{proto}");
        assert_eq!(*memory.replies.borrow(), replies, "{proto}");
    }
}

#[test]
fn a_port_whose_client_has_not_proved_to_be_there_is_given_to_the_next_one() {
    for (proto, request) in [(TCP, segment(SYN)), (UDP, Body::bare(Transport::Udp(true)))] {
        let mut memory = here();
        fill(&mut memory, proto, ANSWERED | EMBRYONIC);
        let known = shown(&memory, &request, CLIENT);
        assert_eq!(*known.ip(), INGRESS, "{proto}");
    }
}

#[test]
fn connections_that_have_ended_take_no_port_from_new_ones() {
    let memory = here();
    // More of them than there are ports, and all at once.
    assert!(OTHERS.len() < 33_000);
    for n in 0..33_000 {
        let from = client(n);
        let known = shown(&memory, &segment(SYN), from);
        task_sends(&memory, &segment(SYN | ACK).frame(task(0), known));
        shown(&memory, &segment(FIN), from);
        task_sends(&memory, &segment(FIN).frame(task(0), known));
    }
}

#[test]
fn a_client_that_begins_anew_from_its_port_is_presented_under_the_same_one_again() {
    let memory = here();
    let mut known = BTreeSet::new();
    for _ in 0..10 {
        let at = shown(&memory, &segment(SYN), CLIENT);
        task_sends(&memory, &segment(SYN | ACK).frame(task(0), at));
        for flags in [ACK, FIN] {
            assert_eq!(shown(&memory, &segment(flags), CLIENT), at);
        }
        task_sends(&memory, &segment(FIN).frame(task(0), at));
        known.insert(at);
    }
    assert_eq!(known.len(), 1, "{known:?}");
}

#[test]
fn who_has_lost_its_port_to_another_client_does_not_take_it_back_in_the_midst_of_that_ones_connection()
 {
    let mut memory = here();
    let known = shown(&memory, &segment(SYN), CLIENT);
    task_sends(&memory, &segment(SYN | ACK).frame(task(0), known));
    shown(&memory, &segment(ACK), CLIENT);
    fill(&mut memory, TCP, ANSWERED);
    let sent = segment(ACK).frame(CLIENT, FRONTEND);
    assert_eq!(tc(&memory, &sent).0, NO_PORT);
    let answer = segment(ACK);
    let (_, replied) = task_sends(&memory, &answer.frame(task(0), known));
    assert_eq!(replied, answer.frame(FRONTEND, client(known.port())));
    // Nobody has it any more: it is the first one's again.
    memory
        .flows
        .get_mut()
        .retain(|tuple, _| tuple.source == be(*CLIENT.ip()));
    assert_eq!(shown(&memory, &segment(ACK), CLIENT), known);
}

#[test]
fn who_is_given_the_port_of_a_settled_connection_that_is_forgotten_gets_its_own_answers() {
    for (proto, request) in [(TCP, segment(SYN)), (UDP, Body::bare(Transport::Udp(true)))] {
        let mut memory = here();
        fill(&mut memory, proto, ANSWERED);
        // As when the table is full: what leads back from the task is left, among the settled ones.
        memory.flows.get_mut().clear();
        let known = shown(&memory, &request, CLIENT);
        let answer = match proto {
            TCP => segment(SYN | ACK),
            _ => request,
        };
        let replied = task_sends(&memory, &answer.frame(task(0), known));
        let expected = answer.frame(FRONTEND, CLIENT);
        assert_eq!(replied, (Verdict::Uplink, expected), "{proto}");
        assert!(memory.replies_lru.borrow().shadowed.is_empty(), "{proto}");
    }
}
