//! No next hop: XDP leaves it to tc, where the kernel finds one.

use std::net::Ipv4Addr;

use lb_abi::TCP;
use lb_datapath::Verdict;

use crate::frames::{at, client, tcp};
use crate::lab::{ELSEWHERE, lab, node};
use crate::pair::Pair;
use crate::states::{address_of, publish, there};
use crate::world::{UplinkTc, UplinkXdp, World};

/// An address to which no node has a route.
const LOST: Ipv4Addr = Ipv4Addr::new(192, 0, 3, 9);

#[test]
fn without_a_next_hop_xdp_passes_and_tc_goes_on() {
    lab(|lab| {
        for (what, home) in [
            ("no neighbour", node(3)),
            ("no route", LOST),
            ("another device", ELSEWHERE),
        ] {
            let mut world = World::new(lab, 1);
            world.change(|state| publish(state, TCP, 8080, 80, &[there(1, home)]));
            let syn = tcp(client(9), at(node(1), 8080), "S").frame();
            world.routed = false;
            assert_eq!(
                world.send(UplinkXdp, &syn),
                (Verdict::Pass, syn.clone()),
                "{what}"
            );
            assert_eq!(
                world.counted(1).packets_in,
                0,
                "{what}: counted when it leaves"
            );
            let (verdict, frame) = world.send(UplinkTc, &syn);
            assert_eq!(verdict, Verdict::Uplink, "{what}");
            assert_eq!(frame[30..34], home.octets(), "{what}");
            assert_eq!(frame[70..], syn[14..], "{what}");
            let sum = world.counted(1);
            assert_eq!(
                (sum.new, sum.packets_in),
                (1, 1),
                "{what}: one flow, one packet"
            );
        }
    });
}

#[test]
fn an_answer_without_a_next_hop_to_the_client_is_left_to_tc() {
    lab(|lab| {
        let mut pair = Pair::new(lab, true);
        let lost = at(LOST, 9);
        pair.deliver(&tcp(lost, at(node(1), 8080), "S").frame());
        let answer = pair.leave(&tcp(at(address_of(1), 80), lost, "SA").frame());
        pair.ingress.routed = false;
        assert_eq!(
            pair.ingress.send(UplinkXdp, &answer),
            (Verdict::Pass, answer.clone())
        );
        assert_eq!(pair.ingress.counted(1).packets_out, 0);
        let (verdict, frame) = pair.ingress.send(UplinkTc, &answer);
        assert_eq!(verdict, Verdict::Uplink);
        assert_eq!(
            frame[14..],
            tcp(at(node(1), 8080), lost, "SA").frame()[14..]
        );
        assert_eq!(pair.ingress.counted(1).packets_out, 1);
    });
}
