//! Frames of containers, each at its own port of a bridge: under another container's address they send nothing, and what
//! is the bridge's is decided there as the bridge would, so before anybody's rules.

use std::net::{Ipv4Addr, SocketAddrV4};

use lb_abi::counters::Reason;
use lb_abi::flow::SnatEntry;
use lb_abi::service::LOCAL;
use lb_abi::settings::BridgePort;
use lb_datapath::Verdict;
use lb_datapath::bridge::bridge;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::port::port;
use lb_datapath::uplink::uplink;
use proptest::prelude::*;

use crate::nodes::{FRONTEND, INGRESS, MAC, serving, task};
use crate::packets::{Body, Transport, client, opening, segment, tcp, udp};

/// The bridge.
const BRIDGE: u32 = 3;
/// The port of the bridge behind which the task is.
const OWN: u32 = 7;
/// The port of a container that is no task.
const OTHER: u32 = 9;
const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 7), 40_000);
const SPOOFED: Verdict = Verdict::Drop(Reason::Spoofed);

/// A node that knows behind which port its task is.
fn memory() -> Memory {
    let mut memory = serving(INGRESS, LOCAL, 1);
    memory.endpoints.insert((*task(0).ip()).into(), OWN);
    let ports = [OWN, OWN + 1, OTHER].into_iter();
    memory.bridge_ports = ports
        .map(|port| (port, BridgePort::new(BRIDGE, MAC)))
        .collect();
    memory
}

/// [`memory`], with a connection of [`CLIENT`]'s to the task.
fn connected() -> Memory {
    let memory = memory();
    calls(&memory, segment(0x02).frame(CLIENT, FRONTEND));
    memory
}

/// What a client sends comes in on the uplink.
fn calls(memory: &Memory, bytes: Vec<u8>) {
    let verdict = uplink(&mut Frame::<true>::new(bytes), memory);
    assert_eq!(verdict, Verdict::Bridge);
}

fn frame_on(link: u32, bytes: Vec<u8>) -> Frame<true> {
    Frame {
        link,
        ..Frame::new(bytes)
    }
}

fn sent(memory: &Memory, bytes: Vec<u8>, link: u32) -> Verdict {
    port(&mut frame_on(link, bytes), memory)
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
fn a_call_for_a_published_port_of_the_own_node_gets_a_task() {
    let memory = memory();
    let from = task(5);
    for body in [
        segment(0x02),
        segment(0x10),
        Body::bare(Transport::Udp(true)),
    ] {
        let frame = body.frame(from, FRONTEND);
        assert_eq!(sent(&memory, frame.clone(), OTHER), Verdict::Bridge);
        let mut tagged = Frame {
            tagged: true,
            ..frame_on(OTHER, frame)
        };
        assert_eq!(port(&mut tagged, &memory), Verdict::Pass, "a VLAN's");
    }
    // The reply leaves by the bridge, whatever port the call came in on.
    let link = |caller: &SnatEntry| caller.link;
    let links: Vec<u32> = memory.callers.borrow().values().map(link).collect();
    assert_eq!(links, [BRIDGE, BRIDGE], "of TCP and of UDP");
    let unpublished = SocketAddrV4::new(INGRESS, 81);
    let other_node = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 2), FRONTEND.port());
    for to in [unpublished, other_node] {
        let frame = segment(0x02).frame(from, to);
        assert_eq!(sent(&memory, frame, OTHER), Verdict::Pass, "{to}");
    }
}

#[test]
fn a_reply_goes_to_its_client_and_where_the_bridge_is_not_known_to_that() {
    let mut memory = connected();
    let reply = segment(0x12).frame(task(0), CLIENT);
    let mut frame = frame_on(OWN, reply.clone());
    assert_eq!(port(&mut frame, &memory), Verdict::Uplink);
    assert_eq!(frame.bytes, segment(0x12).frame(FRONTEND, CLIENT));

    memory.bridge_ports.clear();
    let mut frame = frame_on(OWN, reply.clone());
    assert_eq!(port(&mut frame, &memory), Verdict::Pass);
    assert_eq!(frame.bytes, reply);
}

#[test]
fn fragments_of_a_reply_go_where_the_first_goes() {
    let memory = memory();
    let body = Body {
        payload: vec![7; 32],
        ..Body::bare(Transport::Udp(true))
    };
    calls(&memory, body.frame(CLIENT, FRONTEND));
    for (field, what) in [(0x2000u16, "the first"), (5, "the last")] {
        let mut bytes = body.frame(task(0), CLIENT);
        bytes[18..20].copy_from_slice(&[0, 9]);
        bytes[20..22].copy_from_slice(&field.to_be_bytes());
        assert_eq!(sent(&memory, bytes, OWN), Verdict::Uplink, "{what}");
    }
}

proptest! {
    #[test]
    fn a_frame_for_the_bridge_becomes_at_its_port_what_the_bridge_would_make_of_it(
        from in client(), request in opening(), body in prop_oneof![tcp(any::<u8>()), udp()],
    ) {
        let before = memory();
        calls(&before, request.frame(from, FRONTEND));
        let elsewhere = SocketAddrV4::new(Ipv4Addr::new(198, 18, 0, 7), 443);
        for (port_index, from, to) in [(OWN, task(0), from), (OTHER, task(5), FRONTEND), (OTHER, task(5), elsewhere)] {
            let bytes = body.frame(from, to);
            let (at_port, at_bridge) = (before.clone(), before.clone());
            let mut frame = frame_on(port_index, bytes.clone());
            let mut later = frame_on(BRIDGE, bytes.clone());
            prop_assert_eq!(port(&mut frame, &at_port), bridge(&mut later, &at_bridge));
            prop_assert_eq!(&frame, &later);
            prop_assert_eq!(&at_port, &at_bridge);

            // To another container on the bridge, which the bridge does not see.
            let mut past = bytes;
            past[..6].copy_from_slice(&[2, 0, 0, 0, 0, 7]);
            let mut frame = frame_on(port_index, past.clone());
            let untouched = before.clone();
            prop_assert_eq!(port(&mut frame, &untouched), Verdict::Pass);
            prop_assert_eq!(frame.bytes, past);
            prop_assert_eq!(&untouched, &before);
        }
    }
}
