//! Fragments: all fragments of a packet go where its first one goes.

use etherparse::Ipv4Header;
use lb_abi::UDP;
use lb_datapath::Verdict;

use crate::frames::{at, client, udp};
use crate::lab::{lab, node};
use crate::pair::pairs;
use crate::read::read;
use crate::states::{address_of, here, publish};
use crate::world::{BridgeTc, UplinkTc, UplinkXdp, World};

/// A frame cut into fragments whose data has `sizes`, multiples of eight.
pub(crate) fn fragments(frame: &[u8], sizes: &[usize]) -> Vec<Vec<u8>> {
    let (ethernet, packet) = frame.split_at(14);
    let (header, _) = Ipv4Header::from_slice(packet).unwrap();
    let data = &packet[header.header_len()..];
    let mut at = 0;
    let mut cut = Vec::new();
    for size in sizes {
        let mut header = header.clone();
        header.more_fragments = at + size < data.len();
        header.fragment_offset = u16::try_from(at / 8).unwrap().try_into().unwrap();
        header.set_payload_len(*size).unwrap();
        header.header_checksum = header.calc_header_checksum();
        let fragment = [ethernet, &header.to_bytes(), &data[at..at + size]].concat();
        cut.push(fragment);
        at += size;
    }
    assert_eq!(at, data.len());
    cut
}

/// The packet that a receiver puts together of fragments.
fn whole(fragments: &[Vec<u8>]) -> Vec<u8> {
    let mut data = vec![];
    let mut first = None;
    for fragment in fragments {
        let (header, rest) = Ipv4Header::from_slice(&fragment[14..]).unwrap();
        assert_eq!(header.header_checksum, header.calc_header_checksum());
        assert_eq!(usize::from(header.fragment_offset.value()) * 8, data.len());
        let first = first.get_or_insert_with(|| header.clone());
        assert_eq!(header.identification, first.identification);
        let ends = |header: &Ipv4Header| (header.source, header.destination);
        assert_eq!(ends(&header), ends(first));
        data.extend(&rest[..usize::from(header.total_len) - header.header_len()]);
    }
    let mut header = first.unwrap();
    header.more_fragments = false;
    header.set_payload_len(data.len()).unwrap();
    header.header_checksum = header.calc_header_checksum();
    [&fragments[0][..14], &header.to_bytes(), &data].concat()
}

#[test]
fn the_pieces_of_a_datagram_reach_one_task_and_make_a_whole() {
    let text: Vec<u8> = (0..3000u32).map(|n| n.to_le_bytes()[0]).collect();
    lab(|lab| {
        pairs(lab, |mut pair| {
            let (us, task) = (at(node(1), 5353), at(address_of(1), 53));
            let asked = udp(client(7), us).payload(&text).frame();
            let arrived: Vec<_> = fragments(&asked, &[1400, 1400, 208])
                .iter()
                .map(|fragment| pair.deliver(fragment))
                .collect();
            let seen = read(&whole(&arrived));
            assert_eq!((seen.from, seen.to), (client(7), task));
            assert_eq!(seen.payload, text);

            let answered = udp(task, client(7)).payload(&text).frame();
            let arrived: Vec<_> = fragments(&answered, &[1400, 1400, 208])
                .iter()
                .map(|fragment| pair.reply(fragment))
                .collect();
            let seen = read(&whole(&arrived));
            assert_eq!((seen.from, seen.to), (us, client(7)));
            assert_eq!(seen.payload, text);
            let counted = pair.ingress.counted(1);
            assert_eq!(
                (counted.new, counted.packets_in, counted.packets_out),
                (1, 3, 3)
            );
        });
    });
}

#[test]
fn pieces_before_the_first_and_pieces_of_what_is_not_ours_are_the_kernels() {
    lab(|lab| {
        let mut world = World::new(lab, 1);
        world.change(|state| publish(state, UDP, 5353, 53, &[here(1), here(2)]));
        let ours = udp(client(7), at(node(1), 5353)).payload(&[1; 100]).frame();
        let ours = fragments(&ours, &[64, 44]);
        world.untouched("a fragment before its first", &ours[1]);
        let others = udp(client(7), at(node(1), 999)).payload(&[1; 100]).frame();
        for fragment in fragments(&others, &[64, 44]) {
            world.untouched("a fragment of what is not ours", &fragment);
        }
        let strangers = udp(at(address_of(1), 999), client(7))
            .payload(&[1; 100])
            .frame();
        for fragment in fragments(&strangers, &[64, 44]) {
            let (verdict, after) = world.send(BridgeTc, &fragment);
            assert_eq!((verdict, after), (Verdict::Pass, fragment));
        }
        assert!(world.tables().fragments.borrow().is_empty());
        // The same packet in its order is served.
        for fragment in &ours {
            assert_eq!(
                world.send(UplinkXdp, fragment),
                (Verdict::Pass, fragment.clone())
            );
            assert_eq!(world.send(UplinkTc, fragment).0, Verdict::Bridge);
        }
    });
}

#[test]
fn a_container_may_send_pieces_too() {
    lab(|lab| {
        let mut world = World::new(lab, 1);
        world.change(|state| publish(state, UDP, 5353, 53, &[here(1)]));
        let asked = udp(at(address_of(9), 5000), at(node(1), 5353)).payload(&[7; 2000]);
        let delivered: Vec<_> = fragments(&asked.frame(), &[1400, 608])
            .iter()
            .map(|fragment| world.send(BridgeTc, fragment))
            .collect();
        assert!(
            delivered
                .iter()
                .all(|(verdict, _)| *verdict == Verdict::Bridge)
        );
        let delivered: Vec<_> = delivered.into_iter().map(|(_, frame)| frame).collect();
        let seen = read(&whole(&delivered));
        assert_eq!(seen.to, at(address_of(1), 53));
        let answered = udp(seen.to, seen.from).payload(&[8; 2000]).frame();
        let delivered: Vec<_> = fragments(&answered, &[1400, 608])
            .iter()
            .map(|fragment| world.send(BridgeTc, fragment).1)
            .collect();
        let seen = read(&whole(&delivered));
        assert_eq!(
            (seen.from, seen.to),
            (at(node(1), 5353), at(address_of(9), 5000))
        );
    });
}

#[test]
fn a_first_fragment_says_nothing_of_another_packet_that_has_its_number() {
    lab(|lab| {
        let mut world = World::new(lab, 1);
        world.change(|state| publish(state, UDP, 5353, 53, &[here(1)]));
        let cut = |to| {
            let whole = udp(client(7), at(node(1), to)).payload(&[1; 100]).frame();
            fragments(&whole, &[64, 44])
        };
        let (ours, others) = (cut(5353), cut(2049));
        // A first fragment of ours, then a whole packet of the kernel's with the same number.
        world.send(UplinkTc, &ours[0]);
        world.send(UplinkTc, &others[0]);
        for fragment in &others {
            let (verdict, after) = world.send(UplinkTc, fragment);
            assert_eq!((verdict, after), (Verdict::Pass, fragment.clone()));
        }
        // A first fragment of ours, and the rest of something else's when that is long over.
        world.send(UplinkTc, &ours[0]);
        world.pass(3);
        let (verdict, after) = world.send(UplinkTc, &others[1]);
        assert_eq!((verdict, after), (Verdict::Pass, others[1].clone()));
        // In time, and in order.
        for fragment in &ours {
            assert_eq!(world.send(UplinkTc, fragment).0, Verdict::Bridge);
        }
    });
}
