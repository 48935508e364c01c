//! Settled flows that end where others than their two ends see it: as their task is gone, or as a container called.

use std::net::{Ipv4Addr, SocketAddrV4};

use lb_abi::flow::EMBRYONIC;
use lb_abi::service::LOCAL;
use lb_datapath::Verdict;
use lb_datapath::bridge::bridge;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::uplink::uplink;

use crate::nodes::{FRONTEND, INGRESS, key, serving, task};
use crate::packets::segment;

const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 7), 40_000);
const CALLER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(172, 19, 0, 9), 40_000);
const FIN: u8 = 0x11;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// The number of the flow's task, and whether flow and way back are opening.
fn standing(memory: &Memory) -> (u64, bool, bool) {
    let (flows, replies) = (memory.flows.borrow(), memory.replies.borrow());
    let flow = flows.values().next().unwrap();
    let opening = replies.values().any(|way| way.opening != 0);
    (flow.task, flow.state & EMBRYONIC != 0, opening)
}

#[test]
fn a_new_connection_on_the_ports_of_one_whose_task_is_gone_is_the_one_that_is_found() {
    let mut memory = serving(INGRESS, LOCAL, 2);
    let says = |memory: &Memory, flags| {
        let mut frame = Frame::<true>::new(segment(flags).frame(CLIENT, FRONTEND));
        assert_eq!(uplink(&mut frame, memory), Verdict::Bridge);
    };
    says(&memory, SYN);
    let answer = segment(SYN | ACK).frame(task(0), CLIENT);
    bridge(&mut Frame::<true>::new(answer), &memory);
    says(&memory, ACK);
    assert_eq!(standing(&memory), (key(0), false, false));
    memory.backends.remove(&key(0));
    says(&memory, SYN);
    let (task, opening, _) = standing(&memory);
    assert_eq!((task, opening), (key(1), true));
    assert!(memory.flows_lru.borrow().shadowed.is_empty());
}

#[test]
fn the_end_of_a_containers_call_is_seen_at_both_of_its_ends() {
    // The last word is the task's.
    for last in [FIN, RST] {
        let memory = serving(INGRESS, LOCAL, 1);
        let says = |flags| {
            let mut frame = Frame::<true>::new(segment(flags).frame(CALLER, FRONTEND));
            assert_eq!(bridge(&mut frame, &memory), Verdict::Bridge);
        };
        let hears = |flags| {
            let presented = memory.flows.borrow().values().next().unwrap().port.get();
            let to = SocketAddrV4::new(INGRESS, presented);
            let mut frame = Frame::<true>::new(segment(flags).frame(task(0), to));
            assert_ne!(bridge(&mut frame, &memory), Verdict::Pass);
        };
        says(SYN);
        hears(SYN | ACK);
        says(ACK);
        assert_eq!(standing(&memory), (key(0), false, false));
        says(FIN);
        assert_eq!(standing(&memory), (key(0), false, false));
        hears(last);
        assert_eq!(standing(&memory), (key(0), true, true));
    }
}
