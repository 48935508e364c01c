//! What is put before a packet in the tunnel, byte for byte, and which of it is looked at on the other side.

use std::net::{Ipv4Addr, SocketAddrV4};

use etherparse::Ipv4Header;
use lb_abi::Be32;
use lb_abi::counters::Reason;
use lb_abi::service::REMOTE;
use lb_abi::tunnel::TokenKeys;
use lb_datapath::Verdict;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::tunnel::{Direction, INNER, Opened, Read, open, seal};
use lb_datapath::uplink::uplink;
use proptest::prelude::*;

use crate::nodes::{FRONTEND, HOME, INGRESS, key, pair};
use crate::packets::{client, opening, segment};

const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 7), 40_000);
/// Where Geneve begins: behind Ethernet, IPv4 and UDP.
const GENEVE: usize = 14 + 20 + 8;
const UNKNOWN: Verdict = Verdict::Drop(Reason::UnknownTask);
const BAD_TOKEN: Verdict = Verdict::Drop(Reason::BadToken);

fn tc(memory: &Memory, bytes: &[u8]) -> (Verdict, Vec<u8>) {
    let mut frame = Frame::<true>::new(bytes.to_vec());
    (uplink(&mut frame, memory), frame.bytes)
}

/// A SYN on its way from the ingress node to the home of the task.
fn tunnelled(ingress: &Memory) -> Vec<u8> {
    tc(ingress, &segment(0x02).frame(CLIENT, FRONTEND)).1
}

proptest! {
    #[test]
    fn a_packet_travels_behind_a_header_of_ipv4_udp_and_geneve(from in client(), body in opening()) {
        let (ingress, _) = pair();
        let sent = body.frame(from, FRONTEND);
        let (_, frame) = tc(&ingress, &sent);
        prop_assert_eq!(&frame[..14], &sent[..14], "the next hop is the device's affair");
        let (ip, rest) = Ipv4Header::from_slice(&frame[14..]).unwrap();
        prop_assert_eq!(ip.header_checksum, ip.calc_header_checksum());
        prop_assert_eq!(usize::from(ip.total_len), sent.len() - 14 + 56);
        prop_assert_eq!((ip.source, ip.destination), (INGRESS.octets(), HOME.octets()));
        prop_assert_eq!((ip.dont_fragment, ip.more_fragments, ip.time_to_live), (true, false, 64));
        prop_assert_eq!((ip.dscp.value() << 2 | ip.ecn.value(), ip.protocol.0), (body.tos, 17));
        prop_assert_eq!(&rest[2..4], &6790u16.to_be_bytes(), "the tunnel's port");
        let length = u16::try_from(rest.len()).unwrap();
        prop_assert_eq!(&rest[4..8], &[length.to_be_bytes(), [0; 2]].concat()[..], "no checksum");
        // Five words of options; the inner protocol; the key's epoch.
        prop_assert_eq!(&rest[8..16], &[5, 0, 0x08, 0x00, 0, 0, 1, 0][..]);
        prop_assert_eq!(&rest[16..20], &[0xff, 0x5b, 1, 4][..], "class, to the task, four words");
        prop_assert_eq!(&rest[20..28], &key(0).to_be_bytes()[..]);
        prop_assert_eq!(&rest[36..], &sent[14..]);
    }
}

#[test]
fn what_is_no_header_of_this_tunnel_is_left_to_whoever_it_is_for() {
    let (ingress, home) = pair();
    let good = tunnelled(&ingress);
    for (at, byte) in [
        (GENEVE, 0x45),     // another version
        (GENEVE, 4),        // fewer options
        (GENEVE + 1, 0x80), // for the network's own
        (GENEVE + 2, 0x65), // Ethernet inside
        (GENEVE + 9, 0x5c), // somebody else's option
        (GENEVE + 10, 4),   // no direction
        (GENEVE + 10, 0),
        (GENEVE + 11, 5), // longer
    ] {
        let mut frame = good.clone();
        frame[at] = byte;
        assert_eq!(tc(&home, &frame), (Verdict::Pass, frame.clone()), "{at}");
    }
    // The option may be marked as one that whoever does not know it must not ignore.
    let mut frame = Frame::<true>::new(good);
    frame.bytes[GENEVE + 10] |= 0x80;
    seal(&mut frame, &home.token_keys);
    assert_eq!(uplink(&mut frame, &home), Verdict::Bridge);
}

#[test]
fn a_token_is_for_one_sender_task_direction_packet_and_epoch() {
    let (ingress, mut home) = pair();
    let good = tunnelled(&ingress);
    for at in [
        GENEVE + 6,  // the lowest bit of the epoch
        GENEVE + 10, // the direction
        GENEVE + 12, // the task, both halves
        GENEVE + 19,
        GENEVE + 20, // the token itself
        GENEVE + 27,
        INNER + 9,  // protocol,
        INNER + 15, // source
        INNER + 19, // and destination inside
    ] {
        let mut frame = good.clone();
        frame[at] ^= if at == GENEVE + 10 { 3 } else { 1 };
        assert_eq!(tc(&home, &frame).0, BAD_TOKEN, "{at}");
    }
    // By whatever node it was sealed: the sender is the one whose keys are looked at.
    for keys in home.peers.values_mut() {
        *keys = TokenKeys::default();
    }
    assert_eq!(tc(&home, &good).0, BAD_TOKEN, "no keys are known");
    let mut frame = Frame::<true>::new(good);
    seal(&mut frame, &TokenKeys::default());
    assert_eq!(uplink(&mut frame, &home), BAD_TOKEN, "nor are zeros a key");
}

#[test]
fn a_header_says_who_sent_what_to_whom() {
    let (ingress, home) = pair();
    let frame = Frame::<true>::new(tunnelled(&ingress));
    let opened = Opened {
        sender: Be32::new(INGRESS.into()),
        direction: Direction::ToTask,
        task: key(0),
    };
    assert_eq!(open(&frame, &home.token_keys), Read::Opened(opened));
    let cut = |bytes: usize| {
        let mut cut = frame.clone();
        cut.bytes.truncate(bytes);
        open(&cut, &home.token_keys)
    };
    assert_eq!(cut(INNER + 20), Read::Opened(opened));
    assert_eq!(
        cut(INNER + 19),
        Read::Bad(Reason::BadTunnel),
        "no packet inside"
    );
    assert_eq!(cut(INNER - 1), Read::Foreign);
}

#[test]
fn a_packet_for_a_task_that_is_not_here_or_no_longer_of_the_ports_service_is_dropped() {
    let (ingress, home) = pair();
    let frame = tunnelled(&ingress);
    let dropped = |change: fn(&mut Memory)| {
        let mut home = home.clone();
        change(&mut home);
        assert_eq!(tc(&home, &frame).0, UNKNOWN);
        assert!(home.flows.borrow().is_empty());
    };
    dropped(|home| home.backends.clear());
    dropped(|home| home.frontends.clear());
    dropped(|home| {
        for frontend in home.frontends.values_mut() {
            frontend.service = 9;
        }
    });
    dropped(|home| {
        for backend in home.backends.values_mut() {
            backend.locality = REMOTE;
        }
    });
    assert_eq!(tc(&home, &frame).0, Verdict::Bridge);
}

#[test]
fn a_client_whom_nobody_can_answer_is_none_out_of_the_tunnel_either() {
    let (ingress, home) = pair();
    let mut frame = Frame::<true>::new(tunnelled(&ingress));
    for first in [0, 127, 224, 255] {
        frame.bytes[INNER + 12] = first;
        seal(&mut frame, &home.token_keys);
        assert_eq!(tc(&home, &frame.bytes).0, UNKNOWN, "{first}");
    }
}

#[test]
fn a_nodes_packets_come_by_the_device_that_leads_to_it() {
    let (ingress, mut home) = pair();
    let mut frame = Frame::<true>::new(tunnelled(&ingress));
    let bytes = frame.bytes.clone();
    // By another device than the tunnel's own, where the way to the sender does not begin.
    frame.leads = false;
    assert_eq!(uplink(&mut frame, &home), Verdict::Pass);
    assert_eq!(frame.bytes, bytes);
    frame.leads = true;
    assert_eq!(uplink(&mut frame.clone(), &home), Verdict::Bridge);
    home.flows.get_mut().clear();
    let uplink_of = home.settings.unwrap().uplink;
    frame.link = uplink_of;
    frame.leads = false;
    assert_eq!(
        uplink(&mut frame.clone(), &home),
        Verdict::Bridge,
        "its own"
    );
    // Whoever has another machine's MAC address meant that one.
    frame.bytes[0] ^= 4;
    for link in [0, uplink_of] {
        frame.link = link;
        frame.leads = true;
        assert_eq!(uplink(&mut frame.clone(), &home), Verdict::Pass);
    }
    frame.bytes[0] ^= 4;
    frame.link = 99;
    assert_eq!(uplink(&mut frame, &home), Verdict::Pass, "no uplink");
}
