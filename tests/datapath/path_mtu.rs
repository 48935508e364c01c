//! ICMP errors about tunnel packets: the node learns the MTU of the path from them, and the kernel gets them as they are.

use std::net::Ipv4Addr;

use lb_datapath::verdict::code;

use crate::errors::{ROUTER, error};
use crate::frames::{at, client, patched, tcp};
use crate::lab::{lab, node};
use crate::pair::pairs;
use crate::world::World;

/// An error of a router's that so many bytes come through, which quotes so many of a packet of node 1.
fn too_big(mtu: u16, packet: &[u8], quoted: usize) -> Vec<u8> {
    let [high, low] = mtu.to_be_bytes();
    let header = [3, 4, 0, 0, 0, 0, high, low];
    error(ROUTER, node(1), header, packet, quoted)
}

/// The node gets this error, which is left to the kernel.
#[track_caller]
fn told(world: &mut World, frame: &[u8]) {
    let (verdict, after) = world.receive(frame);
    assert_eq!(verdict.code(), code::TUNNEL_ERROR);
    assert_eq!(after, frame);
}

#[test]
fn a_node_learns_the_mtu_of_a_path_from_an_error_about_its_tunnel_packet() {
    lab(|lab| {
        pairs(lab, |mut pair| {
            let us = at(node(1), 8080);
            pair.deliver(&tcp(client(9), us, "S").frame());
            let large = tcp(client(9), us, "PA").payload(&[7; 1400]).frame();
            let tunnelled = pair.enter(&large);
            let node2 = node(2);
            let mut known = Vec::new();
            for (mtu, quoted) in [(1400, 28), (1450, 28), (1300, 76), (700, 28), (0, 500)] {
                told(&mut pair.ingress, &too_big(mtu, &tunnelled, quoted));
                // As the agent reads it.
                let learned = pair.ingress.kernel.learned_path_mtus().unwrap();
                known.push(learned[&node2]);
                assert_eq!(learned.len(), 1);
            }
            assert_eq!(known, [1400, 1400, 1300, 1280, 1280]);
            assert!(pair.home.kernel.learned_path_mtus().unwrap().is_empty());
        });
    });
}

#[test]
fn errors_about_what_is_no_tunnel_packet_of_this_node_teach_nothing() {
    lab(|lab| {
        pairs(lab, |mut pair| {
            let us = at(node(1), 8080);
            let large = tcp(client(9), us, "S").payload(&[7; 1400]).frame();
            let tunnelled = pair.enter(&large);
            let stranger = Ipv4Addr::new(198, 51, 100, 77);
            for (what, at, bytes) in [
                ("another node's", 26, &stranger.octets()[..]),
                ("to a stranger", 30, &stranger.octets()[..]),
                ("to another port", 36, &[0, 53][..]),
            ] {
                let frame = too_big(1400, &patched(&tunnelled, &[(at, bytes)]), 28);
                pair.ingress.untouched(what, &frame);
            }
            // The node's own by its ends, and not as it makes them.
            for (at, bytes) in [
                (20, &[0, 0][..]),
                (34, &[0x7f, 0xff][..]),
                (40, &[0, 1][..]),
            ] {
                let frame = too_big(1400, &patched(&tunnelled, &[(at, bytes)]), 28);
                told(&mut pair.ingress, &frame);
            }
            assert!(pair.ingress.kernel.learned_path_mtus().unwrap().is_empty());
        });
    });
}
