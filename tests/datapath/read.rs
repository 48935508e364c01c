//! Content of a frame, read with other code than the datapath's, and checked in full.

use std::net::{Ipv4Addr, SocketAddrV4};

use etherparse::{NetSlice, SlicedPacket, TransportSlice};

/// The ends of a packet, its flags and payload, after its checksums were found right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Source.
    pub(crate) from: SocketAddrV4,
    /// Destination.
    pub(crate) to: SocketAddrV4,
    /// Transport checksum as it stands there.
    pub(crate) checksum: u16,
    /// TCP options; empty for UDP.
    pub(crate) options: Vec<u8>,
    /// Bytes behind the transport header.
    pub(crate) payload: Vec<u8>,
}

/// Reads a frame and recomputes every checksum in it.
#[track_caller]
pub(crate) fn read(frame: &[u8]) -> Seen {
    let packet = SlicedPacket::from_ethernet(frame).unwrap();
    let Some(NetSlice::Ipv4(ip)) = packet.net else {
        panic!("no IPv4: {frame:02x?}");
    };
    let header = ip.header().to_header();
    assert_eq!(
        header.header_checksum,
        header.calc_header_checksum(),
        "IPv4 checksum"
    );
    let (from, to) = (
        Ipv4Addr::from(header.source),
        Ipv4Addr::from(header.destination),
    );
    match packet.transport {
        Some(TransportSlice::Tcp(tcp)) => {
            let right = tcp
                .calc_checksum_ipv4(header.source, header.destination)
                .unwrap();
            assert_eq!(tcp.checksum(), right, "TCP checksum");
            Seen {
                from: SocketAddrV4::new(from, tcp.source_port()),
                to: SocketAddrV4::new(to, tcp.destination_port()),
                checksum: right,
                options: tcp.options().to_vec(),
                payload: tcp.payload().to_vec(),
            }
        }
        Some(TransportSlice::Udp(udp)) => {
            let right = udp
                .to_header()
                .calc_checksum_ipv4(&header, udp.payload())
                .unwrap();
            if udp.checksum() != 0 {
                assert_eq!(udp.checksum(), right, "UDP checksum");
            }
            Seen {
                from: SocketAddrV4::new(from, udp.source_port()),
                to: SocketAddrV4::new(to, udp.destination_port()),
                checksum: udp.checksum(),
                options: Vec::new(),
                payload: udp.payload().to_vec(),
            }
        }
        other => panic!("neither TCP nor UDP: {other:?}"),
    }
}
