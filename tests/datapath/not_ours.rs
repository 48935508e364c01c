//! Frames to other than published ports leave both hooks unchanged, byte for byte.

use lb_abi::{TCP, UDP};
use lb_datapath::Verdict;

use crate::frames::{Patch, at, client, patched, tcp, udp};
use crate::lab::{lab, node};
use crate::states::{address_of, here, publish, there, token_keys};
use crate::world::{BridgeTc, World};

/// A SYN to the published port, with these bytes put over its own.
fn syn_with(patches: &[Patch<'_>]) -> Vec<u8> {
    patched(
        &tcp(client(40_000), at(node(1), 8080), "S").frame(),
        patches,
    )
}

fn serving(lab: &crate::lab::Lab) -> World {
    let mut world = World::new(lab, 1);
    world.change(|state| {
        publish(state, TCP, 8080, 80, &[here(1), there(2, node(2))]);
        publish(state, UDP, 5353, 53, &[here(1), there(2, node(2))]);
    });
    world
}

#[test]
fn what_is_not_for_a_published_port_is_untouched() {
    let published = at(node(1), 8080);
    let syn = |to| tcp(client(40_000), to, "S").frame();
    let to_mac = |mac| tcp(client(40_000), published, "S").with_mac(mac).frame();
    let flags = |flags| tcp(client(40_000), published, flags).frame();
    let padded = |mut frame: Vec<u8>| {
        frame.resize(60, 0xee);
        frame
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("ARP", syn_with(&[(12, &[0x08, 0x06])])),
        ("IPv6", syn_with(&[(12, &[0x86, 0xdd]), (14, &[0x60])])),
        ("VLAN tag", syn_with(&[(12, &[0x81, 0x00])])),
        ("LLDP", syn_with(&[(12, &[0x88, 0xcc])])),
        ("length instead of a type", syn_with(&[(12, &[0x00, 0x2e])])),
        ("another TCP port", syn(at(node(1), 8081))),
        ("UDP on a TCP port", udp(client(40_000), published).frame()),
        ("TCP on a UDP port", syn(at(node(1), 5353))),
        ("padding behind another port", padded(syn(at(node(1), 22)))),
        ("ICMP", syn_with(&[(23, &[1])])),
        ("GRE", syn_with(&[(23, &[47])])),
        ("SCTP", syn_with(&[(23, &[132])])),
        ("IPv4 in IPv4", syn_with(&[(23, &[4])])),
        ("broadcast MAC", to_mac([0xff; 6])),
        ("multicast MAC", to_mac([0x01, 0, 0x5e, 0, 0, 1])),
        ("another host's MAC", to_mac([2, 0, 0, 0, 1, 77])),
        ("later fragment", syn_with(&[(20, &[0, 185])])),
        ("last fragment", syn_with(&[(20, &[0x1f, 0xff])])),
        ("header of 4 words", syn_with(&[(14, &[0x44])])),
        ("header of 0 words", syn_with(&[(14, &[0x40])])),
        ("header beyond the packet", syn_with(&[(14, &[0x4f])])),
        ("version 6 in an IPv4 frame", syn_with(&[(14, &[0x65])])),
        ("total length beyond the frame", syn_with(&[(16, &[0, 41])])),
        ("total length of 65535", syn_with(&[(16, &[0xff, 0xff])])),
        (
            "total length within the headers",
            syn_with(&[(16, &[0, 39])]),
        ),
        ("total length of 0", syn_with(&[(16, &[0, 0])])),
        ("TCP header of 4 words", syn_with(&[(46, &[0x40])])),
        ("TCP header beyond the packet", syn_with(&[(46, &[0x60])])),
        ("ACK without a flow", flags("A")),
        (
            "data without a flow",
            tcp(client(40_000), published, "PA").payload(b"GET").frame(),
        ),
        ("SYN-ACK without a flow", flags("SA")),
        ("FIN without a flow", flags("FA")),
        ("RST without a flow", flags("R")),
        ("SYN and FIN", flags("SF")),
        ("SYN and RST", flags("SR")),
        ("no flags at all", flags("")),
        (
            "an address that is not the node's",
            syn(at(address_of(1), 8080)),
        ),
        ("another node's address", syn(at(node(2), 8080))),
        (
            "a broadcast address",
            syn(at([198, 51, 100, 255].into(), 8080)),
        ),
        (
            "a datagram to another address",
            udp(client(1), at(node(2), 5353)).frame(),
        ),
    ];
    lab(|lab| {
        let mut world = serving(lab);
        for (what, frame) in &cases {
            world.untouched(what, frame);
        }
        // The same world does serve the port.
        assert_eq!(world.receive(&syn(published)).0, Verdict::Bridge);
    });
}

#[test]
fn a_frame_cut_short_anywhere_is_untouched() {
    let whole = syn_with(&[]);
    lab(|lab| {
        let mut world = serving(lab);
        for length in 0..whole.len() {
            let cut = whole[..length].to_vec();
            // Once as it was cut, once as if the packet had been sent that short.
            let mut consistent = cut.clone();
            if length >= 18 {
                let total = u16::try_from(length - 14).unwrap();
                consistent[16..18].copy_from_slice(&total.to_be_bytes());
            }
            for frame in [cut, consistent] {
                world.untouched(&format!("{length} bytes"), &frame);
            }
        }
        assert_eq!(world.receive(&whole).0, Verdict::Bridge);
    });
}

#[test]
fn what_tasks_send_on_their_own_is_untouched() {
    let task = at(address_of(1), 80);
    let reply = tcp(task, client(40_000), "SA").frame();
    let with = |patches: &[Patch<'_>]| patched(&reply, patches);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("ARP", with(&[(12, &[0x08, 0x06])])),
        ("IPv6", with(&[(12, &[0x86, 0xdd])])),
        ("a later fragment", with(&[(20, &[0, 185])])),
        ("ICMP", with(&[(23, &[1])])),
        ("a reply cut short", with(&[])[..40].to_vec()),
        (
            "a connection of its own",
            tcp(at(address_of(1), 50_000), client(443), "S").frame(),
        ),
        (
            "from another port",
            tcp(at(address_of(1), 81), client(40_000), "SA").frame(),
        ),
        ("to another client", tcp(task, client(40_001), "SA").frame()),
        (
            "from another task",
            tcp(at(address_of(2), 80), client(40_000), "SA").frame(),
        ),
        ("UDP with a flow's ports", udp(task, client(40_000)).frame()),
    ];
    lab(|lab| {
        let mut world = serving(lab);
        world.receive(&tcp(client(40_000), at(node(1), 8080), "S").frame());
        for (what, frame) in &cases {
            let before = world.tables().clone();
            let (verdict, after) = world.send(BridgeTc, frame);
            assert_eq!((verdict, &after), (Verdict::Pass, frame), "{what}");
            assert!(*world.tables() == before, "{what}: left a trace");
        }
        // The same world does know the flow's reply.
        assert_eq!(world.send(BridgeTc, &with(&[])).0, Verdict::Uplink);
    });
}

#[test]
fn without_settings_everything_passes() {
    lab(|lab| {
        let mut world = World::blank(lab, 1);
        world.change(|state| {
            state.addresses.insert(node(1));
            state.peers.insert(node(2), token_keys(2));
            publish(state, TCP, 8080, 80, &[here(1)]);
        });
        world.untouched("a SYN to a published port", &syn_with(&[]));
        let reply = tcp(at(address_of(1), 80), client(40_000), "SA").frame();
        assert_eq!(world.send(BridgeTc, &reply), (Verdict::Pass, reply));
    });
}
