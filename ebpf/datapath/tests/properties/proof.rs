//! When a client is known to be there: until then its flow is one that anybody may have made, and stays
//! in the table that floods fill.

use std::net::{Ipv4Addr, SocketAddrV4};

use lb_abi::flow::{EMBRYONIC, FIN_IN, FIN_OUT, Flow, Kind, RESET};
use lb_abi::service::{DIRECT, LOCAL, REMOTE, SCHED_MAGLEV};
use lb_abi::{TCP, UDP};
use lb_datapath::Verdict;
use lb_datapath::bridge::bridge;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::uplink::uplink;
use proptest::prelude::*;

use crate::nodes::{FRONTEND, INGRESS, pair, serving, task};
use crate::packets::{Body, Transport, segment};

const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 7), 40_000);
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// A client's segment that acknowledges `number`.
fn acknowledging(flags: u8, number: u32) -> Body {
    Body::bare(Transport::Tcp(flags, Vec::new(), number.wrapping_sub(1)))
}

/// A task's segment with this sequence number.
fn numbered(flags: u8, sequence: u32) -> Body {
    Body::bare(Transport::Tcp(flags, Vec::new(), sequence))
}

fn the_flow(memory: &Memory) -> Flow {
    *memory.flows.borrow().values().next().unwrap()
}

/// Sends a client's packet, and says whether the flow is still one of nobody known.
fn opening_with(memory: &Memory, body: &Body) -> bool {
    let mut frame = Frame::<true>::new(body.frame(CLIENT, FRONTEND));
    assert!(matches!(
        uplink(&mut frame, memory),
        Verdict::Bridge | Verdict::Uplink
    ));
    the_flow(memory).state & EMBRYONIC != 0
}

fn opening_after(memory: &Memory, flags: u8) -> bool {
    opening_with(memory, &segment(flags))
}

fn answers(memory: &Memory, body: &Body) {
    let mut frame = Frame::<true>::new(body.frame(task(0), CLIENT));
    assert_eq!(bridge(&mut frame, memory), Verdict::Uplink);
}

fn answered(memory: &Memory) {
    answers(memory, &segment(SYN | ACK));
}

/// Are all ways back settled?
fn settled(memory: &Memory) -> bool {
    memory.replies.borrow().values().all(|way| way.opening == 0)
}

/// A connection whose client is there.
fn connected() -> Memory {
    let memory = serving(INGRESS, LOCAL, 1);
    opening_after(&memory, SYN);
    answered(&memory);
    assert!(!opening_after(&memory, ACK));
    assert!(settled(&memory));
    memory
}

#[test]
fn a_client_is_known_once_it_goes_on_after_an_answer() {
    let memory = serving(INGRESS, LOCAL, 1);
    assert!(opening_after(&memory, SYN));
    assert!(opening_after(&memory, ACK), "nobody has answered");
    answered(&memory);
    assert!(opening_after(&memory, SYN), "a SYN is what anybody sends");
    assert!(!settled(&memory));
    assert!(!opening_after(&memory, ACK));
    assert!(
        settled(&memory),
        "nor does the way back take a flood's room"
    );
    let kind = |memory: &Memory| Flow::kind(TCP, the_flow(memory).state);
    assert_eq!(kind(&memory), Kind::Proved);
    // Where its flow has been pushed out, the way back of a new connection is nobody's either.
    memory.flows.borrow_mut().clear();
    assert!(opening_after(&memory, SYN));
    assert!(!settled(&memory));
}

proptest! {
    #[test]
    fn only_who_acknowledges_the_tasks_own_number_is_there(
        isn: u32, offset in prop_oneof![0u32..0x1_0000, 0x1_0000u32..0x1_0010, any::<u32>()],
    ) {
        let memory = serving(INGRESS, LOCAL, 1);
        opening_after(&memory, SYN);
        answers(&memory, &numbered(SYN | ACK, isn));
        let number = isn.wrapping_add(1).wrapping_add(offset);
        for flags in [SYN | ACK, RST | ACK, 0] {
            prop_assert!(opening_with(&memory, &acknowledging(flags, number)), "{flags:#x}");
        }
        prop_assert_eq!(opening_with(&memory, &acknowledging(ACK, number)), offset >= 0x1_0000);
        // Whoever had guessed wrong is no stranger to the right one's owner.
        answers(&memory, &numbered(SYN | ACK, isn));
        prop_assert!(!opening_with(&memory, &acknowledging(ACK, isn.wrapping_add(1))));
    }

    #[test]
    fn before_the_task_has_answered_no_number_is_right(number: u32) {
        let memory = serving(INGRESS, LOCAL, 1);
        opening_after(&memory, SYN);
        prop_assert!(opening_with(&memory, &acknowledging(ACK, number)));
        // The task's kernel resets what acknowledges a number that it did not send, with just that.
        answers(&memory, &numbered(RST, number));
        prop_assert!(opening_with(&memory, &acknowledging(ACK, number)));
    }
}

#[test]
fn each_node_on_the_way_judges_for_itself() {
    let (ingress, home) = pair();
    let opening = |memory: &Memory| the_flow(memory).state & EMBRYONIC != 0;
    let sends = |body: &Body| {
        let mut frame = Frame::<true>::new(body.frame(CLIENT, FRONTEND));
        assert_eq!(uplink(&mut frame, &ingress), Verdict::Uplink);
        assert_eq!(uplink(&mut frame, &home), Verdict::Bridge);
        (opening(&ingress), opening(&home))
    };
    assert_eq!(sends(&segment(SYN)), (true, true));
    let mut answer = Frame::<true>::new(numbered(SYN | ACK, 1000).frame(task(0), CLIENT));
    assert_eq!(bridge(&mut answer, &home), Verdict::Uplink);
    assert_eq!(uplink(&mut answer, &ingress), Verdict::Uplink);
    assert_eq!(sends(&acknowledging(ACK, 1000)), (true, true));
    assert_eq!(sends(&acknowledging(ACK, 1001)), (false, false));
    // And each of them sees its end.
    sends(&acknowledging(FIN | ACK, 1001));
    let mut answer = Frame::<true>::new(numbered(FIN | ACK, 1001).frame(task(0), CLIENT));
    assert_eq!(bridge(&mut answer, &home), Verdict::Uplink);
    assert_eq!(uplink(&mut answer, &ingress), Verdict::Uplink);
    assert_eq!((opening(&ingress), opening(&home)), (true, true));
    assert!(!settled(&home));
}

#[test]
fn a_connection_that_comes_another_way_from_its_middle_on_settles_by_what_the_task_says_then() {
    let mut memory = serving(INGRESS, LOCAL, 1);
    for frontend in memory.frontends.values_mut() {
        frontend.scheduler = SCHED_MAGLEV;
    }
    assert!(opening_with(&memory, &acknowledging(ACK, 5000)));
    answers(&memory, &numbered(ACK, 5000));
    assert!(opening_with(&memory, &acknowledging(ACK, 4000)));
    // Acknowledgements of what came before are behind that number, and those of a large answer far from it: the
    // task's next word counts anew a tick later.
    memory.now = 1;
    answers(&memory, &numbered(ACK, 900_000));
    memory.now = 2;
    answers(&memory, &numbered(ACK, 1_800_000));
    assert!(opening_with(&memory, &acknowledging(ACK, 900_000)));
    assert!(!opening_with(&memory, &acknowledging(ACK, 1_800_000)));
}

#[test]
fn a_closed_connection_takes_room_among_the_opening_ones_and_so_does_the_next_one_on_its_ports() {
    // Who sends the last word: the client, or the task.
    type Packets = &'static [(bool, u8)];
    let ends: [Packets; 4] = [
        &[(false, FIN | ACK), (true, FIN | ACK)],
        &[(true, FIN | ACK), (false, FIN | ACK)],
        &[(true, RST)],
        &[(false, RST)],
    ];
    for packets in ends {
        let memory = connected();
        for (number, (from_client, flags)) in packets.iter().enumerate() {
            if *from_client {
                opening_after(&memory, *flags);
            } else {
                answers(&memory, &segment(*flags));
            }
            let last = number + 1 == packets.len();
            let opening = the_flow(&memory).state & EMBRYONIC != 0;
            assert_eq!((opening, settled(&memory)), (last, !last), "{packets:?}");
        }
        assert!(Flow::closed(the_flow(&memory).state));
        // Its last words again, and their acknowledgement, find it and do not bring it back.
        if packets.len() == 2 {
            answers(&memory, &segment(FIN | ACK));
            assert!(opening_with(&memory, &acknowledging(ACK, 9)), "{packets:?}");
        }
        // A new connection on its ports has to prove its client, too.
        assert!(opening_after(&memory, SYN));
        let began = the_flow(&memory);
        assert_eq!(began.state, EMBRYONIC, "nothing of the connection before");
        answered(&memory);
        assert!(!opening_after(&memory, ACK));
        assert!(settled(&memory));
    }
}

#[test]
fn who_is_reset_in_his_name_has_his_place_again_once_he_and_his_task_go_on() {
    let mut memory = connected();
    assert!(opening_after(&memory, RST));
    assert!(!settled(&memory));
    // What the task has said before proves nothing any more, and no other's reset does.
    assert!(opening_after(&memory, ACK));
    memory.now = 1;
    answers(&memory, &numbered(ACK, 70_000));
    assert!(opening_with(&memory, &acknowledging(ACK, 60_000)));
    assert!(opening_with(&memory, &acknowledging(RST | ACK, 70_000)));
    assert!(!opening_with(&memory, &acknowledging(ACK, 70_000)));
    assert_eq!(the_flow(&memory).state & RESET, 0);
    assert!(settled(&memory));
}

#[test]
fn a_reset_proves_nothing() {
    let memory = serving(INGRESS, LOCAL, 1);
    opening_after(&memory, SYN);
    answered(&memory);
    assert!(opening_after(&memory, RST));
    let blind = acknowledging(ACK, 0x7000_0000);
    assert!(opening_with(&memory, &blind), "after a reset neither");
    assert!(the_flow(&memory).state & RESET != 0);
}

/// Lets 2.1 s pass, and less.
fn waits(memory: &mut Memory, long: bool) {
    (memory.now, memory.fraction) = (memory.now + 1, if long { 1023 } else { 1022 });
}

#[test]
fn datagrams_settle_when_they_go_on_both_ways_for_two_seconds() {
    let datagram = Body::bare(Transport::Udp(true));
    let mut memory = serving(INGRESS, LOCAL, 1);
    memory.fraction = 1023;
    assert!(opening_with(&memory, &datagram));
    memory.now = 2;
    memory.fraction = 1023;
    assert!(opening_with(&memory, &datagram), "nobody has answered");
    answers(&memory, &datagram);
    assert!(!opening_with(&memory, &datagram));
    assert!(settled(&memory));
    assert_eq!(Flow::kind(UDP, the_flow(&memory).state), Kind::Timed);
    // A question and its answer, as often as may be within that time.
    for long in [false, true] {
        let mut memory = serving(INGRESS, LOCAL, 1);
        memory.fraction = 1023;
        assert!(opening_with(&memory, &datagram));
        answers(&memory, &datagram);
        assert!(opening_with(&memory, &datagram));
        memory.now = 1;
        waits(&mut memory, long);
        assert_eq!(opening_with(&memory, &datagram), !long);
        assert_eq!(settled(&memory), long);
    }
}

/// A node where answers of its one task do not come by.
fn direct() -> Memory {
    let mut memory = serving(INGRESS, REMOTE, 1);
    for frontend in memory.frontends.values_mut() {
        frontend.flags = DIRECT;
    }
    memory
}

#[test]
fn where_answers_go_past_this_node_a_connection_settles_by_time() {
    // Whoever floods in others' names could send two packets as well as one: it takes a third, and 2 s.
    let mut memory = direct();
    assert!(opening_after(&memory, SYN));
    assert!(opening_after(&memory, ACK));
    assert!(opening_after(&memory, ACK));
    memory.now = 2;
    assert!(opening_after(&memory, RST | ACK));
    assert!(!opening_after(&memory, ACK));
    assert_eq!(Flow::kind(TCP, the_flow(&memory).state), Kind::Timed);
    // After a reset, which may be anybody's, it takes as long again.
    assert!(opening_after(&memory, RST));
    assert!(opening_after(&memory, ACK));
    memory.now = 4;
    assert!(!opening_after(&memory, ACK));
    assert!(opening_after(&memory, FIN | ACK), "its end is seen");
    memory.now = 8;
    assert!(opening_after(&memory, ACK));
}

#[test]
fn where_answers_go_past_this_node_the_client_ends_a_connection_for_both() {
    // Nobody sees the task's end of it here.
    for (flags, ended) in [(DIRECT, FIN_IN | FIN_OUT), (0, FIN_IN)] {
        let mut memory = serving(INGRESS, REMOTE, 1);
        for frontend in memory.frontends.values_mut() {
            frontend.flags = flags;
        }
        opening_after(&memory, SYN);
        opening_after(&memory, FIN | ACK);
        let state = the_flow(&memory).state;
        assert_eq!(state & (FIN_IN | FIN_OUT), ended);
    }
}

#[test]
fn an_own_task_proves_its_clients_also_where_others_answer_directly() {
    let mut memory = serving(INGRESS, LOCAL, 1);
    for frontend in memory.frontends.values_mut() {
        frontend.flags = DIRECT;
    }
    opening_after(&memory, SYN);
    memory.now = 9;
    assert!(opening_after(&memory, ACK));
    assert!(opening_after(&memory, ACK), "time is no proof");
    answered(&memory);
    assert!(!opening_after(&memory, ACK));
    assert_eq!(Flow::kind(TCP, the_flow(&memory).state), Kind::Proved);
    opening_after(&memory, FIN | ACK);
    assert_eq!(the_flow(&memory).state & FIN_OUT, 0, "it has not ended");
}
