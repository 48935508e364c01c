//! What a sender is told whose packet does not fit the tunnel: by an error with what fits, which quotes the packet as it is
//! on the wire.

use std::net::{Ipv4Addr, SocketAddrV4};

use etherparse::{IpNumber, Ipv4Header};
use lb_abi::counters::Reason;
use lb_abi::service::LOCAL;
use lb_abi::settings::Settings;
use lb_datapath::checksum::full;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::pmtu::answer;

use crate::nodes::{FRONTEND, INGRESS, serving};
use crate::packets::{Body, Transport};

const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 7), 40_000);

/// A packet of at least 20 bytes behind its IPv4 header: so many are quoted.
fn packet(transport: Transport) -> Vec<u8> {
    let body = Body {
        tos: 0x2e,
        payload: (0..13).collect(),
        ..Body::bare(transport)
    };
    body.frame(CLIENT, FRONTEND)
}

fn told(memory: &Memory, bytes: &[u8]) -> Option<Vec<u8>> {
    let own = memory.settings.unwrap().node;
    let mut frame = Frame::<true>::new(bytes.to_vec());
    answer(&mut frame, memory, own).then_some(frame.bytes)
}

/// What the sender of a frame is told: that so many bytes fit.
fn expected(sent: &[u8], fits: u16) -> Vec<u8> {
    let [high, low] = fits.to_be_bytes();
    let mut icmp = vec![3, 4, 0, 0, 0, 0, high, low];
    icmp.extend(&sent[14..54]);
    let sum = full(&icmp);
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    let (from, to) = (INGRESS.octets(), CLIENT.ip().octets());
    let mut ip = Ipv4Header::new(0, 64, IpNumber::ICMP, from, to).unwrap();
    ip.dont_fragment = true;
    ip.set_payload_len(icmp.len()).unwrap();
    ip.header_checksum = ip.calc_header_checksum();
    let mut frame = sent[..14].to_vec();
    frame.extend(ip.to_bytes());
    frame.extend(icmp);
    frame
}

#[test]
fn the_sender_is_told_what_fits_and_which_packet_did_not() {
    let memory = serving(INGRESS, LOCAL, 1);
    let transports = [
        Transport::Tcp(0x18, Vec::new(), 7),
        Transport::Udp(true),
        Transport::Udp(false),
    ];
    for transport in transports {
        let sent = packet(transport);
        // 1500 less 56.
        assert_eq!(told(&memory, &sent), Some(expected(&sent, 1444)));
    }
    assert_eq!(
        memory.dropped.borrow()[&Reason::TooBig],
        3,
        "and each is counted"
    );
}

#[test]
fn no_size_is_too_large_or_too_small_to_be_told() {
    let mut memory = serving(INGRESS, LOCAL, 1);
    let sent = packet(Transport::Udp(true));
    for (mtu, fits) in [
        (57, 1),
        (56, 0),
        (20, 0),
        (65_535, 65_479),
        (100_000, 65_479),
    ] {
        memory.settings = memory.settings.map(|settings| Settings { mtu, ..settings });
        assert_eq!(told(&memory, &sent), Some(expected(&sent, fits)), "{mtu}");
    }
}

#[test]
fn of_what_cannot_be_quoted_nobody_is_told_and_nothing_is_counted() {
    let memory = serving(INGRESS, LOCAL, 1);
    // A header with options, and one byte less than is quoted.
    let options = Body {
        ip_options: vec![1; 4],
        payload: vec![0; 32],
        ..Body::bare(Transport::Udp(true))
    };
    let mut short = packet(Transport::Udp(true));
    short.truncate(53);
    for frame in [options.frame(CLIENT, FRONTEND), short, vec![0; 20]] {
        assert_eq!(told(&memory, &frame), None);
    }
    assert!(memory.dropped.borrow().is_empty());
}

/// The sum of what TCP and UDP take for a header before theirs (RFC 9293, section 3.1), folded, and not the complement.
fn pseudo(frame: &[u8]) -> u16 {
    let length = u16::try_from(frame.len() - 34).unwrap();
    let header = [&frame[26..34], &[0, frame[23]], &length.to_be_bytes()].concat();
    !full(&header)
}

#[test]
fn a_checksum_that_the_sender_left_to_the_hardware_is_finished_in_the_answer() {
    let memory = serving(INGRESS, LOCAL, 1);
    for (transport, at) in [
        (Transport::Tcp(0x18, Vec::new(), 7), 16),
        (Transport::Udp(true), 6),
    ] {
        let mut sent = packet(transport);
        let left = pseudo(&sent).to_be_bytes();
        sent[34 + at..34 + at + 2].copy_from_slice(&left);
        let mut answer = told(&memory, &sent).unwrap();
        // The device sums up what lies behind the quoted IPv4 header, and puts the complement in the field.
        let quoted = 14 + 28 + 20;
        let sum = full(&answer[quoted..]);
        answer[quoted + at..quoted + at + 2].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(full(&answer[34..]), 0, "as whoever gets it finds it");
        // Of fragments no device finishes it.
        sent[20] |= 0x20;
        let told = told(&memory, &sent);
        assert_eq!(told, Some(expected(&sent, 1444)));
    }
}
