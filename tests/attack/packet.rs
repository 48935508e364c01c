//! IPv4 packets as somebody builds them who may write what he likes into them.

use std::net::{Ipv4Addr, SocketAddrV4};

use etherparse::{IpNumber, Ipv4Header, PacketBuilder};

const TTL: u8 = 64;

/// A socket address.
pub(crate) fn at(address: Ipv4Addr, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(address, port)
}

/// A datagram.
pub(crate) fn udp(from: SocketAddrV4, to: SocketAddrV4, payload: &[u8]) -> Vec<u8> {
    let builder =
        PacketBuilder::ipv4(from.ip().octets(), to.ip().octets(), TTL).udp(from.port(), to.port());
    let mut packet = Vec::with_capacity(builder.size(payload.len()));
    builder.write(&mut packet, payload).unwrap();
    packet
}

/// A SYN.
pub(crate) fn syn(from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    let builder = PacketBuilder::ipv4(from.ip().octets(), to.ip().octets(), TTL)
        .tcp(from.port(), to.port(), 1, 64_240)
        .syn();
    let mut packet = Vec::with_capacity(builder.size(0));
    builder.write(&mut packet, &[]).unwrap();
    packet
}

/// A segment that acknowledges `number`, of who has sent [`syn`] before.
pub(crate) fn ack(from: SocketAddrV4, to: SocketAddrV4, number: u32) -> Vec<u8> {
    let builder = PacketBuilder::ipv4(from.ip().octets(), to.ip().octets(), TTL)
        .tcp(from.port(), to.port(), 2, 64_240)
        .ack(number);
    let mut packet = Vec::with_capacity(builder.size(0));
    builder.write(&mut packet, &[]).unwrap();
    packet
}

/// A datagram in two fragments of this identification, the first with 8 bytes of header and 24 of payload.
pub(crate) fn fragments(
    from: SocketAddrV4,
    to: SocketAddrV4,
    identification: u16,
    payload: &[u8],
) -> [Vec<u8>; 2] {
    const FIRST: usize = 32;
    let whole = udp(from, to, payload);
    let (_, datagram) = Ipv4Header::from_slice(&whole).unwrap();
    let (first, second) = datagram.split_at(FIRST);
    [(first, true, 0), (second, false, FIRST)].map(|(part, more, offset)| {
        let length = u16::try_from(part.len()).unwrap();
        let (source, destination) = (from.ip().octets(), to.ip().octets());
        let mut header = Ipv4Header::new(length, TTL, IpNumber::UDP, source, destination).unwrap();
        header.identification = identification;
        header.dont_fragment = false;
        header.more_fragments = more;
        header.fragment_offset = u16::try_from(offset / 8).unwrap().try_into().unwrap();
        header.header_checksum = header.calc_header_checksum();
        let mut packet = Vec::new();
        header.write(&mut packet).unwrap();
        packet.extend_from_slice(part);
        packet
    })
}

/// As `whoami send` takes it.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
