//! What a node learns of the path to another node from ICMP errors about its own tunnel packets, and what it does not.

use std::net::Ipv4Addr;

use lb_abi::path_mtu::PathMtu;
use lb_datapath::Verdict;
use lb_datapath::checksum::full;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::path_mtu::{LEAST, learn};
use lb_datapath::uplink::uplink;
use lb_datapath::verdict::code;
use proptest::prelude::*;

use crate::icmp::{CLIENT, ROUTER, error, tc, xdp};
use crate::nodes::{FRONTEND, HOME, INGRESS, pair};
use crate::packets::{Body, segment};

/// Bytes that a router quotes: headers of the tunnel, and the addresses of the packet inside.
const QUOTED: usize = 20 + 36 + 20;

/// The ingress node, and a tunnel packet of 1,496 bytes that it has sent.
fn sent() -> (Memory, Vec<u8>) {
    let (ingress, _) = pair();
    let large = Body {
        payload: vec![7; 1_400],
        ..segment(0x02)
    };
    let (verdict, tunnelled) = tc(&ingress, &large.frame(CLIENT, FRONTEND));
    assert_eq!((verdict, tunnelled.len()), (Verdict::Uplink, 14 + 1_496));
    (ingress, tunnelled)
}

/// An error of a router's that so many bytes come through, which quotes so many of a packet.
fn too_big(mtu: u16, packet: &[u8], quoted: usize) -> Vec<u8> {
    let mut frame = error(3, (ROUTER, INGRESS), &[], &packet[14..14 + quoted]);
    let [high, low] = mtu.to_be_bytes();
    frame[35] = 4;
    frame[40..42].copy_from_slice(&[high, low]);
    summed(frame)
}

/// With the checksum of its ICMP message.
fn summed(mut frame: Vec<u8>) -> Vec<u8> {
    frame[36..38].fill(0);
    let sum = full(&frame[34..]).to_be_bytes();
    frame[36..38].copy_from_slice(&sum);
    frame
}

/// What a node knows of the path to another one after this frame, and whether the hook took the frame for an error about the
/// tunnel. The kernel gets it unchanged either way.
fn learned(memory: &Memory, frame: &[u8]) -> (bool, Option<PathMtu>) {
    let flows = memory.flows.borrow().clone();
    let mut seen = Frame::<true>::new(frame.to_vec());
    let verdict = uplink(&mut seen, memory);
    let about_tunnel = verdict.code() == code::TUNNEL_ERROR;
    if about_tunnel {
        learn(&seen, memory);
    } else {
        assert_eq!(verdict, Verdict::Pass);
    }
    assert_eq!(seen.bytes, frame, "the kernel's");
    assert_eq!(*memory.flows.borrow(), flows);
    let path = memory.path_mtus.borrow().get(&HOME.into()).copied();
    (about_tunnel, path)
}

fn mtu(memory: &Memory, frame: &[u8]) -> Option<u32> {
    learned(memory, frame).1.map(|path| path.mtu)
}

proptest! {
    #[test]
    fn a_router_on_the_way_is_believed_whatever_it_quotes_and_down_to_the_least(said in 0u16..1_496, quoted in 28usize..600) {
        let (memory, packet) = sent();
        let frame = too_big(said, &packet, quoted);
        prop_assert_eq!(xdp(&memory, &frame), (Verdict::Pass, frame.clone()), "XDP leaves it to tc");
        prop_assert_eq!(mtu(&memory, &frame), Some(u32::from(said).max(LEAST)));
    }

    #[test]
    fn nobody_is_believed_by_bytes_of_chance(bytes in prop::collection::vec(any::<u8>(), 28..100), said: u16) {
        let (memory, packet) = sent();
        // The ends are right, as anybody may know those.
        let mut quoted = packet.clone();
        quoted[14 + 28..14 + 28 + bytes.len() - 28].copy_from_slice(&bytes[28..]);
        prop_assert!(mtu(&memory, &too_big(said, &quoted, bytes.len())).is_none_or(|mtu| mtu >= LEAST));
    }
}

/// A change of a frame.
type Change = fn(&mut Vec<u8>);

#[test]
fn what_this_node_can_not_have_sent_is_not_believed() {
    // Ethernet 14, IPv4 20, ICMP 8; from 42 on IPv4 20, UDP 8 of the tunnel packet.
    let changes: [(&str, Change, bool); 12] = [
        ("of another kind", |frame| frame[34] = 11, true),
        ("of another code", |frame| frame[35] = 1, true),
        (
            "about a packet that fits",
            |frame| frame[40..42].copy_from_slice(&1_496u16.to_be_bytes()),
            true,
        ),
        (
            "about one with options",
            |frame| {
                frame[42] = 0x46;
                frame.splice(62..62, [1; 4]);
                frame[17] += 4;
            },
            true,
        ),
        ("about one that may be cut", |frame| frame[48] = 0, true),
        ("about one of a socket's", |frame| frame[62] = 0x7f, true),
        ("about another length", |frame| frame[67] ^= 1, true),
        ("about one with a checksum", |frame| frame[69] = 1, true),
        ("about another's packet", |frame| frame[57] ^= 4, false),
        ("about one to a stranger", |frame| frame[61] ^= 8, false),
        ("about another port", |frame| frame[65] ^= 1, false),
        ("for another machine", |frame| frame[0] ^= 4, false),
    ];
    for (what, change, about_tunnel) in changes {
        let (memory, packet) = sent();
        let mut frame = too_big(1_400, &packet, 28);
        change(&mut frame);
        assert_eq!(
            learned(&memory, &summed(frame)),
            (about_tunnel, None),
            "{what}"
        );
    }
}

#[test]
fn the_smallest_mtu_is_kept_until_nobody_has_said_it_for_ten_minutes() {
    let (mut memory, packet) = sent();
    let say = |memory: &Memory, said: u16| mtu(memory, &too_big(said, &packet, QUOTED));
    memory.now = 100;
    assert_eq!(say(&memory, 1_400), Some(1_400));
    memory.now = 200;
    assert_eq!(say(&memory, 1_450), Some(1_400), "two routers");
    assert_eq!(say(&memory, 1_350), Some(1_350));
    memory.now = 200 + PathMtu::LASTS - 1;
    assert_eq!(say(&memory, 1_400), Some(1_350));
    memory.now += 1;
    assert_eq!(say(&memory, 1_400), Some(1_400), "another path by now");
    let known = memory.path_mtus.borrow()[&HOME.into()];
    assert_eq!(known.since, memory.now);
}

#[test]
fn of_a_node_that_is_no_peer_and_without_settings_nothing_is_learned() {
    let (mut memory, packet) = sent();
    let frame = too_big(1_400, &packet, QUOTED);
    memory.peers.remove(&HOME.into());
    assert_eq!(learned(&memory, &frame), (false, None));
    let (mut memory, _) = sent();
    memory.settings = None;
    assert_eq!(learned(&memory, &frame), (false, None));
}

#[test]
fn an_error_about_a_clients_flow_from_the_tunnels_port_is_that_flows() {
    // A client that sends from the tunnel's port, to a published port from which a tunnel packet could be.
    let (memory, _) = pair();
    let stranger = Ipv4Addr::new(203, 0, 113, 8);
    let answer = segment(0x12).frame(FRONTEND, std::net::SocketAddrV4::new(stranger, 6790));
    let frame = error(3, (ROUTER, INGRESS), &[], &answer[14..42]);
    assert_eq!(learned(&memory, &frame), (false, None));
}
