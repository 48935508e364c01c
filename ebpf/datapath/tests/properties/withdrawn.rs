//! A port that no service publishes any more, while connections to it live: those go on, and whatever begins is the kernel's.

use std::net::{Ipv4Addr, SocketAddrV4};

use lb_abi::flow::{FIN_IN, FIN_OUT, Flow, PASSED, RESET, Tuple};
use lb_abi::service::{ACTIVE, Frontend, LOCAL, REMOTE};
use lb_abi::settings::BridgePort;
use lb_datapath::Verdict;
use lb_datapath::bridge::bridge;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::port::port;
use lb_datapath::uplink::uplink;
use proptest::prelude::*;

use crate::nodes::{FRONTEND, INGRESS, MAC, key, pair, serving, task};
use crate::packets::{client, opening, segment};

const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 7), 40_000);
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
const CLOSED: u32 = FIN_IN | FIN_OUT;

/// No service publishes the ports of this node any more.
fn withdraw(memory: &mut Memory) {
    for frontend in memory.frontends.values_mut() {
        *frontend = Frontend::new(frontend.target, 0, 0, frontend.service);
    }
    memory.slots.clear();
    for backend in memory.backends.values_mut() {
        backend.flags &= !ACTIVE;
    }
}

/// Its one service publishes them again.
fn publish(memory: &mut Memory) {
    let again = serving(INGRESS, LOCAL, 1);
    memory.frontends = again.frontends;
    memory.slots = again.slots;
    memory.backends = again.backends;
}

fn tc(memory: &Memory, flags: u8) -> Verdict {
    let frame = segment(flags).frame(CLIENT, FRONTEND);
    uplink(&mut Frame::<true>::new(frame), memory)
}

fn xdp(memory: &Memory, flags: u8) -> Verdict {
    let frame = segment(flags).frame(CLIENT, FRONTEND);
    uplink(&mut Frame::<false>::new(frame), memory)
}

/// A node with one connection to its task, whose port was withdrawn since.
fn connected() -> Memory {
    let mut memory = serving(INGRESS, LOCAL, 1);
    assert_eq!(tc(&memory, SYN), Verdict::Bridge);
    let mut answer = Frame::<true>::new(segment(SYN | ACK).frame(task(0), CLIENT));
    assert_eq!(bridge(&mut answer, &memory), Verdict::Uplink);
    assert_eq!(tc(&memory, ACK), Verdict::Bridge);
    withdraw(&mut memory);
    memory
}

fn change(memory: &mut Memory, change: impl Fn(&mut Flow)) {
    memory.flows.get_mut().values_mut().for_each(change);
}

proptest! {
    #[test]
    fn what_begins_is_the_kernels_and_leaves_no_trace(from in client(), body in opening(), local: bool) {
        let mut memory = serving(INGRESS, if local { LOCAL } else { REMOTE }, 2);
        withdraw(&mut memory);
        let came = body.frame(from, FRONTEND);
        let before = memory.clone();
        let mut frame = Frame::<false>::new(came.clone());
        prop_assert_eq!(uplink(&mut frame, &memory), Verdict::Pass);
        let mut frame = Frame::<true>::new(came.clone());
        prop_assert_eq!(uplink(&mut frame, &memory), Verdict::Pass);
        prop_assert_eq!(frame.bytes, came);
        prop_assert!(memory == before);
    }
}

#[test]
fn a_connection_goes_on_both_ways_until_it_ends() {
    let memory = connected();
    for flags in [ACK, ACK | 0x08, ACK | 0x01] {
        assert_eq!(tc(&memory, flags), Verdict::Bridge, "flags {flags:#x}");
        let mut answer = Frame::<true>::new(segment(flags).frame(task(0), CLIENT));
        assert_eq!(bridge(&mut answer, &memory), Verdict::Uplink);
    }
    assert_eq!(
        tc(&memory, ACK),
        Verdict::Bridge,
        "the last acknowledgement"
    );
}

#[test]
fn a_connection_to_a_task_elsewhere_goes_on_at_both_nodes() {
    let (mut ingress, mut home) = pair();
    let through = |ingress: &Memory, home: &Memory, flags| {
        let mut frame = Frame::<true>::new(segment(flags).frame(CLIENT, FRONTEND));
        assert_eq!(uplink(&mut frame, ingress), Verdict::Uplink);
        uplink(&mut Frame::<true>::new(frame.bytes), home)
    };
    assert_eq!(through(&ingress, &home, SYN), Verdict::Bridge);
    // One of the nodes hears of it before the other.
    withdraw(&mut ingress);
    assert_eq!(through(&ingress, &home, ACK), Verdict::Bridge);
    withdraw(&mut home);
    assert_eq!(through(&ingress, &home, ACK), Verdict::Bridge);
}

#[test]
fn a_connection_that_the_kernel_gets_on_the_ports_of_one_that_is_over_is_the_kernels_throughout() {
    for over in [CLOSED, RESET] {
        let mut memory = connected();
        change(&mut memory, |flow| flow.state |= over);
        // First the program under XDP, then the one under tc.
        for flags in [SYN, ACK, ACK | 0x08, ACK | 0x01] {
            assert_eq!(xdp(&memory, flags), Verdict::Pass, "flags {flags:#x}");
            assert_eq!(tc(&memory, flags), Verdict::Pass, "flags {flags:#x}");
        }
        // What the kernel's connection has left is none of a service's that publishes the port again.
        publish(&mut memory);
        assert_eq!(tc(&memory, ACK), Verdict::Pass);
        assert_eq!(tc(&memory, SYN), Verdict::Bridge);
        assert_eq!(tc(&memory, ACK), Verdict::Bridge);
        change(&mut memory, |flow| assert_eq!(flow.state & PASSED, 0));
    }
}

#[test]
fn without_a_lease_the_kernel_keeps_what_it_gets_as_well() {
    let mut memory = connected();
    publish(&mut memory);
    change(&mut memory, |flow| flow.state |= CLOSED);
    memory.expired = true;
    assert_eq!(tc(&memory, SYN), Verdict::Pass);
    memory.expired = false;
    assert_eq!(tc(&memory, ACK), Verdict::Pass);
}

#[test]
fn a_port_that_comes_back_takes_new_connections_beside_those_that_it_had() {
    let mut memory = connected();
    publish(&mut memory);
    assert_eq!(tc(&memory, ACK), Verdict::Bridge);
    let other = SocketAddrV4::new(*CLIENT.ip(), 40_001);
    let mut frame = Frame::<true>::new(segment(SYN).frame(other, FRONTEND));
    assert_eq!(uplink(&mut frame, &memory), Verdict::Bridge);
    let flows = memory.flows.borrow();
    assert!(flows.len() == 2 && flows.values().all(|flow| flow.task == key(0)));
}

#[test]
fn a_container_calls_the_kernel_but_for_the_connections_that_it_has() {
    /// The bridge, and the port of it behind which the container is.
    const BRIDGE: u32 = 3;
    const PORT: u32 = 9;
    let mut memory = serving(INGRESS, LOCAL, 1);
    let bridge_port = BridgePort::new(BRIDGE, MAC);
    memory.bridge_ports.insert(PORT, bridge_port);
    let [known, over, new] =
        [7_000, 7_001, 7_002].map(|port| SocketAddrV4::new(*task(5).ip(), port));
    let call = |from, flags, link| Frame::<true> {
        link,
        ..Frame::new(segment(flags).frame(from, FRONTEND))
    };
    // At its port, and on the bridge, which gets what is left to the kernel there.
    let sends = |memory: &Memory, from, flags| {
        let mut at_port = call(from, flags, PORT);
        let verdict = port(&mut at_port, memory);
        if verdict != Verdict::Pass {
            return verdict;
        }
        let mut later = call(from, flags, BRIDGE);
        assert_eq!(at_port.bytes, later.bytes, "Docker's rules see it as it is");
        assert_eq!(bridge(&mut later, memory), Verdict::Pass);
        verdict
    };
    for from in [known, over] {
        assert_eq!(sends(&memory, from, SYN), Verdict::Bridge);
    }
    let ended = |(tuple, flow): (&Tuple, &mut Flow)| {
        if tuple.source_port.get() == over.port() {
            flow.state |= CLOSED;
        }
    };
    memory.flows.get_mut().iter_mut().for_each(ended);
    withdraw(&mut memory);
    for flags in [ACK, ACK | 0x08, ACK | 0x01] {
        assert_eq!(sends(&memory, known, flags), Verdict::Bridge);
    }
    let before = memory.clone();
    for flags in [SYN, ACK] {
        assert_eq!(sends(&memory, new, flags), Verdict::Pass);
    }
    assert!(memory == before, "it leaves no trace");
    for flags in [SYN, ACK, ACK | 0x08] {
        assert_eq!(sends(&memory, over, flags), Verdict::Pass);
    }
}
