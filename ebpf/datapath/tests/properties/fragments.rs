//! Fragments of fragmented datagrams: the ports of the first one are those of the others of the same packet,
//! and of no other.

use std::net::{Ipv4Addr, SocketAddrV4};

use lb_abi::service::LOCAL;
use lb_datapath::Verdict;
use lb_datapath::checksum::full;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::pmtu::answer;
use lb_datapath::uplink::uplink;

use crate::nodes::{FRONTEND, INGRESS, serving, task};
use crate::packets::{Body, Transport};

const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 7), 40_000);

/// A fragment of a datagram: with this number, at this place (in units of 8 bytes), with more to come or not.
fn fragment(id: u16, offset: u16, more: bool) -> Vec<u8> {
    let body = Body {
        payload: vec![7; 32],
        ..Body::bare(Transport::Udp(false))
    };
    let mut frame = body.frame(CLIENT, FRONTEND);
    let field = offset | if more { 0x2000 } else { 0 };
    frame[18..20].copy_from_slice(&id.to_be_bytes());
    frame[20..22].copy_from_slice(&field.to_be_bytes());
    summed(frame)
}

/// The frame with a right checksum of its IPv4 header.
fn summed(mut frame: Vec<u8>) -> Vec<u8> {
    frame[24..26].fill(0);
    let sum = full(&frame[14..34]).to_be_bytes();
    frame[24..26].copy_from_slice(&sum);
    frame
}

fn tc(memory: &Memory, bytes: Vec<u8>) -> Verdict {
    uplink(&mut Frame::<true>::new(bytes), memory)
}

#[test]
fn a_later_piece_is_known_by_its_packets_number() {
    let memory = serving(INGRESS, LOCAL, 1);
    assert_eq!(tc(&memory, fragment(1, 5, true)), Verdict::Pass, "no first");
    assert_eq!(tc(&memory, fragment(1, 0, true)), Verdict::Bridge);
    assert_eq!(tc(&memory, fragment(1, 5, true)), Verdict::Bridge);
    assert_eq!(tc(&memory, fragment(1, 10, false)), Verdict::Bridge);
    assert_eq!(
        tc(&memory, fragment(2, 5, false)),
        Verdict::Pass,
        "another's"
    );
}

#[test]
fn a_later_piece_gets_another_address_and_nothing_else() {
    let memory = serving(INGRESS, LOCAL, 1);
    tc(&memory, fragment(1, 0, true));
    let sent = fragment(1, 5, false);
    let mut frame = Frame::<true>::new(sent.clone());
    assert_eq!(uplink(&mut frame, &memory), Verdict::Bridge);
    let mut expected = sent;
    expected[30..34].copy_from_slice(&task(0).ip().octets());
    assert_eq!(frame.bytes, summed(expected));
}

#[test]
fn pieces_follow_the_first_one_soon_or_are_another_packets() {
    // Numbers of packets are used again; after two ticks, some 2 s, one is taken for a new packet's.
    for (later, expected) in [(2, Verdict::Bridge), (3, Verdict::Pass)] {
        let mut memory = serving(INGRESS, LOCAL, 1);
        assert_eq!(tc(&memory, fragment(1, 0, true)), Verdict::Bridge);
        memory.now = later;
        assert_eq!(tc(&memory, fragment(1, 5, true)), expected, "{later}");
    }
    // At once, if a first fragment with its number shows that it is another one: here to a port that is not published.
    let memory = serving(INGRESS, LOCAL, 1);
    let mut other = fragment(1, 0, true);
    other[37] = 81;
    tc(&memory, fragment(1, 0, true));
    tc(&memory, fragment(1, 0, true));
    assert_eq!(tc(&memory, fragment(1, 5, true)), Verdict::Bridge);
    assert_eq!(tc(&memory, other), Verdict::Pass);
    assert_eq!(tc(&memory, fragment(1, 5, true)), Verdict::Pass);
}

#[test]
fn nobody_is_told_that_a_later_piece_was_too_large() {
    // RFC 1122, section 3.2.2: no errors about fragments other than the first.
    let memory = serving(INGRESS, LOCAL, 1);
    let own = memory.settings.unwrap().node;
    for (offset, expected) in [(0, true), (1, false), (0x1000, false)] {
        for more in [true, false] {
            let mut frame = Frame::<true>::new(fragment(1, offset, more));
            assert_eq!(answer(&mut frame, &memory, own), expected, "at {offset}");
        }
    }
}
