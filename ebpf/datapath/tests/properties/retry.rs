//! A SYN that comes again because nobody has answered it: another task gets it, and what the first one answers
//! after all does not reach the client.

use std::net::{Ipv4Addr, SocketAddrV4};

use lb_abi::counters::Reason;
use lb_abi::service::{
    AffinityKey, DIRECT, LOCAL, Port, REMOTE, SCHED_LC, SCHED_MAGLEV, SCHED_RR, SCHED_SH, Slot,
};
use lb_abi::{Be16, Be32, TCP};
use lb_datapath::Verdict;
use lb_datapath::bridge::bridge;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::parse::outer;
use lb_datapath::tunnel::{Direction, enter};
use lb_datapath::uplink::uplink;
use proptest::prelude::*;

use crate::nodes::{FRONTEND, HOME, INGRESS, key, serving, task};
use crate::packets::segment;

const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 7), 40_000);
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
const LATE: Verdict = Verdict::Drop(Reason::LateAnswer);

/// Time that Linux waits for the answer to a first SYN, and to a second one, in milliseconds.
const FIRST: u64 = 1_000;
const SECOND: u64 = 3_000;

/// Brings the clock to so many milliseconds.
fn at(memory: &mut Memory, milliseconds: u64) {
    let units = u32::try_from((milliseconds * 1_000_000) >> 20).unwrap();
    (memory.now, memory.fraction) = (units >> 10, units & 1023);
}

/// The number of the flow's task, after a client's packet.
fn sent(memory: &Memory, flags: u8) -> u32 {
    let mut frame = Frame::<true>::new(segment(flags).frame(CLIENT, FRONTEND));
    assert!(matches!(
        uplink(&mut frame, memory),
        Verdict::Bridge | Verdict::Uplink
    ));
    let flows = memory.flows.borrow();
    assert_eq!(flows.len(), 1);
    let flow = flows.values().next().unwrap();
    (0..100).find(|n| key(*n) == flow.task).unwrap()
}

fn answer(memory: &Memory, n: u32) -> Verdict {
    let frame = segment(SYN | ACK).frame(task(n), CLIENT);
    bridge(&mut Frame::<true>::new(frame), memory)
}

/// What task `n` answers at another node, as it comes out of the tunnel.
fn answer_from_elsewhere(memory: &Memory, n: u32) -> Verdict {
    let home = serving(HOME, LOCAL, 2);
    let mut frame = Frame::<true>::new(segment(SYN | ACK).frame(FRONTEND, CLIENT));
    let inner = outer(&frame, &home).unwrap();
    let (settings, to) = (home.settings.unwrap(), Be32::new(INGRESS.into()));
    let way = Direction::ToClient;
    assert!(enter(&mut frame, &home, &inner, &settings, to, way, key(n)));
    uplink(&mut frame, memory)
}

fn with(place: u32, count: u32, scheduler: u16) -> Memory {
    let mut memory = serving(INGRESS, place, count);
    for frontend in memory.frontends.values_mut() {
        frontend.scheduler = scheduler;
    }
    memory
        .loads
        .get_mut()
        .extend((0..count).map(|n| (key(n), 0)));
    memory
}

proptest! {
    #[test]
    fn in_turn_a_syn_that_comes_again_gets_another_task_whatever_the_turn_is(
        count in 2u32..9, turn: u64, least in any::<bool>(), place in prop_oneof![Just(LOCAL), Just(REMOTE)],
    ) {
        let mut memory = with(place, count, if least { SCHED_LC } else { SCHED_RR });
        let first = sent(&memory, SYN);
        // Others have taken turns meanwhile.
        memory.turns.get_mut().values_mut().for_each(|next| *next = turn);
        at(&mut memory, 600);
        prop_assert_eq!(sent(&memory, SYN), first, "sooner than any client waits");
        at(&mut memory, FIRST);
        let second = sent(&memory, SYN);
        prop_assert_ne!(second, first);
        prop_assert_eq!(sent(&memory, SYN), second, "under tc, after XDP");
        at(&mut memory, SECOND);
        prop_assert_ne!(sent(&memory, SYN), second);
    }

    #[test]
    fn by_hash_it_stays_at_first_and_gets_another_task_then(
        count in 2u32..9, port in 1u16.., scheduler in prop_oneof![Just(SCHED_SH), Just(SCHED_MAGLEV)],
    ) {
        let mut memory = with(REMOTE, count, scheduler);
        let tcp = Port::new(Be16::new(FRONTEND.port()), TCP);
        // Tasks have many places, as in Maglev's tables.
        let places = 53;
        memory.frontends.get_mut(&tcp).unwrap().count = places;
        for index in 0..places {
            let slot = Slot { table: 1, index };
            memory.slots.insert(slot, key(u32::from(port).wrapping_mul(index + 7) % count));
        }
        memory.slots.insert(Slot { table: 1, index: 0 }, key(0));
        memory.slots.insert(Slot { table: 1, index: 1 }, key(1));
        for step in (0..places).step_by(10) {
            memory.slots.insert(Slot { table: 1, index: step }, key(0));
            memory.slots.insert(Slot { table: 1, index: (step + 1) % places }, key(1));
        }
        let first = sent(&memory, SYN);
        at(&mut memory, FIRST);
        prop_assert_eq!(sent(&memory, SYN), first, "other nodes must find it, too");
        at(&mut memory, SECOND);
        let second = sent(&memory, SYN);
        prop_assert_ne!(second, first);
        prop_assert_eq!(sent(&memory, ACK), second, "from then on");
    }
}

#[test]
fn who_is_kept_with_a_task_stays_at_first_and_is_kept_with_another_one_then() {
    let mut memory = with(LOCAL, 2, SCHED_RR);
    for frontend in memory.frontends.values_mut() {
        frontend.affinity_ticks = 1000;
    }
    let first = sent(&memory, SYN);
    at(&mut memory, FIRST);
    assert_eq!(sent(&memory, SYN), first);
    at(&mut memory, SECOND);
    let second = sent(&memory, SYN);
    assert_ne!(second, first);
    let service = memory.frontends.values().next().unwrap().service;
    let client = AffinityKey::new(service, Be32::new((*CLIENT.ip()).into()));
    assert_eq!(memory.keeping.borrow()[&client].task, key(second));
}

#[test]
fn once_it_is_answered_and_where_nobody_would_know_it_stays() {
    let mut memory = with(LOCAL, 2, SCHED_RR);
    let first = sent(&memory, SYN);
    assert_eq!(answer(&memory, first), Verdict::Uplink);
    at(&mut memory, SECOND);
    assert_eq!(sent(&memory, SYN), first, "its answer was lost on the way");

    let mut memory = with(REMOTE, 2, SCHED_RR);
    for frontend in memory.frontends.values_mut() {
        frontend.flags = DIRECT;
    }
    let first = sent(&memory, SYN);
    at(&mut memory, SECOND);
    assert_eq!(sent(&memory, SYN), first, "answers go past this node");

    let mut memory = with(LOCAL, 1, SCHED_RR);
    let first = sent(&memory, SYN);
    at(&mut memory, SECOND);
    assert_eq!(sent(&memory, SYN), first, "there is no other");
    assert_eq!(memory.counters.borrow()[&key(0)].new, 1);
}

#[test]
fn what_the_first_task_answers_late_reaches_nobody() {
    let mut memory = with(LOCAL, 2, SCHED_RR);
    let first = sent(&memory, SYN);
    at(&mut memory, FIRST);
    let second = sent(&memory, SYN);
    let before = memory.flows.borrow().clone();
    assert_eq!(answer(&memory, first), LATE);
    assert_eq!(*memory.flows.borrow(), before, "nor is it an answer");
    assert_eq!(answer(&memory, second), Verdict::Uplink);
    sent(&memory, ACK);
    assert_eq!(answer(&memory, first), LATE, "however late");

    let mut memory = with(REMOTE, 2, SCHED_RR);
    let first = sent(&memory, SYN);
    at(&mut memory, FIRST);
    let second = sent(&memory, SYN);
    assert_eq!(answer_from_elsewhere(&memory, first), LATE);
    assert_eq!(answer_from_elsewhere(&memory, second), Verdict::Uplink);
}

#[test]
fn two_tasks_of_one_node_that_is_told_of_both_do_not_both_answer() {
    let (mut ingress, home) = (with(REMOTE, 2, SCHED_RR), serving(HOME, LOCAL, 2));
    let tunnelled = |memory: &Memory| {
        let mut frame = Frame::<true>::new(segment(SYN).frame(CLIENT, FRONTEND));
        assert_eq!(uplink(&mut frame, memory), Verdict::Uplink);
        assert_eq!(uplink(&mut frame, &home), Verdict::Bridge);
    };
    tunnelled(&ingress);
    at(&mut ingress, FIRST);
    tunnelled(&ingress);
    assert_eq!(answer(&home, 0), LATE);
    assert_eq!(answer(&home, 1), Verdict::Uplink);
}

#[test]
fn a_task_that_has_been_given_up_may_still_answer_datagrams() {
    // Its client asked it, and has no other answer to that question.
    let mut memory = with(LOCAL, 2, SCHED_RR);
    let datagram = || crate::packets::Body::bare(crate::packets::Transport::Udp(true));
    let asks = |memory: &Memory| {
        let mut frame = Frame::<true>::new(datagram().frame(CLIENT, FRONTEND));
        assert_eq!(uplink(&mut frame, memory), Verdict::Bridge);
    };
    asks(&memory);
    let gone = memory.flows.borrow().values().next().unwrap().task;
    memory.backends.remove(&gone);
    memory.slots.values_mut().for_each(|task| {
        *task = if gone == key(0) { key(1) } else { key(0) };
    });
    asks(&memory);
    assert_ne!(memory.flows.borrow().values().next().unwrap().task, gone);
    let n = u32::from(gone == key(1));
    let mut answer = Frame::<true>::new(datagram().frame(task(n), CLIENT));
    assert_eq!(bridge(&mut answer, &memory), Verdict::Uplink);
}
