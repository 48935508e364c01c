//! Connections that a node, or a container on it, opens from a port that is published by hash: what answers them is no
//! client's.

use std::net::SocketAddrV4;

use lb_abi::service::{LOCAL, SCHED_LC, SCHED_MAGLEV, SCHED_RR, SCHED_SH};
use lb_abi::settings::{PortRange, Settings};
use lb_datapath::Verdict;
use lb_datapath::egress::egress;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::own_flows::AWAITED;
use lb_datapath::uplink::uplink;
use proptest::prelude::*;

use crate::nodes::{FRONTEND, INGRESS, serving};
use crate::packets::{client, segment};

const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

fn node(scheduler: u16) -> Memory {
    let mut memory = serving(INGRESS, LOCAL, 3);
    for frontend in memory.frontends.values_mut() {
        frontend.scheduler = scheduler;
    }
    memory
}

fn leaves(memory: &Memory, flags: u8, far: SocketAddrV4) {
    let mut frame = Frame::<true>::new(segment(flags).frame(FRONTEND, far));
    assert_eq!(egress(&mut frame, memory), Verdict::Pass);
}

fn comes(memory: &Memory, flags: u8, far: SocketAddrV4) -> Verdict {
    let frame = segment(flags).frame(far, FRONTEND);
    uplink(&mut Frame::<true>::new(frame), memory)
}

proptest! {
    #[test]
    fn what_answers_the_nodes_own_connection_is_the_kernels_however_long_that_lasts(
        far in client(),
        other in client(),
        scheduler in prop_oneof![Just(SCHED_RR), Just(SCHED_LC), Just(SCHED_SH), Just(SCHED_MAGLEV)],
        idle in 0..8 * AWAITED,
    ) {
        prop_assume!(far != other);
        let mut memory = node(scheduler);
        leaves(&memory, SYN, far);
        prop_assert_eq!(comes(&memory, SYN | ACK, far), Verdict::Pass);
        leaves(&memory, ACK, far);
        memory.now += idle;
        prop_assert_eq!(comes(&memory, ACK, far), Verdict::Pass);
        prop_assert_eq!(comes(&memory, RST, far), Verdict::Pass);
        prop_assert!(memory.flows.borrow().is_empty());
        // The middle of a connection that this node has not begun finds its task by hash.
        let hashed = matches!(scheduler, SCHED_SH | SCHED_MAGLEV);
        let expected = if hashed { Verdict::Bridge } else { Verdict::Pass };
        prop_assert_eq!(comes(&memory, ACK, other), expected);
    }

    #[test]
    fn a_syn_to_the_same_ports_is_a_clients(far in client()) {
        let memory = node(SCHED_MAGLEV);
        leaves(&memory, SYN, far);
        prop_assert_eq!(comes(&memory, SYN, far), Verdict::Bridge);
        prop_assert_eq!(comes(&memory, ACK, far), Verdict::Bridge);
    }

    #[test]
    fn only_a_syn_to_the_outside_says_that_a_connection_is_the_nodes_own(far in client()) {
        let memory = node(SCHED_MAGLEV);
        leaves(&memory, SYN | ACK, far);
        leaves(&memory, ACK, far);
        prop_assert!(memory.own_flows.borrow().is_empty());
        prop_assert_eq!(comes(&memory, ACK, far), Verdict::Bridge);
    }

    /// Also one that is older than the service, and one whose entry others have pushed out.
    #[test]
    fn at_ports_of_the_kernels_choice_the_middle_of_a_connection_is_the_kernels(far in client()) {
        let mut memory = node(SCHED_MAGLEV);
        let own = |first| move |settings| Settings { ephemeral: PortRange::new(first, 90), ..settings };
        memory.settings = memory.settings.map(own(81));
        prop_assert_eq!(comes(&memory, ACK, far), Verdict::Bridge, "a port of another one's");
        memory.flows.get_mut().clear();
        memory.settings = memory.settings.map(own(80));
        prop_assert_eq!(comes(&memory, ACK, far), Verdict::Pass);
        prop_assert_eq!(comes(&memory, SYN, far), Verdict::Bridge, "a client's");
        prop_assert_eq!(comes(&memory, ACK, far), Verdict::Bridge);
    }
}
