//! Packets that the kernel has merged of several: each segment has a size, and on the wire headers of its own.

use std::net::{Ipv4Addr, SocketAddrV4};

use lb_abi::service::{LOCAL, REMOTE};
use lb_datapath::Verdict;
use lb_datapath::bridge::bridge;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::uplink::uplink;

use crate::nodes::{FRONTEND, INGRESS, key, pair, serving, task};
use crate::packets::{Body, Transport, segment};

const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 7), 40_000);
const ACK: u8 = 0x10;

/// Three segments in one frame, with this payload each.
fn merged(size: u32, from: SocketAddrV4, to: SocketAddrV4) -> Frame<true> {
    let payload = usize::try_from(3 * size).unwrap();
    let body = Body {
        payload: vec![7; payload],
        ..segment(ACK)
    };
    Frame {
        segment_size: size,
        segments: 3,
        ..Frame::new(body.frame(from, to))
    }
}

fn opened(memory: &Memory) {
    let syn = segment(0x02).frame(CLIENT, FRONTEND);
    uplink(&mut Frame::<true>::new(syn), memory);
}

/// Packets and bytes from clients, and to them.
fn counted(memory: &Memory) -> [(u64, u64); 2] {
    let counters = memory.counters.borrow()[&key(0)];
    [
        (counters.packets_in, counters.bytes_in),
        (counters.packets_out, counters.bytes_out),
    ]
}

#[test]
fn each_segment_is_counted_with_its_headers() {
    // 3 times 40 bytes of headers and 500 of payload, behind a SYN of 40.
    let memory = serving(INGRESS, LOCAL, 1);
    opened(&memory);
    uplink(&mut merged(500, CLIENT, FRONTEND), &memory);
    bridge(&mut merged(500, task(0), CLIENT), &memory);
    assert_eq!(counted(&memory), [(4, 1660), (3, 1620)]);

    let (ingress, home) = pair();
    let mut syn = Frame::<true>::new(segment(0x02).frame(CLIENT, FRONTEND));
    uplink(&mut syn, &ingress);
    uplink(&mut syn, &home);
    uplink(&mut merged(500, CLIENT, FRONTEND), &ingress);
    let mut answer = merged(500, task(0), CLIENT);
    assert_eq!(bridge(&mut answer, &home), Verdict::Uplink);
    assert_eq!(uplink(&mut answer, &ingress), Verdict::Uplink);
    assert_eq!(counted(&ingress), [(4, 1660), (3, 1620)]);
    assert_eq!(
        counted(&home),
        [(0, 0); 2],
        "counted where the client came in"
    );
}

#[test]
fn a_merged_packet_fits_the_tunnel_if_its_segments_do() {
    // An MTU of 1500, less 56 of the tunnel and 40 of headers.
    let memory = serving(INGRESS, REMOTE, 1);
    opened(&memory);
    let too_big = Verdict::TooBig(INGRESS.into());
    for (size, expected) in [(1404, Verdict::Uplink), (1405, too_big)] {
        let mut frame = merged(size, CLIENT, FRONTEND);
        assert_eq!(uplink(&mut frame, &memory), expected, "{size}");
    }
    let single = |size| {
        let body = Body {
            payload: vec![7; size],
            ..segment(ACK)
        };
        uplink(
            &mut Frame::<true>::new(body.frame(CLIENT, FRONTEND)),
            &memory,
        )
    };
    assert_eq!((single(1404), single(1405)), (Verdict::Uplink, too_big));
    // The answers: the task's kernel is told by its own node.
    let (ingress, home) = pair();
    let mut syn = Frame::<true>::new(segment(0x02).frame(CLIENT, FRONTEND));
    uplink(&mut syn, &ingress);
    uplink(&mut syn, &home);
    let own = Verdict::TooBig(home.settings.unwrap().node.get());
    for (size, expected) in [(1404, Verdict::Uplink), (1405, own)] {
        let mut frame = merged(size, task(0), CLIENT);
        assert_eq!(bridge(&mut frame, &home), expected, "{size}");
    }
}

#[test]
fn datagrams_count_with_headers_of_28_bytes() {
    let memory = serving(INGRESS, LOCAL, 1);
    let body = Body {
        payload: vec![7; 300],
        ..Body::bare(Transport::Udp(true))
    };
    let mut frame = Frame {
        segment_size: 100,
        segments: 3,
        ..Frame::<true>::new(body.frame(CLIENT, FRONTEND))
    };
    assert_eq!(uplink(&mut frame, &memory), Verdict::Bridge);
    assert_eq!(counted(&memory)[0], (3, 3 * 128));
}
