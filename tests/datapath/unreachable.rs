//! No next hop, or no room: XDP leaves it to tc, and tc says what can't be helped.

use std::net::Ipv4Addr;

use lb_abi::TCP;
use lb_abi::counters::Reason;
use lb_datapath::Verdict;

use crate::frames::{at, client, tcp, udp};
use crate::lab::{ELSEWHERE, lab, node};
use crate::pair::{Pair, pairs};
use crate::states::{address_of, publish, there};
use crate::world::{BridgeTc, UplinkTc, UplinkXdp, World};

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
            assert_eq!(frame[62..], syn[14..], "{what}");
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

#[test]
fn what_outgrows_the_uplink_inside_the_tunnel_is_dropped_and_counted() {
    // With 48 bytes of tunnel, 1452 bytes of packet fill a link of 1500.
    let (most, more) = ([0x77; 1412], [0x77; 1413]);
    lab(|lab| {
        pairs(lab, |mut pair| {
            let (us, task) = (at(node(1), 8080), at(address_of(1), 80));
            let (from_client, from_task) = (tcp(client(9), us, "PA"), tcp(task, client(9), "PA"));
            pair.deliver(&tcp(client(9), us, "S").frame());
            pair.deliver(&from_client.clone().payload(&most).frame());
            pair.reply(&from_task.clone().payload(&most).frame());
            let too_big = Verdict::Drop(Reason::TooBig);
            let sent = from_client.payload(&more).frame();
            assert_eq!(pair.ingress.send(UplinkXdp, &sent).0, too_big);
            assert_eq!(pair.ingress.send(UplinkTc, &sent).0, too_big);
            let datagram = udp(client(9), at(node(1), 5353))
                .payload(&[0; 1425])
                .frame();
            assert_eq!(pair.ingress.receive(&datagram).0, too_big);
            // Merged packets count by segment: here 40 bytes of headers and 1413 of data.
            let merged = tcp(client(9), us, "PA").payload(&[0; 2826]).frame();
            assert_eq!(
                pair.ingress.send_merged(UplinkTc, &merged, 2, 1413).0,
                too_big
            );
            assert_eq!(pair.ingress.dropped(Reason::TooBig), 4);
            let sent = from_task.payload(&more).frame();
            assert_eq!(pair.home.send(BridgeTc, &sent).0, too_big);
            assert_eq!(pair.home.dropped(Reason::TooBig), 1);
            assert_eq!(
                pair.ingress.counted(1).packets_in,
                2,
                "dropped ones are not counted as sent"
            );
        });
    });
}
