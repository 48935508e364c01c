//! ICMP errors: to the task whose packet they are about, and from tasks to clients.
//! Expected frames are built anew, checksums included.

use std::net::Ipv4Addr;

use lb_abi::counters::Reason;
use lb_abi::{TCP, UDP};
use lb_datapath::Verdict;
use lb_datapath::checksum::full;
use lb_datapath::verdict::Outcome;

use crate::frames::{CLIENT, at, client, patched, tcp, udp};
use crate::hooks::{sealed, wired};
use crate::lab::{GATEWAY, lab, mac, node};
use crate::pair::{Pair, pairs};
use crate::states::{address_of, here, publish};
use crate::world::{BridgeTc, UplinkTc, UplinkXdp, World};

/// A router between the client and the node.
pub(crate) const ROUTER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 254);
/// Fragmentation needed, next hop's MTU 1300.
pub(crate) const TOO_BIG: [u8; 8] = [3, 4, 0, 0, 0, 0, 0x05, 0x14];
/// Port unreachable.
pub(crate) const UNREACHABLE: [u8; 8] = [3, 3, 0, 0, 0, 0, 0, 0];
/// Time exceeded in transit.
const EXCEEDED: [u8; 8] = [11, 0, 0, 0, 0, 0, 0, 0];

/// An ICMP error about a frame, of which it carries `bytes` from the IPv4 header on.
pub(crate) fn error(
    from: Ipv4Addr,
    to: Ipv4Addr,
    header: [u8; 8],
    about: &[u8],
    bytes: usize,
) -> Vec<u8> {
    let mut icmp = header.to_vec();
    icmp.extend(&about[14..(14 + bytes).min(about.len())]);
    let sum = full(&icmp).to_be_bytes();
    icmp[2..4].copy_from_slice(&sum);
    let length = u16::try_from(20 + icmp.len()).unwrap().to_be_bytes();
    let mut ip = vec![0x45, 0xc0, length[0], length[1], 0, 7, 0, 0, 60, 1, 0, 0];
    ip.extend(from.octets());
    ip.extend(to.octets());
    let sum = full(&ip).to_be_bytes();
    ip[10..12].copy_from_slice(&sum);
    [&mac(node(1))[..], &mac(GATEWAY), &[8, 0], &ip, &icmp].concat()
}

#[test]
fn an_error_about_a_reply_reaches_the_task_that_sent_it() {
    lab(|lab| {
        let mut world = World::new(lab, 1);
        world.change(|state| {
            publish(state, TCP, 8080, 80, &[here(1), here(2)]);
            publish(state, UDP, 5353, 53, &[here(1), here(2)]);
        });
        let us = client(1000);
        for (header, bytes) in [(TOO_BIG, 28), (EXCEEDED, 28), (UNREACHABLE, 500)] {
            world.send(UplinkTc, &tcp(us, at(node(1), 8080), "S").frame());
            let task = world.task_of(us.port(), TCP);
            let told = |from| {
                error(
                    ROUTER,
                    *at(from, 0).ip(),
                    header,
                    &tcp(at(from, if from == node(1) { 8080 } else { 80 }), us, "PA").frame(),
                    bytes.min(28),
                )
            };
            let frame = told(node(1));
            assert_eq!(
                world.send(UplinkXdp, &frame),
                (Verdict::Pass, frame.clone())
            );
            assert_eq!(
                world.send(UplinkTc, &frame),
                (Verdict::Bridge, told(address_of(task)))
            );

            world.send(UplinkTc, &udp(us, at(node(1), 5353)).frame());
            let task = world.task_of(us.port(), UDP);
            let told = |from| {
                error(
                    CLIENT,
                    from,
                    header,
                    &udp(at(from, if from == node(1) { 5353 } else { 53 }), us).frame(),
                    bytes,
                )
            };
            assert_eq!(
                world.send(UplinkTc, &told(node(1))),
                (Verdict::Bridge, told(address_of(task)))
            );
        }
    });
}

#[test]
fn an_error_of_a_task_reaches_the_client_in_the_frontends_name() {
    lab(|lab| {
        let mut world = World::new(lab, 1);
        world.change(|state| publish(state, UDP, 5353, 53, &[here(1)]));
        let us = client(1000);
        let asked = udp(us, at(node(1), 5353)).frame();
        let (_, delivered) = world.send(UplinkTc, &asked);
        let frame = error(address_of(1), CLIENT, UNREACHABLE, &delivered, 500);
        assert_eq!(
            world.send(BridgeTc, &frame),
            (
                Verdict::Uplink,
                error(node(1), CLIENT, UNREACHABLE, &asked, 500)
            )
        );
    });
}

#[test]
fn errors_travel_through_the_tunnel_both_ways() {
    lab(|lab| {
        pairs(lab, |mut pair: Pair| {
            let us = client(1000);
            let asked = udp(us, at(node(1), 5353)).frame();
            let delivered = pair.deliver(&asked);
            let answered = pair.reply(&udp(at(address_of(1), 53), us).frame());

            let frame = error(ROUTER, node(1), TOO_BIG, &answered, 500);
            let inside = udp(at(address_of(1), 53), us).frame();
            assert_eq!(
                pair.deliver(&frame)[14..],
                error(ROUTER, address_of(1), TOO_BIG, &inside, 500)[14..]
            );

            let frame = error(address_of(1), CLIENT, UNREACHABLE, &delivered, 500);
            assert_eq!(
                pair.reply(&frame)[14..],
                error(node(1), CLIENT, UNREACHABLE, &asked, 500)[14..]
            );
        });
    });
}

#[test]
fn an_error_goes_to_who_sent_what_it_is_about_and_to_nobody_else() {
    lab(|lab| {
        pairs(lab, |mut pair: Pair| {
            let us = client(1000);
            let delivered = pair.deliver(&udp(us, at(node(1), 5353)).frame());
            let stranger = Ipv4Addr::new(192, 0, 2, 66);
            // Out of the tunnel, from the task's own node.
            let good = error(address_of(1), CLIENT, UNREACHABLE, &delivered, 500);
            let good = pair.leave(&good);
            let elsewhere = patched(&good, &[(86, &stranger.octets())]);
            let (verdict, _) = pair.ingress.send(UplinkTc, &sealed(elsewhere, 2));
            assert_eq!(verdict, Verdict::Drop(Reason::UnknownTask));
            assert_eq!(pair.ingress.send(UplinkTc, &good).0, Verdict::Uplink);
            // From the task.
            let frame = error(address_of(1), stranger, UNREACHABLE, &delivered, 500);
            let (verdict, after) = pair.home.send(BridgeTc, &frame);
            assert_eq!((verdict, after), (Verdict::Pass, frame));
        });
    });
}

#[test]
fn errors_about_anything_else_are_untouched() {
    lab(|lab| {
        let mut world = World::new(lab, 1);
        world.change(|state| publish(state, TCP, 8080, 80, &[here(1)]));
        let us = client(1000);
        world.send(UplinkTc, &tcp(us, at(node(1), 8080), "S").frame());
        let ours = tcp(at(node(1), 8080), us, "PA").frame();
        let about = |frame: &[u8]| error(ROUTER, node(1), TOO_BIG, frame, 28);
        for (what, frame) in [
            (
                "another port",
                about(&tcp(at(node(1), 22), us, "PA").frame()),
            ),
            (
                "no flow",
                about(&tcp(at(node(1), 8080), client(1001), "PA").frame()),
            ),
            ("cut short", error(ROUTER, node(1), TOO_BIG, &ours, 27)),
            (
                "an echo",
                error(ROUTER, node(1), [8, 0, 0, 0, 0, 1, 0, 1], &ours, 28),
            ),
            (
                "a redirect",
                error(ROUTER, node(1), [5, 1, 0, 0, 10, 0, 0, 1], &ours, 28),
            ),
            (
                "for another host",
                error(ROUTER, node(2), TOO_BIG, &ours, 28),
            ),
            ("a later fragment", about(&patched(&ours, &[(20, &[0, 9])]))),
        ] {
            world.untouched(what, &frame);
        }
    });
}

#[test]
fn errors_out_of_the_tunnel_are_about_flows_or_dropped() {
    lab(|lab| {
        pairs(lab, |mut pair: Pair| {
            let us = client(1000);
            pair.deliver(&udp(us, at(node(1), 5353)).frame());
            let answered = pair.reply(&udp(at(address_of(1), 53), us).frame());
            let tunnelled = pair.enter(&error(ROUTER, node(1), TOO_BIG, &answered, 500));
            let key = 14 + 40;
            let strange = sealed(patched(&tunnelled, &[(key, &[9; 8])]), 1);
            let before = pair.home.dropped(Reason::UnknownTask);
            assert_eq!(
                pair.home.send(UplinkTc, &strange).0,
                Verdict::Drop(Reason::UnknownTask)
            );
            assert_eq!(pair.home.dropped(Reason::UnknownTask), before + 1);
            // Back to the ingress node as if it were an answer: no client asked for it.
            let astray = wired(sealed(patched(&tunnelled, &[(14 + 38, &[2])]), 1), 2);
            assert!(matches!(
                pair.home.send(UplinkTc, &astray).0.outcome(),
                Outcome::Drop(_)
            ));
        });
    });
}
