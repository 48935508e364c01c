//! Frames of containers, each at its own port of a bridge: under another container's address they send nothing, and their
//! calls for published ports of their own node go past the kernel's filter.

use std::net::{Ipv4Addr, SocketAddrV4};

use lb_abi::counters::Reason;
use lb_abi::service::LOCAL;
use lb_datapath::Verdict;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::port::port;

use crate::nodes::{FRONTEND, INGRESS, serving, task};
use crate::packets::{Body, Transport, segment};

/// The port of the bridge behind which the task is.
const OWN: u32 = 7;
const SPOOFED: Verdict = Verdict::Drop(Reason::Spoofed);

/// A node that knows behind which port its task is.
fn memory() -> Memory {
    let mut memory = serving(INGRESS, LOCAL, 1);
    memory.endpoints.insert((*task(0).ip()).into(), OWN);
    memory
}

fn sent(memory: &Memory, bytes: Vec<u8>, link: u32) -> Verdict {
    let frame = Frame::<true> {
        link,
        ..Frame::new(bytes)
    };
    port(&frame, memory)
}

/// A segment to a port that nobody publishes.
fn elsewhere(from: SocketAddrV4) -> Vec<u8> {
    let to = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 7), 443);
    segment(0x10).frame(from, to)
}

/// ARP (RFC 826) of a station that claims this address.
fn arp(sender: Ipv4Addr) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 0, 0, 0, 9, 0x08, 0x06]);
    frame.extend([0, 1, 0x08, 0, 6, 4, 0, 2]);
    frame.extend([2, 0, 0, 0, 0, 9]);
    frame.extend(sender.octets());
    frame.extend([0; 6]);
    frame.extend([172, 18, 0, 1]);
    frame
}

#[test]
fn a_container_sends_nothing_under_the_address_of_another_one_that_is_a_task() {
    let memory = memory();
    for link in [OWN, OWN + 1] {
        let of = |passed| if link == OWN { passed } else { SPOOFED };
        let ip = sent(&memory, elsewhere(task(0)), link);
        assert_eq!(ip, of(Verdict::Pass), "IPv4 from port {link}");
        let call = sent(&memory, segment(0x02).frame(task(0), FRONTEND), link);
        assert_eq!(call, of(Verdict::Bridge), "a call from port {link}");
        let claims = sent(&memory, arp(*task(0).ip()), link);
        assert_eq!(claims, of(Verdict::Pass), "ARP from port {link}");
    }
    // Nobody is known by these addresses.
    assert_eq!(sent(&memory, elsewhere(task(1)), OWN), Verdict::Pass);
    assert_eq!(sent(&memory, arp(*task(1).ip()), OWN), Verdict::Pass);
}

#[test]
fn what_is_neither_ipv4_nor_arp_has_no_sender_to_compare() {
    let memory = memory();
    for mut frame in [elsewhere(task(0)), arp(*task(0).ip())] {
        frame[12..14].copy_from_slice(&[0x86, 0xdd]);
        assert_eq!(sent(&memory, frame, OWN + 1), Verdict::Pass);
    }
    assert_eq!(
        sent(&memory, vec![0; 10], OWN + 1),
        Verdict::Pass,
        "cut short"
    );
}

#[test]
fn while_no_agent_says_who_is_where_nobody_is_refused() {
    let mut memory = memory();
    memory.expired = true;
    let frame = elsewhere(task(0));
    assert_eq!(sent(&memory, frame, OWN + 1), Verdict::Pass);
}

#[test]
fn a_call_for_a_published_port_of_the_own_node_is_the_bridges() {
    let memory = memory();
    let from = task(5);
    for body in [
        segment(0x02),
        segment(0x10),
        Body::bare(Transport::Udp(true)),
    ] {
        let frame = body.frame(from, FRONTEND);
        assert_eq!(sent(&memory, frame.clone(), 9), Verdict::Bridge);
        let tagged = Frame::<true> {
            tagged: true,
            ..Frame::new(frame)
        };
        assert_eq!(port(&tagged, &memory), Verdict::Pass, "a VLAN's");
    }
    let unpublished = SocketAddrV4::new(INGRESS, 81);
    let other_node = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 2), FRONTEND.port());
    for to in [unpublished, other_node] {
        let frame = segment(0x02).frame(from, to);
        assert_eq!(sent(&memory, frame, 9), Verdict::Pass, "{to}");
    }
}
