//! Clients of a task's own networks whose flows settle, close, or get another task: what the task sees of them stays.

use lb_abi::counters::Reason;
use lb_abi::flow::{EMBRYONIC, UNDER_GATEWAY, UNDER_NODE};
use lb_abi::service::LOCAL;
use lb_datapath::Verdict;
use lb_datapath::model::Memory;

use crate::nodes::{FRONTEND, INGRESS, serving, task};
use crate::on_link::{ACK, CLIENT, FIN, OTHERS, OWN, SYN, reaches, seen, shown, task_sends, tc};
use crate::packets::{Body, Transport, segment};

#[test]
fn datagrams_that_settle_stay_as_their_flow_began() {
    let mut memory = serving(INGRESS, LOCAL, 1);
    let datagram = Body::bare(Transport::Udp(true));
    assert_eq!(shown(&memory, &datagram, CLIENT), CLIENT);
    task_sends(&memory, &datagram.frame(task(0), CLIENT));
    reaches(&mut memory, 0, OWN, UNDER_NODE);
    memory.now += 3;
    assert_eq!(shown(&memory, &datagram, CLIENT), CLIENT);
    let flow = *memory.flows.borrow().values().next().unwrap();
    assert_eq!(flow.state & EMBRYONIC, 0, "it has settled");
}

#[test]
fn a_flow_keeps_its_address_and_port_in_each_table_that_it_moves_to() {
    for (datagrams, under) in [
        (false, UNDER_NODE),
        (false, UNDER_GATEWAY),
        (true, UNDER_NODE),
    ] {
        let mut memory = serving(INGRESS, LOCAL, 1);
        reaches(&mut memory, 0, OWN, under);
        let body = |flags| match datagrams {
            true => Body::bare(Transport::Udp(true)),
            false => segment(flags),
        };
        let known = shown(&memory, &body(SYN), CLIENT);
        // Whether the flow and its way back are settled.
        let stands = |memory: &Memory| {
            let (flows, replies) = (memory.flows.borrow(), memory.replies.borrow());
            assert_eq!((flows.len(), replies.len()), (1, 1));
            assert!(memory.flows_lru.borrow().shadowed.is_empty());
            assert!(memory.replies_lru.borrow().shadowed.is_empty());
            let flow = flows.values().next().unwrap();
            assert_eq!(flow.state & (UNDER_NODE | UNDER_GATEWAY), under);
            assert_eq!(flow.remapped_port.get(), known.port());
            let way = replies.values().next().unwrap();
            (flow.state & EMBRYONIC == 0, way.opening == 0)
        };
        let answered = |memory: &Memory, flags| {
            let replied = task_sends(memory, &body(flags).frame(task(0), known));
            assert_eq!(
                replied,
                (Verdict::Uplink, body(flags).frame(FRONTEND, CLIENT))
            );
        };
        assert_eq!(stands(&memory), (false, false));
        answered(&memory, SYN | ACK);
        memory.now += 3;
        assert_eq!(shown(&memory, &body(ACK), CLIENT), known);
        assert_eq!(stands(&memory), (true, true));
        answered(&memory, ACK);
        assert_eq!(shown(&memory, &body(FIN), CLIENT), known);
        answered(&memory, FIN);
        assert_eq!(stands(&memory), (datagrams, datagrams), "TCP is closed");
        assert_eq!(shown(&memory, &body(ACK), CLIENT), known, "its last word");
        answered(&memory, ACK);
        assert_eq!(stands(&memory), (datagrams, datagrams));
    }
}

#[test]
fn who_gets_another_task_for_its_syn_is_presented_to_that_and_answered_by_that_alone() {
    let mut memory = serving(INGRESS, LOCAL, 2);
    for n in 0..2 {
        reaches(&mut memory, n, OWN, UNDER_NODE);
    }
    let opens = |memory: &Memory| {
        let (verdict, frame) = tc(memory, &segment(SYN).frame(CLIENT, FRONTEND));
        assert_eq!(verdict, Verdict::Bridge);
        let n = (0..2).find(|n| frame[30..34] == task(*n).ip().octets());
        (n.unwrap(), seen(&frame))
    };
    let (first, shown_first) = opens(&memory);
    memory.now += 1;
    let (second, shown_second) = opens(&memory);
    assert_ne!(first, second);
    for known in [shown_first, shown_second] {
        assert_eq!(*known.ip(), INGRESS);
        assert!(OTHERS.contains(&known.port()), "{known}");
    }
    let answer = |n, known| task_sends(&memory, &segment(SYN | ACK).frame(task(n), known));
    let late = Verdict::Drop(Reason::LateAnswer);
    assert_eq!(answer(first, shown_first).0, late);
    let expected = segment(SYN | ACK).frame(FRONTEND, CLIENT);
    assert_eq!(answer(second, shown_second), (Verdict::Uplink, expected));
}
