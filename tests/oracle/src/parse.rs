//! The parsers against etherparse, on any bytes.

use crate::names::{Node, token_keys};
use crate::sums;
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use lb_abi::flow::Tuple;
use lb_abi::{Be16, Be32, TCP, UDP};
use lb_datapath::headers::Fragment;
use lb_datapath::l4_packet::L4Packet;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::packet::ETHERNET;
use lb_datapath::tunnel::{INNER, Read};
use lb_datapath::{icmp, parse, tunnel};

pub(crate) fn raw(bytes: &[u8]) {
    let frame = Frame::<true>::new(bytes.to_vec());
    let ipv4 = bytes.get(12..14) == Some(&[8, 0]);
    let none = Memory::default();
    let whole = |segment: &L4Packet| segment.fragment == Fragment::None;
    let ours = parse::outer(&frame, &none).filter(whole);
    if let Some(theirs) = tuple(bytes) {
        let ours = ours.map(|segment| segment.tuple);
        assert_eq!(ours, Some(theirs), "etherparse reads a segment");
    } else if let Some(segment) = ours.filter(|_| ipv4) {
        // The one thing that is left to the receiver: UDP's own length field.
        assert_eq!(segment.tuple.proto, UDP, "etherparse reads no segment");
    }
    for l3 in [ETHERNET, INNER] {
        if let Some(segment) = parse::segment(&frame, &none, l3) {
            let packet = sums::packet(bytes, l3).unwrap_or_else(|| panic!("no packet at {l3}"));
            assert_eq!(packet.fragment, !whole(&segment), "a fragment");
            assert_eq!(segment.l3, l3);
            assert_eq!(segment.l4, l3 + packet.header.len());
            let whole = packet.header.len() + packet.payload.len();
            assert_eq!(usize::from(segment.total), whole);
            assert!(
                segment.headers <= whole,
                "headers end outside of the packet"
            );
            assert!(segment.bytes(3) >= segment.bytes(0));
        }
        if let Some(error) = icmp::read(&frame, l3) {
            let packet = sums::packet(bytes, l3).unwrap_or_else(|| panic!("no packet at {l3}"));
            assert!(icmp::starts(&frame, l3));
            let about = sums_of_embedded(packet.payload);
            assert_eq!(Some(error.about), about);
            assert_eq!(error.source.to_bytes(), packet.header[12..16]);
            assert_eq!(error.destination.to_bytes(), packet.header[16..20]);
        }
    }
    let keys = token_keys(Node::First);
    let mut sealed = frame.clone();
    tunnel::seal(&mut sealed, &keys);
    assert!(
        sealed.bytes.len() == bytes.len(),
        "a token changes no length"
    );
    if let Read::Opened(opened) = tunnel::open(&sealed, &keys) {
        assert!(bytes.len() >= INNER, "a tunnel header that is cut");
        assert_eq!(opened.sender.to_bytes(), bytes[26..30]);
        assert_eq!(opened.task.to_be_bytes(), bytes[54..62]);
    }
}

/// The tuple of the packet that an ICMP error's payload begins with.
fn sums_of_embedded(icmp: &[u8]) -> Option<Tuple> {
    let about = icmp.get(8..)?;
    let l4 = about.get(usize::from(about.first()? & 0xf) * 4..)?;
    let four = |at: usize| Some(Be32::from_bytes(about.get(at..at + 4)?.try_into().ok()?));
    let two = |at: usize| {
        Some(Be16::new(u16::from_be_bytes(
            l4.get(at..at + 2)?.try_into().ok()?,
        )))
    };
    Some(Tuple {
        source: four(12)?,
        destination: four(16)?,
        source_port: two(0)?,
        destination_port: two(2)?,
        proto: *about.get(9)?,
        zero: [0; 3],
    })
}

/// The 5-tuple as etherparse reads it; none for fragments, other protocols and contradictions.
fn tuple(frame: &[u8]) -> Option<Tuple> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let Some(NetSlice::Ipv4(ip)) = &packet.net else {
        return None;
    };
    // Behind VLAN tags and authentication headers it goes on; the datapath does not.
    if frame.get(12..14) != Some(&[8, 0]) || !matches!(ip.header().protocol().0, TCP | UDP) {
        return None;
    }
    let (proto, source_port, destination_port) = match packet.transport? {
        TransportSlice::Tcp(tcp) => (TCP, tcp.source_port(), tcp.destination_port()),
        TransportSlice::Udp(udp) => (UDP, udp.source_port(), udp.destination_port()),
        _ => return None,
    };
    Some(Tuple {
        source: Be32::from_bytes(ip.header().source()),
        destination: Be32::from_bytes(ip.header().destination()),
        source_port: Be16::new(source_port),
        destination_port: Be16::new(destination_port),
        proto,
        zero: [0; 3],
    })
}
