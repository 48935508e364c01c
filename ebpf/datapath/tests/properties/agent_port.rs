//! What this host passes on to the port of another node's agent: it opens no connection there, as that one counts it as
//! this node's. What the host itself sends, and what nodes behind it send, does.

use std::net::{Ipv4Addr, SocketAddrV4};

use lb_abi::counters::Reason;
use lb_abi::service::LOCAL;
use lb_datapath::Verdict;
use lb_datapath::egress::egress;
use lb_datapath::model::{Frame, Memory};
use proptest::prelude::*;

use crate::nodes::{HOME, INGRESS, serving};
use crate::packets::{Body, Transport, client, tcp, udp};

const SYN: u8 = 0x02;
const SYN_ACK: u8 = 0x12;
/// The agents' port.
const AGENT: u16 = 6790;
/// Bytes of Ethernet and of IPv4 without options.
const HEADERS: usize = 34;
/// A third node, whose packets this one passes on.
const BEHIND: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 3);

fn node() -> Memory {
    let mut memory = serving(INGRESS, LOCAL, 2);
    let keys = memory.token_keys;
    memory.peers.insert(BEHIND.into(), keys);
    memory.peers.remove(&u32::from(INGRESS));
    memory
}

fn leaves(memory: &Memory, bytes: &[u8], forwarded: bool) -> Verdict {
    let mut frame = Frame::<true> {
        forwarded,
        ..Frame::new(bytes.to_vec())
    };
    let verdict = egress(&mut frame, memory);
    assert!(frame.bytes == bytes, "changed");
    verdict
}

/// The first fragment of a frame without IPv4 options, with so many bytes behind the IPv4 header.
fn first_fragment(frame: &[u8], bytes: usize) -> Vec<u8> {
    let mut first = frame[..HEADERS + bytes].to_vec();
    let total = u16::try_from(HEADERS - 14 + bytes).unwrap();
    first[16..18].copy_from_slice(&total.to_be_bytes());
    // More fragments follow.
    first[20] = 0x20;
    first
}

proptest! {
    #[test]
    fn who_is_passed_on_opens_no_connection_to_another_nodes_agent(
        body in tcp(Just(SYN)),
        port in 1u16..,
        stranger in client(),
    ) {
        let memory = node();
        let agent = SocketAddrV4::new(HOME, AGENT);
        // As source NAT has made it; and of who has an address that others route to.
        for from in [SocketAddrV4::new(INGRESS, port), stranger] {
            let frame = body.frame(from, agent);
            prop_assert_eq!(leaves(&memory, &frame, true), Verdict::Drop(Reason::NotOurs));
            prop_assert_eq!(leaves(&memory, &frame, false), Verdict::Pass);
        }
        // A node behind this one calls under its own address.
        let node_behind = body.frame(SocketAddrV4::new(BEHIND, port), agent);
        prop_assert_eq!(leaves(&memory, &node_behind, true), Verdict::Pass);
    }

    #[test]
    fn other_ports_other_hosts_and_what_opens_nothing_are_left_alone(
        syn in tcp(Just(SYN)),
        answer in tcp(prop_oneof![Just(SYN_ACK), Just(0x10), Just(0x11), Just(0x04), Just(0x14)]),
        datagram in udp(),
        port in (1u16..).prop_filter("another one", |port| *port != AGENT),
        elsewhere in client(),
    ) {
        let memory = node();
        let from = SocketAddrV4::new(INGRESS, 40_000);
        let agent = SocketAddrV4::new(HOME, AGENT);
        let other_port = SocketAddrV4::new(HOME, port);
        let elsewhere = SocketAddrV4::new(*elsewhere.ip(), AGENT);
        // A client may have that port itself, and is answered.
        for (body, to) in [
            (&syn, other_port),
            (&syn, elsewhere),
            (&answer, agent),
            (&datagram, other_port),
        ] {
            prop_assert_eq!(leaves(&memory, &body.frame(from, to), true), Verdict::Pass);
        }
    }

    #[test]
    fn a_segment_in_fragments_opens_no_connection_either(
        port in 1u16..,
        bytes in prop_oneof![Just(8usize), Just(16)],
    ) {
        let memory = node();
        let from = SocketAddrV4::new(INGRESS, port);
        let first = |flags, to| {
            let segment = Body::bare(Transport::Tcp(flags, vec![1; 12], 7));
            first_fragment(&segment.frame(from, to), bytes)
        };
        let agent = SocketAddrV4::new(HOME, AGENT);
        let refused = Verdict::Drop(Reason::NotOurs);
        prop_assert_eq!(leaves(&memory, &first(SYN, agent), true), refused);
        prop_assert_eq!(leaves(&memory, &first(SYN, agent), false), Verdict::Pass);
        // In eight bytes are no flags.
        let answer = if bytes == 8 { refused } else { Verdict::Pass };
        prop_assert_eq!(leaves(&memory, &first(SYN_ACK, agent), true), answer);
        let elsewhere = SocketAddrV4::new(HOME, AGENT + 1);
        prop_assert_eq!(leaves(&memory, &first(SYN, elsewhere), true), Verdict::Pass);
        // Later fragments are of no use without the first one.
        let mut later = first(SYN, agent);
        later[21] = 1;
        prop_assert_eq!(leaves(&memory, &later, true), Verdict::Pass);
    }
}
