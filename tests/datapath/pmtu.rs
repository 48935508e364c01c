//! Packets too large for the tunnel: whoever sent one is told which size fits.

use std::net::Ipv4Addr;

use lb_abi::counters::Reason;
use lb_abi::{TCP, UDP};
use lb_datapath::Verdict;
use lb_datapath::checksum::full;

use crate::errors::error;
use crate::frames::{CLIENT, at, client, patched, tcp, udp};
use crate::lab::{Lab, lab, node};
use crate::pair::{Pair, pairs};
use crate::states::{address_of, publish, there};
use crate::world::{BridgeTc, UplinkTc, UplinkXdp, World};

/// Fragmentation needed: 1444 bytes of packet and 56 of tunnel fill a link of 1500.
const FITS: [u8; 8] = [3, 4, 0, 0, 0, 0, 0x05, 0xa4];
/// Bytes that an answer quotes: headers of IPv4 and TCP.
const QUOTED: usize = 40;

#[test]
fn the_sender_of_what_does_not_fit_the_tunnel_is_told_what_does() {
    let (most, more) = ([0x77; 1404], [0x77; 1405]);
    lab(|lab| {
        pairs(lab, |mut pair| {
            let (us, task) = (at(node(1), 8080), at(address_of(1), 80));
            let (from_client, from_task) = (tcp(client(9), us, "PA"), tcp(task, client(9), "PA"));
            pair.deliver(&tcp(client(9), us, "S").frame());
            pair.deliver(&from_client.clone().payload(&most).frame());
            pair.reply(&from_task.clone().payload(&most).frame());

            let large = from_client.payload(&more).frame();
            told(&mut pair, &large, 0);
            let large = udp(client(9), at(node(1), 5353))
                .payload(&[5; 1425])
                .frame();
            told(&mut pair, &large, 0);
            // Merged packets count by segment: here 40 bytes of headers and 1405 of data.
            let merged = tcp(client(9), us, "PA").payload(&[0; 2810]).frame();
            told(&mut pair, &merged, 1405);
            assert_eq!(pair.ingress.dropped(Reason::TooBig), 3);

            let large = from_task.payload(&more).frame();
            let answer = error(node(2), *task.ip(), FITS, &large, QUOTED);
            let (verdict, frame) = pair.home.send(BridgeTc, &large);
            assert_eq!(verdict, from(node(2)));
            same(&frame, &answer);
            assert_eq!(pair.home.dropped(Reason::TooBig), 1);
            let counted = pair.ingress.counted(1);
            assert_eq!(counted.packets_in, 2, "the large ones never went");
        });
    });
}

/// tc answers `large`; XDP leaves that to tc.
#[track_caller]
fn told(pair: &mut Pair, large: &[u8], segment_size: u32) {
    let told = from(node(1));
    assert_eq!(pair.ingress.send(UplinkXdp, large), (told, large.to_vec()));
    let (verdict, frame) = if segment_size == 0 {
        pair.ingress.send(UplinkTc, large)
    } else {
        pair.ingress.send_merged(UplinkTc, large, 2, segment_size)
    };
    assert_eq!(verdict, told);
    same(&frame, &error(node(1), CLIENT, FITS, large, QUOTED));
}

/// The sender is told so from this address.
fn from(own: Ipv4Addr) -> Verdict {
    Verdict::TooBig(own.into())
}

/// Asserts that two frames are one ICMP message, from and to the same addresses, whoever made them.
#[track_caller]
fn same(frame: &[u8], expected: &[u8]) {
    assert_eq!(full(&frame[14..34]), 0, "IPv4 checksum");
    assert_eq!(frame[26..], expected[26..]);
    assert_eq!(frame[16..18], expected[16..18], "total length");
}

#[test]
fn a_container_that_calls_is_told_by_its_own_node() {
    lab(|lab| {
        let mut world = calling(lab);
        let large = udp(at(address_of(9), 5000), at(node(1), 5353)).payload(&[1; 1425]);
        let large = large.frame();
        let (verdict, frame) = world.send(BridgeTc, &large);
        assert_eq!(verdict, from(node(1)));
        same(&frame, &error(node(1), address_of(9), FITS, &large, QUOTED));
    });
}

/// A checksum left to the hardware holds the sum of the pseudo header: its owner finishes it
/// over what is quoted, and the answer's own checksum has to fit what comes of that.
#[test]
fn a_checksum_that_is_still_to_be_finished_is_reckoned_with() {
    lab(|lab| {
        let mut world = calling(lab);
        let caller = at(address_of(9), 5000);
        for (frame, field) in [
            (
                udp(caller, at(node(1), 5353)).payload(&[1; 1425]).frame(),
                40,
            ),
            (
                tcp(caller, at(node(1), 8080), "S")
                    .payload(&[1; 1405])
                    .frame(),
                50,
            ),
        ] {
            let length = u16::try_from(frame.len() - 34).unwrap().to_be_bytes();
            let pseudo = [&frame[26..34], &[0, frame[23]], &length].concat();
            let seed = (!full(&pseudo)).to_be_bytes();
            let unfinished = patched(&frame, &[(field, &seed)]);
            let (_, answer) = world.send(BridgeTc, &unfinished);
            // The kernel's skb_checksum_help: from the quoted transport header to the end.
            let start = 34 + 28;
            let finished = full(&answer[start..]).to_be_bytes();
            let answer = patched(&answer, &[(field + 28, &finished)]);
            assert_eq!(full(&answer[34..]), 0, "ICMP checksum");
        }
    });
}

#[test]
fn what_can_not_be_quoted_is_dropped_and_counted() {
    lab(|lab| {
        let mut world = calling(lab);
        let us = at(node(1), 5353);
        let options = udp(client(9), us).ip_options(&[1; 4]).payload(&[0; 1425]);
        let dropped = Verdict::Drop(Reason::TooBig);
        assert_eq!(world.send(UplinkTc, &options.frame()).0, dropped);
        assert_eq!(world.dropped(Reason::TooBig), 1);
    });
}

/// Node 1, whose one task is on node 2.
fn calling(lab: &Lab) -> World {
    let mut world = World::new(lab, 1);
    world.change(|state| {
        publish(state, TCP, 8080, 80, &[there(1, node(2))]);
        publish(state, UDP, 5353, 53, &[there(1, node(2))]);
    });
    world
}
