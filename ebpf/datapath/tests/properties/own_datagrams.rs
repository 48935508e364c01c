//! Answers to datagrams that a node, or a container on it, sends from a published port: they are no client's.

use std::net::SocketAddrV4;

use lb_abi::service::LOCAL;
use lb_abi::{Be16, Be32};
use lb_datapath::egress::egress;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::own_flows::AWAITED;
use lb_datapath::uplink::uplink;
use lb_datapath::{Verdict, parse};
use proptest::prelude::*;

use crate::nodes::{FRONTEND, INGRESS, serving};
use crate::packets::{Body, Transport, client, segment, udp};

/// Where in a frame the IPv4 header has flags and offset.
const FRAGMENT: usize = 20;
/// A flow of UDP is over after so many ticks of silence.
const SILENCE: u32 = 170;

fn node() -> Memory {
    serving(INGRESS, LOCAL, 3)
}

fn datagram() -> Body {
    Body::bare(Transport::Udp(true))
}

/// The node sends, and it leaves as it is.
fn sends(memory: &Memory, body: &Body, from: SocketAddrV4, to: SocketAddrV4) {
    let bytes = body.frame(from, to);
    let mut frame = Frame::<true>::new(bytes.clone());
    assert_eq!(egress(&mut frame, memory), Verdict::Pass);
    assert!(frame.bytes == bytes, "changed");
}

/// What becomes of a frame: XDP decides, and tc about what XDP passes.
fn comes(memory: &Memory, bytes: &[u8]) -> Verdict {
    let mut frame = Frame::<false>::new(bytes.to_vec());
    assert_eq!(
        uplink(&mut frame, memory),
        Verdict::Pass,
        "no task elsewhere"
    );
    let mut frame = Frame::<true>::new(frame.bytes);
    let verdict = uplink(&mut frame, memory);
    assert!(verdict != Verdict::Pass || frame.bytes == bytes, "changed");
    verdict
}

fn answer(far: SocketAddrV4) -> Vec<u8> {
    datagram().frame(far, FRONTEND)
}

/// The task of the only flow.
fn task(memory: &Memory) -> u64 {
    let flows = memory.flows.borrow();
    assert_eq!(flows.len(), 1);
    flows.values().next().unwrap().task
}

proptest! {
    #[test]
    fn answers_to_the_nodes_own_datagrams_are_left_to_the_kernel(
        question in udp(),
        reply in udp(),
        far in client(),
        other in client(),
    ) {
        prop_assume!(far != other);
        let memory = node();
        for _ in 0..6 {
            sends(&memory, &question, FRONTEND, far);
            prop_assert_eq!(comes(&memory, &reply.frame(far, FRONTEND)), Verdict::Pass);
        }
        prop_assert!(memory.flows.borrow().is_empty());
        prop_assert!(memory.turns.borrow().values().all(|turn| *turn == 0));
        // Who was not asked is a client as ever.
        prop_assert_eq!(comes(&memory, &reply.frame(other, FRONTEND)), Verdict::Bridge);
        prop_assert_eq!(memory.flows.borrow().len(), 1);
    }

    #[test]
    fn an_answer_is_awaited_for_three_minutes_after_the_last_question(
        far in client(),
        started: u32,
        again in 0..AWAITED,
        waited in 0..2 * AWAITED,
    ) {
        let mut memory = node();
        memory.now = started;
        sends(&memory, &datagram(), FRONTEND, far);
        memory.now = memory.now.wrapping_add(again);
        // What comes does not begin the time anew.
        prop_assert_eq!(comes(&memory, &answer(far)), Verdict::Pass);
        sends(&memory, &datagram(), FRONTEND, far);
        prop_assert_eq!(memory.own_flows.borrow().len(), 1);
        for ticks in [waited / 2, waited - waited / 2] {
            memory.now = memory.now.wrapping_add(ticks);
            let awaited = memory.now.wrapping_sub(started.wrapping_add(again)) < AWAITED;
            let expected = if awaited { Verdict::Pass } else { Verdict::Bridge };
            prop_assert_eq!(comes(&memory, &answer(far)), expected);
        }
    }

    #[test]
    fn a_client_that_was_there_first_stays_one_until_its_flow_is_over(far in client(), quiet in 0..2 * SILENCE) {
        let mut memory = node();
        prop_assert_eq!(comes(&memory, &answer(far)), Verdict::Bridge);
        let first = task(&memory);
        memory.now = quiet;
        sends(&memory, &datagram(), FRONTEND, far);
        if quiet < SILENCE {
            prop_assert!(memory.own_flows.borrow().is_empty());
            prop_assert_eq!(comes(&memory, &answer(far)), Verdict::Bridge);
            prop_assert_eq!(task(&memory), first);
        } else {
            prop_assert_eq!(comes(&memory, &answer(far)), Verdict::Pass);
            prop_assert!(memory.flows.borrow().is_empty());
        }
    }
}

#[test]
fn a_client_that_the_kernel_got_once_holds_no_answer_up() {
    let far = SocketAddrV4::new([203, 0, 113, 7].into(), 5060);
    let mut memory = node();
    assert_eq!(comes(&memory, &answer(far)), Verdict::Bridge);
    // Its task goes, and a process of the host has the port for a while.
    let again = memory.clone();
    memory.backends.clear();
    for frontend in memory.frontends.values_mut() {
        frontend.count = 0;
    }
    assert_eq!(comes(&memory, &answer(far)), Verdict::Pass);
    sends(&memory, &datagram(), FRONTEND, far);
    memory.backends = again.backends;
    memory.frontends = again.frontends;
    assert_eq!(comes(&memory, &answer(far)), Verdict::Pass);
    memory.now += AWAITED;
    assert_eq!(comes(&memory, &answer(far)), Verdict::Bridge);
}

#[test]
fn only_what_leaves_a_published_port_of_the_node_by_udp_is_remembered() {
    let far = SocketAddrV4::new([203, 0, 113, 7].into(), 5060);
    let unpublished = SocketAddrV4::new(INGRESS, 81);
    let foreign = SocketAddrV4::new([198, 51, 100, 9].into(), FRONTEND.port());
    let remembers = |memory: &Memory, body: &Body, from| {
        sends(memory, body, from, far);
        !memory.own_flows.borrow().is_empty()
    };
    assert!(remembers(&node(), &datagram(), FRONTEND));
    assert!(!remembers(&node(), &datagram(), unpublished));
    assert!(!remembers(&node(), &datagram(), foreign));
    assert!(!remembers(&node(), &segment(0x02), FRONTEND), "TCP");
    // Without a lease, Swarm's own mesh answers its clients from there.
    let mut released = node();
    released.expired = true;
    assert!(!remembers(&released, &datagram(), FRONTEND));
    let mut unready = node();
    unready.settings = None;
    assert!(!remembers(&unready, &datagram(), FRONTEND));
}

#[test]
fn a_reply_that_a_program_sent_out_is_not_the_nodes_own() {
    let far = SocketAddrV4::new([203, 0, 113, 7].into(), 5060);
    let memory = node();
    let mut reply = Frame::<true>::new(datagram().frame(FRONTEND, far));
    reply.redirected = true;
    assert_eq!(egress(&mut reply, &memory), Verdict::Pass);
    assert!(memory.own_flows.borrow().is_empty());
    assert_eq!(comes(&memory, &answer(far)), Verdict::Bridge);
}

#[test]
fn all_fragments_of_an_answer_are_left_to_the_kernel() {
    let far = SocketAddrV4::new([203, 0, 113, 7].into(), 5060);
    let memory = node();
    sends(&memory, &datagram(), FRONTEND, far);
    let fragment = |place: [u8; 2]| {
        let mut bytes = answer(far);
        bytes[FRAGMENT..FRAGMENT + 2].copy_from_slice(&place);
        bytes
    };
    // "More fragments", and the one behind it.
    for place in [[0x20, 0], [0, 1]] {
        assert_eq!(comes(&memory, &fragment(place)), Verdict::Pass);
    }
    assert!(memory.flows.borrow().is_empty());
}

#[test]
fn another_nodes_answers_are_left_to_the_kernel_as_well() {
    let mut memory = node();
    let other = SocketAddrV4::new(crate::nodes::HOME, 53);
    sends(&memory, &datagram(), FRONTEND, other);
    assert_eq!(comes(&memory, &answer(other)), Verdict::Pass);
    // The key is the tuple that the answer bears.
    let tuple = *memory.own_flows.get_mut().keys().next().unwrap();
    let bears = parse::outer(&Frame::<true>::new(answer(other)), &memory);
    assert_eq!(tuple, bears.unwrap().tuple);
    assert_eq!(tuple.destination, Be32::new(INGRESS.into()));
    assert_eq!(tuple.destination_port, Be16::new(FRONTEND.port()));
}
