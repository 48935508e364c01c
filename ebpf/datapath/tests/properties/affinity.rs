//! Affinity is a service's: a client has one task for all ports of the service, by TCP and by UDP.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddrV4};

use lb_abi::flow::Tuple;
use lb_abi::service::{Backend, Frontend, LOCAL, Port, Slot};
use lb_abi::{Be16, Be32, TCP, UDP};
use lb_datapath::bridge::bridge;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::uplink::uplink;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::nodes::{self, FRONTEND, INGRESS, key, serving};
use crate::packets::{Body, Transport, segment};

/// Published ports of one service, and one of another.
const OURS: [u16; 2] = [80, 81];
const THEIRS: u16 = 82;
/// Tasks of the one service; those of the other follow.
const TASKS: u32 = 3;
/// For so many ticks a client stays.
const TICKS: u32 = 10;

/// All these ports by TCP and UDP: three tasks behind ours, two others behind theirs.
fn memory() -> Memory {
    let mut memory = serving(INGRESS, LOCAL, TASKS);
    for (index, n) in (0..).zip(TASKS..TASKS + 2) {
        let address = Be32::new((*nodes::task(n).ip()).into());
        memory
            .backends
            .insert(key(n), Backend::new(address, LOCAL, 2));
        memory.slots.insert(Slot { table: 2, index }, key(n));
    }
    let target = Be16::new(nodes::task(0).port());
    for proto in [TCP, UDP] {
        let ours = Frontend::new(target, TASKS, 1, 1);
        let theirs = Frontend::new(target, 2, 2, 2);
        for (number, frontend) in [(OURS[0], ours), (OURS[1], ours), (THEIRS, theirs)] {
            let port = Port::new(Be16::new(number), proto);
            let frontend = Frontend {
                affinity_ticks: TICKS,
                ..frontend
            };
            memory.frontends.insert(port, frontend);
            memory.turns.get_mut().insert(port, 0);
        }
    }
    memory
}

fn client(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(203, 0, 113, n)
}

/// The task of a new flow of a client from this port of its own.
fn opened(memory: &Memory, client: SocketAddrV4, number: u16, proto: u8) -> u64 {
    let body = match proto {
        TCP => segment(0x02),
        _ => Body::bare(Transport::Udp(true)),
    };
    let frame = body.frame(client, SocketAddrV4::new(INGRESS, number));
    uplink(&mut Frame::<true>::new(frame), memory);
    let tuple = Tuple {
        source: Be32::new((*client.ip()).into()),
        destination: Be32::new(INGRESS.into()),
        source_port: Be16::new(client.port()),
        destination_port: Be16::new(number),
        proto,
        zero: [0; 3],
    };
    memory.flows.borrow()[&tuple].task
}

#[test]
fn six_clients_have_one_task_each_over_all_ports_and_all_tasks_have_clients() {
    for first in [TCP, UDP] {
        let memory = memory();
        let mut had = BTreeSet::new();
        for n in 1..=6 {
            let from = |port| SocketAddrV4::new(client(n), port);
            let task = opened(&memory, from(1000), OURS[0], first);
            had.insert(task);
            for (port, (number, proto)) in (1001..).zip([
                (OURS[0], TCP),
                (OURS[1], TCP),
                (OURS[0], UDP),
                (OURS[1], UDP),
            ]) {
                let again = opened(&memory, from(port), number, proto);
                assert_eq!(again, task, "client {n}, {number}, protocol {proto}");
            }
        }
        assert_eq!(had, (0..TASKS).map(key).collect());
    }
}

#[test]
fn who_has_proved_to_be_there_at_one_port_is_kept_at_the_others() {
    let memory = memory();
    let from = |port| SocketAddrV4::new(client(1), port);
    let task = opened(&memory, from(1000), OURS[0], TCP);
    assert_eq!(task, key(0));
    let answer = segment(0x12).frame(nodes::task(0), from(1000));
    bridge(&mut Frame::<true>::new(answer), &memory);
    let ack = segment(0x10).frame(from(1000), FRONTEND);
    uplink(&mut Frame::<true>::new(ack), &memory);
    assert_eq!(memory.kept.borrow().len(), 1);
    // Nobody's flood of opening flows takes that away.
    memory.keeping.borrow_mut().clear();
    assert_eq!(opened(&memory, from(1001), OURS[1], TCP), task);
    assert_eq!(opened(&memory, from(1002), OURS[1], UDP), task);
    assert_eq!(
        (memory.kept.borrow().len(), memory.keeping.borrow().len()),
        (1, 0)
    );
}

proptest! {
    /// Whatever clients call, and in whatever order: who comes again in time to any port of a service has the task
    /// of its last flow there, and each service has its own.
    #[test]
    fn a_client_has_the_task_of_its_last_flow_to_any_port_of_the_service(
        calls in vec((1u8..5, 0usize..3, any::<bool>(), 0u32..8), 1..60),
    ) {
        let mut memory = memory();
        let mut last: BTreeMap<(u8, u32), (u64, u32)> = BTreeMap::new();
        for (port, (n, at, udp, later)) in (1000..).zip(calls) {
            memory.now += later;
            let number = OURS.get(at).copied().unwrap_or(THEIRS);
            let service = if number == THEIRS { 2 } else { 1 };
            let proto = if udp { UDP } else { TCP };
            let from = SocketAddrV4::new(client(n), port);
            let task = opened(&memory, from, number, proto);
            prop_assert_eq!(u32::try_from(memory.backends[&task].service).unwrap(), service);
            if let Some((before, since)) = last.insert((n, service), (task, memory.now))
                && memory.now - since <= TICKS
            {
                prop_assert_eq!(task, before, "client {} to {}", n, number);
            }
        }
    }
}
