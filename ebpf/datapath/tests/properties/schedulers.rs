//! Tasks of new flows where the round-robin counter does not decide alone: the less loaded of two tasks, and the
//! task that a client was with before.

use std::net::{Ipv4Addr, SocketAddrV4};

use lb_abi::service::{AffinityKey, AffinityValue, LOCAL, Port, SCHED_LC};
use lb_abi::{Be16, Be32, TCP};
use lb_datapath::model::{Frame, Memory};
use lb_datapath::uplink::uplink;

use crate::nodes::{FRONTEND, INGRESS, key, serving};
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
    let client = AffinityKey {
        port: Port::new(Be16::new(FRONTEND.port()), TCP),
        address: Be32::new(ADDRESS.into()),
    };
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
