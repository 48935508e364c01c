//! Random packets, and frames made of them.

use std::net::{Ipv4Addr, SocketAddrV4};

use etherparse::{
    EtherType, Ethernet2Header, IpNumber, Ipv4Header, Ipv4Options, TcpHeader, UdpHeader,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::nodes::MAC;

/// The part of a packet that no node changes.
#[derive(Clone, Debug)]
pub(crate) enum Transport {
    /// Flags as they stand in the header, options, sequence number; what it acknowledges is one more.
    Tcp(u8, Vec<u8>, u32),
    /// Does it have a checksum?
    Udp(bool),
}

/// A packet without its ends.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) transport: Transport,
    pub(crate) tos: u8,
    pub(crate) ip_options: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

impl Body {
    /// Without options and payload.
    pub(crate) fn bare(transport: Transport) -> Self {
        Self {
            transport,
            tos: 0,
            ip_options: Vec::new(),
            payload: Vec::new(),
        }
    }
}

/// A TCP segment with these flags, and nothing else to it.
pub(crate) fn segment(flags: u8) -> Body {
    Body::bare(Transport::Tcp(flags, Vec::new(), 7))
}

/// Random options of TCP, in whole words.
fn options() -> impl Strategy<Value = Vec<u8>> {
    (0usize..=10).prop_flat_map(|words| vec(any::<u8>(), words * 4))
}

/// TCP segments with these flags.
pub(crate) fn tcp(flags: impl Strategy<Value = u8>) -> impl Strategy<Value = Body> {
    let transport = (flags, options(), any::<u32>())
        .prop_map(|(flags, options, sequence)| Transport::Tcp(flags, options, sequence));
    body(transport)
}

/// UDP datagrams, with a checksum or without.
pub(crate) fn udp() -> impl Strategy<Value = Body> {
    body(any::<bool>().prop_map(Transport::Udp))
}

/// SYNs and datagrams: what may begin a flow.
pub(crate) fn opening() -> impl Strategy<Value = Body> {
    prop_oneof![tcp(Just(0x02)), udp()]
}

fn body(transport: impl Strategy<Value = Transport>) -> impl Strategy<Value = Body> {
    // The largest still fits the uplink with 40 + 40 bytes of options and the tunnel.
    (
        transport,
        any::<u8>(),
        options(),
        vec(any::<u8>(), 0..1_300),
    )
        .prop_map(|(transport, tos, ip_options, payload)| Body {
            transport,
            tos,
            ip_options,
            payload,
        })
}

/// Any host that a client could be.
pub(crate) fn client() -> impl Strategy<Value = SocketAddrV4> {
    (any::<[u8; 3]>(), 1u16..)
        .prop_map(|([a, b, c], port)| SocketAddrV4::new(Ipv4Addr::new(203, a, b, c), port))
}

impl Body {
    pub(crate) fn is_tcp(&self) -> bool {
        matches!(self.transport, Transport::Tcp(..))
    }

    /// The frame between two ends, with right checksums.
    pub(crate) fn frame(&self, from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
        let (number, header) = match &self.transport {
            Transport::Tcp(_, options, _) => (IpNumber::TCP, 20 + options.len()),
            Transport::Udp(_) => (IpNumber::UDP, 8),
        };
        let length = header + self.payload.len();
        let (source, destination) = (from.ip().octets(), to.ip().octets());
        let mut ip = Ipv4Header::new(0, 61, number, source, destination).unwrap();
        ip.options = Ipv4Options::try_from(self.ip_options.as_slice()).unwrap();
        ip.set_payload_len(length).unwrap();
        ip.dscp = (self.tos >> 2).try_into().unwrap();
        ip.ecn = (self.tos & 3).try_into().unwrap();
        ip.header_checksum = ip.calc_header_checksum();
        let mut frame = Ethernet2Header {
            destination: MAC,
            source: [2, 0, 0, 0, 0, 9],
            ether_type: EtherType::IPV4,
        }
        .to_bytes()
        .to_vec();
        frame.extend(ip.to_bytes());
        match &self.transport {
            Transport::Tcp(flags, options, sequence) => {
                let mut tcp = TcpHeader::new(from.port(), to.port(), *sequence, 1024);
                tcp.set_options_raw(options).unwrap();
                (tcp.fin, tcp.syn) = (flags & 1 != 0, flags & 2 != 0);
                (tcp.rst, tcp.psh) = (flags & 4 != 0, flags & 8 != 0);
                tcp.ack = flags & 16 != 0;
                if tcp.ack {
                    tcp.acknowledgment_number = sequence.wrapping_add(1);
                }
                tcp.checksum = tcp.calc_checksum_ipv4(&ip, &self.payload).unwrap();
                frame.extend(tcp.to_bytes());
            }
            Transport::Udp(summed) => {
                let (from, to) = (from.port(), to.port());
                let mut udp = UdpHeader::with_ipv4_checksum(from, to, &ip, &self.payload).unwrap();
                if !summed {
                    udp.checksum = 0;
                }
                frame.extend(udp.to_bytes());
            }
        }
        frame.extend(&self.payload);
        frame
    }
}
