//! An uplink that is a bridge: what is for it is decided at the ports by which it comes in.

use std::net::{Ipv4Addr, SocketAddrV4};

use lb_abi::service::LOCAL;
use lb_abi::settings::{BridgePort, Uplink};
use lb_datapath::Verdict;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::uplink::uplink;
use proptest::prelude::*;

use crate::nodes::{FRONTEND, INGRESS, MAC, pair, serving};
use crate::packets::{client, opening, segment};

/// The uplink of the tunnel, a bridge, and a port of it.
const BRIDGE: u32 = 2;
const PORT: u32 = 8;
/// Another uplink that is a bridge, and a port of it.
const SECOND: u32 = 5;
const SECOND_PORT: u32 = 6;
const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 7), 40_000);

fn bridged(mut memory: Memory) -> Memory {
    memory.uplinks = [BRIDGE, SECOND].map(|link| (link, Uplink::new(MAC))).into();
    memory.bridge_ports = [(PORT, BRIDGE), (SECOND_PORT, SECOND)]
        .map(|(port, bridge)| (port, BridgePort::new(bridge, MAC)))
        .into();
    memory
}

fn frame_on<const DELIVERS: bool>(link: u32, bytes: &[u8]) -> Frame<DELIVERS> {
    Frame {
        link,
        ..Frame::new(bytes.to_vec())
    }
}

/// A SYN from another node's client, in the tunnel.
fn tunnelled(ingress: &Memory) -> Vec<u8> {
    let mut frame = Frame::<true>::new(segment(0x02).frame(CLIENT, FRONTEND));
    assert_eq!(uplink(&mut frame, ingress), Verdict::Uplink);
    frame.bytes
}

proptest! {
    #[test]
    fn at_a_port_the_decision_is_the_one_of_the_bridge(from in client(), request in opening()) {
        let before = bridged(serving(INGRESS, LOCAL, 1));
        let bytes = request.frame(from, FRONTEND);
        for (port, bridge) in [(PORT, BRIDGE), (SECOND_PORT, SECOND)] {
            let (at_port, at_bridge) = (before.clone(), before.clone());
            let mut frame = frame_on::<true>(port, &bytes);
            let mut later = frame_on::<true>(bridge, &bytes);
            prop_assert_eq!(uplink(&mut frame, &at_port), Verdict::Bridge);
            prop_assert_eq!(uplink(&mut later, &at_bridge), Verdict::Bridge);
            prop_assert_eq!(&frame, &later);
            prop_assert_eq!(&at_port, &at_bridge);
        }
    }
}

#[test]
fn what_only_passes_through_the_bridge_or_is_on_no_bridge_is_untouched() {
    let memory = bridged(serving(INGRESS, LOCAL, 1));
    let bytes = segment(0x02).frame(CLIENT, FRONTEND);
    let mut guests = bytes.clone();
    guests[..6].copy_from_slice(&[2, 0, 0, 0, 0, 7]);
    for (link, bytes, what) in [
        (PORT, &guests, "for a guest"),
        (PORT + 1, &bytes, "no port of a bridge"),
    ] {
        let before = memory.clone();
        let mut frame = frame_on::<true>(link, bytes);
        assert_eq!(uplink(&mut frame, &memory), Verdict::Pass, "{what}");
        assert_eq!((&frame.bytes, &memory), (bytes, &before), "{what}");
    }
    // XDP decides about devices with addresses alone.
    let mut frame = frame_on::<false>(PORT, &bytes);
    assert_eq!(uplink(&mut frame, &memory), Verdict::Pass);
}

#[test]
fn tunnel_packets_are_taken_at_the_ports_of_the_bridge_that_leads_to_their_sender() {
    let (ingress, home) = pair();
    let home = bridged(home);
    let sent = tunnelled(&ingress);
    for (link, leads, verdict) in [
        (PORT, false, Verdict::Bridge),
        (SECOND_PORT, true, Verdict::Bridge),
        (SECOND_PORT, false, Verdict::Pass),
    ] {
        let home = home.clone();
        let mut frame = Frame {
            leads,
            ..frame_on::<true>(link, &sent)
        };
        assert_eq!(uplink(&mut frame, &home), verdict, "{link}, {leads}");
    }
}
