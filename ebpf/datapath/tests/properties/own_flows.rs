//! Whose a flow is that more than one node speaks of: what a client said to this node itself is this node's to decide, and
//! what it said to another one is that one's.

use std::net::{Ipv4Addr, SocketAddrV4};

use lb_abi::Be32;
use lb_abi::counters::Reason;
use lb_abi::flow::{FIN_IN, FIN_OUT, Flow};
use lb_abi::service::{Backend, LOCAL, REMOTE};
use lb_datapath::Verdict;
use lb_datapath::bridge::bridge;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::parse::outer;
use lb_datapath::tunnel::{Direction, enter};
use lb_datapath::uplink::uplink;

use crate::nodes::{HOME, INGRESS, key, serving, task};
use crate::packets::{Body, Transport, segment};

const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 7), 40_000);
/// Another node where clients come in.
const SECOND: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 3);
/// An address that all nodes answer on, as routers see fit.
const SHARED: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 99), 80);
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;
const OWN_FLOW: Verdict = Verdict::Drop(Reason::OwnFlow);

/// A node with two tasks at this place, which knows the other nodes.
fn node(address: Ipv4Addr, place: u32) -> Memory {
    let mut memory = serving(address, place, 2);
    memory.addresses.insert((*SHARED.ip()).into());
    let keys = memory.token_keys;
    memory.peers.insert(SECOND.into(), keys);
    memory
}

fn tc(memory: &Memory, bytes: Vec<u8>) -> Verdict {
    uplink(&mut Frame::<true>::new(bytes), memory)
}

/// A packet for task 0 out of the tunnel, which [`INGRESS`] has sent.
fn told(bytes: Vec<u8>, direction: Direction, to: Ipv4Addr) -> Vec<u8> {
    let by = node(INGRESS, REMOTE);
    let mut frame = Frame::<true>::new(bytes);
    let segment = outer(&frame, &by).unwrap();
    let settings = by.settings.unwrap();
    let to = Be32::new(to.into());
    assert!(enter(
        &mut frame,
        &by,
        &segment,
        &settings,
        to,
        direction,
        key(0)
    ));
    frame.bytes
}

fn to_task(body: &Body, from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    told(body.frame(from, to), Direction::ToTask, HOME)
}

fn only_flow(memory: &Memory) -> Flow {
    let flows = memory.flows.borrow();
    assert_eq!(flows.len(), 1);
    *flows.values().next().unwrap()
}

#[test]
fn no_other_node_says_where_a_client_of_this_node_goes_until_its_flow_is_over() {
    let datagram = Body::bare(Transport::Udp(true));
    // So many ticks without a datagram, of 1.07 s each.
    for (body, quiet, yields) in [
        (&segment(SYN), 0, false),
        (&segment(SYN), 1_000, false),
        (&datagram, 0, false),
        (&datagram, 169, false),
        (&datagram, 170, true),
    ] {
        let mut home = node(HOME, LOCAL);
        assert_eq!(tc(&home, body.frame(CLIENT, SHARED)), Verdict::Bridge);
        let own = only_flow(&home);
        home.now = quiet;
        let said = to_task(body, CLIENT, SHARED);
        let expected = if yields { Verdict::Bridge } else { OWN_FLOW };
        assert_eq!(tc(&home, said), expected, "after {quiet} ticks");
        assert_eq!(only_flow(&home) == own, !yields);
    }
    let mut home = node(HOME, LOCAL);
    tc(&home, segment(SYN).frame(CLIENT, SHARED));
    for flow in home.flows.get_mut().values_mut() {
        flow.state |= FIN_IN | FIN_OUT;
    }
    let said = to_task(&segment(SYN), CLIENT, SHARED);
    assert_eq!(tc(&home, said), Verdict::Bridge);
    assert!(only_flow(&home).came_from(Be32::new(INGRESS.into())));
}

#[test]
fn a_reset_in_a_clients_name_gives_its_flow_to_no_other_node() {
    // So many ticks after the client's last packet: for a minute its connection may go on.
    for (quiet, expected) in [(0, OWN_FLOW), (56, OWN_FLOW), (57, Verdict::Bridge)] {
        let mut home = node(HOME, LOCAL);
        tc(&home, segment(SYN).frame(CLIENT, SHARED));
        tc(&home, segment(RST).frame(CLIENT, SHARED));
        assert!(Flow::closed(only_flow(&home).state));
        home.now = quiet;
        let said = to_task(&segment(ACK), CLIENT, SHARED);
        assert_eq!(tc(&home, said), expected, "after {quiet} ticks");
        assert_eq!(only_flow(&home).came_here(), expected == OWN_FLOW);
    }
}

#[test]
fn the_middle_of_another_connection_takes_over_no_answers_of_one_that_lives() {
    let home = node(HOME, LOCAL);
    let called = SocketAddrV4::new(HOME, 80);
    assert_eq!(
        tc(&home, segment(SYN).frame(CLIENT, called)),
        Verdict::Bridge
    );
    let answers = || {
        let mut frame = Frame::<true>::new(segment(SYN | ACK).frame(task(0), CLIENT));
        (bridge(&mut frame, &home), frame.bytes)
    };
    let before = answers();
    assert_eq!(before.0, Verdict::Uplink);
    // One from the same port of the client, to another node, which goes on there: to the task both would be one.
    let said = to_task(&segment(ACK), CLIENT, SocketAddrV4::new(INGRESS, 80));
    assert_eq!(tc(&home, said), Verdict::Drop(Reason::NoPort));
    assert_eq!(answers(), before);
}

#[test]
fn what_was_said_to_a_third_node_is_that_nodes_and_not_the_senders() {
    let at = |address| SocketAddrV4::new(address, 80);
    for (called, expected) in [
        (at(INGRESS), Verdict::Bridge),
        (SHARED, Verdict::Bridge),
        (at(SECOND), OWN_FLOW),
    ] {
        let home = node(HOME, LOCAL);
        let said = to_task(&segment(SYN), CLIENT, called);
        assert_eq!(tc(&home, said), expected, "{called}");
        // A node speaks for itself, whatever it calls.
        let own = SocketAddrV4::new(INGRESS, 40_000);
        let said = to_task(&segment(SYN), own, called);
        assert_eq!(tc(&home, said), Verdict::Bridge, "{called}");
    }
}

#[test]
fn a_client_that_comes_to_this_node_itself_begins_again_what_another_node_told_of() {
    let home = node(HOME, LOCAL);
    assert_eq!(
        tc(&home, to_task(&segment(SYN), CLIENT, SHARED)),
        Verdict::Bridge
    );
    assert!(!only_flow(&home).came_here());
    // In the middle of a connection it begins nothing.
    assert_eq!(
        tc(&home, segment(ACK).frame(CLIENT, SHARED)),
        Verdict::Bridge
    );
    assert!(!only_flow(&home).came_here());
    assert_eq!(
        tc(&home, segment(SYN).frame(CLIENT, SHARED)),
        Verdict::Bridge
    );
    assert!(only_flow(&home).came_here());
    // What a node calls on its own and does not fit the tunnel comes without it, and goes on.
    let node_itself = SocketAddrV4::new(INGRESS, 40_000);
    let home = node(HOME, LOCAL);
    let datagram = Body::bare(Transport::Udp(true));
    assert_eq!(
        tc(&home, to_task(&datagram, node_itself, SHARED)),
        Verdict::Bridge
    );
    assert_eq!(
        tc(&home, datagram.frame(node_itself, SHARED)),
        Verdict::Bridge
    );
    assert!(!only_flow(&home).came_here());
}

#[test]
fn an_answer_is_that_of_the_node_to_which_the_flow_went_or_that_has_its_task_now() {
    let other = Be32::new(SECOND.into());
    let answers = |flow_to: Be32, task_at: Be32| {
        let mut asked = node(HOME, REMOTE);
        let to = Backend::new(task_at, REMOTE, 1);
        asked.backends.insert(key(0), to);
        let request = Frame::<true>::new(segment(SYN).frame(CLIENT, SHARED));
        let tuple = outer(&request, &asked).unwrap().tuple;
        let flow = Flow::away(key(0), flow_to, 0);
        asked.flows.get_mut().insert(tuple, flow);
        let answer = segment(SYN | ACK).frame(SHARED, CLIENT);
        tc(&asked, told(answer, Direction::ToClient, HOME))
    };
    let sender = Be32::new(INGRESS.into());
    let unknown = Verdict::Drop(Reason::UnknownTask);
    assert_eq!(answers(sender, sender), Verdict::Uplink);
    assert_eq!(
        answers(sender, other),
        Verdict::Uplink,
        "asked there before"
    );
    assert_eq!(answers(other, sender), Verdict::Uplink, "it moved");
    assert_eq!(answers(other, other), unknown);
}
