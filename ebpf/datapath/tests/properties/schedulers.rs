//! Tasks of new flows where the round-robin counter does not decide alone: the less loaded of two tasks, and the
//! task that a client was with before.

use std::net::{Ipv4Addr, SocketAddrV4};

use lb_abi::service::{AffinityKey, AffinityValue, LOCAL, SCHED_LC, SCHED_MAGLEV, SCHED_SH};
use lb_abi::{Be16, Be32};
use lb_datapath::bridge::bridge;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::schedule::mixed;
use lb_datapath::uplink::uplink;

use crate::nodes::{self, FRONTEND, INGRESS, key, serving};
use crate::packets::segment;

const ADDRESS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);

/// The task of a new connection from this port.
fn task(memory: &Memory, port: u16) -> u64 {
    let frame = segment(0x02).frame(SocketAddrV4::new(ADDRESS, port), FRONTEND);
    uplink(&mut Frame::<true>::new(frame), memory);
    let flows = memory.flows.borrow();
    let mut flows = flows.iter();
    let (_, flow) = flows
        .find(|(tuple, _)| tuple.source_port == Be16::new(port))
        .unwrap();
    flow.task
}

#[test]
fn of_two_tasks_the_one_with_fewer_flows_gets_the_next_one() {
    for (busy, idle) in [(0, 1), (1, 0)] {
        let mut memory = serving(INGRESS, LOCAL, 2);
        for frontend in memory.frontends.values_mut() {
            frontend.scheduler = SCHED_LC;
        }
        memory.loads = [(key(busy), 3), (key(idle), 0)]
            .into_iter()
            .collect::<std::collections::BTreeMap<_, _>>()
            .into();
        for port in 1000..1003 {
            assert_eq!(task(&memory, port), key(idle));
        }
        assert_eq!(memory.loads.borrow()[&key(idle)], 3, "each is counted");
    }
}

/// Two tasks; clients stay for 10 ticks.
fn keeping() -> Memory {
    let mut memory = serving(INGRESS, LOCAL, 2);
    for frontend in memory.frontends.values_mut() {
        frontend.affinity_ticks = 10;
    }
    memory
}

#[test]
fn a_client_stays_with_its_task_for_so_long_after_its_last_flow() {
    let mut memory = keeping();
    let first = task(&memory, 1000);
    for (n, now) in (1..).zip([3, 13, 23]) {
        memory.now = now;
        assert_eq!(task(&memory, 1000 + n), first, "10 ticks at the most");
    }
    memory.now = 34;
    assert_ne!(
        task(&memory, 2000),
        first,
        "11 ticks: it is the other's turn"
    );
}

#[test]
fn a_client_does_not_stay_with_a_task_that_takes_nothing_or_is_another_services() {
    let client = AffinityKey::new(1, Be32::new(ADDRESS.into()));
    for change in [
        |memory: &mut Memory| memory.backends.get_mut(&key(1)).unwrap().flags = 0,
        |memory: &mut Memory| memory.backends.get_mut(&key(1)).unwrap().service = 9,
        |memory: &mut Memory| {
            memory.backends.remove(&key(1));
        },
    ] {
        let mut memory = keeping();
        let kept = AffinityValue {
            task: key(1),
            since: 0,
            zero: 0,
        };
        memory.kept.get_mut().insert(client, kept);
        assert_eq!(task(&memory, 1000), key(1));
        memory.flows.get_mut().clear();
        change(&mut memory);
        memory.slots.values_mut().for_each(|task| *task = key(0));
        assert_eq!(task(&memory, 1001), key(0));
    }
}

#[test]
fn a_client_is_kept_for_good_once_it_has_gone_on_after_an_answer() {
    let client = SocketAddrV4::new(ADDRESS, 1000);
    let goes_on = |memory: &Memory| {
        let answer = segment(0x12).frame(nodes::task(0), client);
        bridge(&mut Frame::<true>::new(answer), memory);
        let ack = segment(0x10).frame(client, FRONTEND);
        uplink(&mut Frame::<true>::new(ack), memory);
        (memory.kept.borrow().len(), memory.keeping.borrow().len())
    };
    let mut memory = keeping();
    assert_eq!(task(&memory, 1000), key(0));
    assert_eq!(
        (memory.kept.borrow().len(), memory.keeping.borrow().len()),
        (0, 1)
    );
    memory.now = 5;
    assert_eq!(goes_on(&memory), (1, 0));
    let kept = *memory.kept.borrow().values().next().unwrap();
    assert_eq!((kept.task, kept.since), (key(0), 5));
    // Where nobody is kept, nobody is remembered.
    let memory = serving(INGRESS, LOCAL, 2);
    task(&memory, 1000);
    assert_eq!(goes_on(&memory), (0, 0));
}

#[test]
fn where_two_tasks_have_as_many_flows_the_turn_decides_and_one_task_alone_gets_all() {
    for (count, expected) in [(2, [0, 1, 0, 1]), (1, [0; 4])] {
        let mut memory = serving(INGRESS, LOCAL, count);
        for frontend in memory.frontends.values_mut() {
            frontend.scheduler = SCHED_LC;
        }
        *memory.loads.get_mut() = [(key(0), 0), (key(1), 0)].into();
        let got = [1000, 1001, 1002, 1003].map(|port| task(&memory, port));
        assert_eq!(got, expected.map(key));
    }
}

#[test]
fn by_hash_a_client_has_the_place_that_it_has_on_every_node_and_in_every_version() {
    // Places as an implementation apart from this one has them: agents of two versions meet in an update.
    let place = |scheduler, from: SocketAddrV4| {
        let mut memory = serving(INGRESS, LOCAL, 7);
        for frontend in memory.frontends.values_mut() {
            frontend.scheduler = scheduler;
        }
        let syn = segment(0x02).frame(from, FRONTEND);
        uplink(&mut Frame::<true>::new(syn), &memory);
        let flows = memory.flows.borrow();
        let task = flows.values().next().unwrap().task;
        (0..7).find(|n| key(*n) == task).unwrap()
    };
    let by_address = [1, 2, 3, 4, 5, 6, 7, 8].map(|last| {
        let from = Ipv4Addr::new(203, 0, 113, last);
        place(SCHED_SH, SocketAddrV4::new(from, 1000 + u16::from(last)))
    });
    assert_eq!(by_address, [1, 2, 1, 0, 3, 0, 0, 0]);
    let by_port = [1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007]
        .map(|port| place(SCHED_MAGLEV, SocketAddrV4::new(ADDRESS, port)));
    assert_eq!(by_port, [2, 4, 1, 2, 1, 3, 1, 0]);
}

/// The finalizer of SplitMix64: its first two numbers from the seed 0.
#[test]
fn hashes_are_those_of_splitmix64() {
    let golden = 0x9e37_79b9_7f4a_7c15_u64;
    assert_eq!(mixed(golden), 0xe220_a839_7b1d_cdaf);
    assert_eq!(mixed(golden.wrapping_mul(2)), 0x6e78_9e6a_a1b9_65f4);
}
