//! When a client is known to be there: until then its flow is one that anybody may have made, and stays
//! in the table that floods fill.

use std::net::{Ipv4Addr, SocketAddrV4};

use lb_abi::flow::{EMBRYONIC, FIN_IN, FIN_OUT, RESET};
use lb_abi::service::{DIRECT, LOCAL, REMOTE};
use lb_datapath::Verdict;
use lb_datapath::bridge::bridge;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::uplink::uplink;

use crate::nodes::{FRONTEND, INGRESS, serving, task};
use crate::packets::segment;

const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 7), 40_000);
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// Sends it, and says whether the flow is still one of nobody known.
fn opening_after(memory: &Memory, flags: u8) -> bool {
    let mut frame = Frame::<true>::new(segment(flags).frame(CLIENT, FRONTEND));
    assert!(matches!(
        uplink(&mut frame, memory),
        Verdict::Bridge | Verdict::Uplink
    ));
    let flows = memory.flows.borrow();
    flows.values().next().unwrap().state & EMBRYONIC != 0
}

fn answered(memory: &Memory) {
    let mut frame = Frame::<true>::new(segment(SYN | ACK).frame(task(0), CLIENT));
    assert_eq!(bridge(&mut frame, memory), Verdict::Uplink);
}

#[test]
fn a_client_is_known_once_it_goes_on_after_an_answer() {
    let memory = serving(INGRESS, LOCAL, 1);
    assert!(opening_after(&memory, SYN));
    assert!(opening_after(&memory, ACK), "nobody has answered");
    answered(&memory);
    assert!(opening_after(&memory, SYN), "a SYN is what anybody sends");
    let settled = |memory: &Memory| memory.replies.borrow().values().all(|way| way.opening == 0);
    assert!(!settled(&memory));
    assert!(!opening_after(&memory, ACK));
    assert!(
        settled(&memory),
        "nor does the way back take a flood's room"
    );
    // Where floods have pushed the flow out, its way back is still nobody's.
    memory.flows.borrow_mut().clear();
    assert!(opening_after(&memory, SYN));
    assert!(settled(&memory));
}

#[test]
fn on_the_ports_of_a_client_that_was_there_a_new_connection_takes_nobodys_room() {
    // It has the place of the one before, and floods' tables are not for it.
    let memory = serving(INGRESS, LOCAL, 1);
    opening_after(&memory, SYN);
    answered(&memory);
    opening_after(&memory, ACK);
    for (tuple, flow) in memory.flows.borrow_mut().iter_mut() {
        flow.state |= FIN_IN | FIN_OUT;
        assert_eq!(tuple.source_port.get(), CLIENT.port());
    }
    assert!(!opening_after(&memory, SYN));
    let state = memory.flows.borrow().values().next().unwrap().state;
    assert_eq!(state, 0, "nothing of the connection before");
}

#[test]
fn a_reset_proves_nothing() {
    let memory = serving(INGRESS, LOCAL, 1);
    opening_after(&memory, SYN);
    answered(&memory);
    assert!(opening_after(&memory, RST));
    assert!(opening_after(&memory, ACK), "after a reset neither");
    let state = memory.flows.borrow().values().next().unwrap().state;
    assert!(state & RESET != 0);
}

#[test]
fn where_answers_go_past_this_node_one_packet_after_the_syn_is_no_proof() {
    // Whoever floods in others' names could send two packets as well as one: it takes a third.
    let mut memory = serving(INGRESS, REMOTE, 1);
    for frontend in memory.frontends.values_mut() {
        frontend.flags = DIRECT;
    }
    assert!(opening_after(&memory, SYN));
    assert!(opening_after(&memory, ACK));
    assert!(!opening_after(&memory, ACK));
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
        let state = memory.flows.borrow().values().next().unwrap().state;
        assert_eq!(state & (FIN_IN | FIN_OUT), ended);
    }
}
