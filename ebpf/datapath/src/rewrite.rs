//! Changing one end of a packet: its address, with its port or both ports, and both checksums.

use crate::checksum;
use crate::headers::Fragment;
use crate::l4_packet::L4Packet;
use crate::packet::{Change, Packet};
use lb_abi::{Be16, Be32, UDP};

/// The end of a packet that is rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Source address and port.
    Source,
    /// Destination address and port.
    Destination,
}

impl End {
    /// Both ports of a packet in their order, where this end's is `port` and the other's `other`.
    #[inline(always)]
    #[must_use]
    pub const fn ports(self, port: Be16, other: Be16) -> [Be16; 2] {
        match self {
            Self::Source => [port, other],
            Self::Destination => [other, port],
        }
    }
}

/// Gives one end of the packet another address and port, and the other end the port `other`,
/// which may be the one that it has. False if it could not be written.
///
/// The ports are neighbours: changing both costs no more than one, and needs no question.
#[inline(always)]
pub fn rewrite<P: Packet>(
    packet: &mut P,
    segment: &L4Packet,
    end: End,
    (address, port): (Be32, Be16),
    other: Be16,
) -> bool {
    let ports = end.ports(port, other);
    let checksum_at = segment.l4 + checksum::offset(segment.tuple.proto);
    let (address_at, change) = readdressed(segment, end, address);
    if segment.fragment == Fragment::Rest {
        return patch_header(packet, segment, address_at, change);
    }
    packet.patch_transport(checksum_at, change)
        && packet.patch_transport(
            checksum_at,
            Change {
                from: bytes([segment.tuple.source_port, segment.tuple.destination_port]),
                to: bytes(ports),
                pseudo: false,
                ..change
            },
        )
        && patch_header(packet, segment, address_at, change)
        && packet.store(segment.l4, &ports)
}

/// Gives one end of the packet another address, where that is not the one that it has, and leaves all ports.
/// False if it could not be written.
#[inline(always)]
pub fn change_address<P: Packet>(
    packet: &mut P,
    segment: &L4Packet,
    end: End,
    address: Be32,
) -> bool {
    let (address_at, change) = readdressed(segment, end, address);
    if change.from == change.to {
        return true;
    }
    let checksum_at = segment.l4 + checksum::offset(segment.tuple.proto);
    (segment.fragment == Fragment::Rest || packet.patch_transport(checksum_at, change))
        && patch_header(packet, segment, address_at, change)
}

/// Where the address of one end lies, and the change when it becomes `address`, as transport checksums have it.
#[inline(always)]
fn readdressed(segment: &L4Packet, end: End, address: Be32) -> (usize, Change) {
    let (old, at) = match end {
        End::Source => (segment.tuple.source, segment.l3 + 12),
        End::Destination => (segment.tuple.destination, segment.l3 + 16),
    };
    let change = Change {
        from: old.to_bytes(),
        to: address.to_bytes(),
        wide: true,
        pseudo: true,
        udp: segment.tuple.proto == UDP,
    };
    (at, change)
}

/// Writes a changed address at `at` in the IPv4 header, with the header's checksum.
#[inline(always)]
fn patch_header<P: Packet>(
    packet: &mut P,
    segment: &L4Packet,
    at: usize,
    Change { from, to, .. }: Change,
) -> bool {
    packet.patch_header(segment.l3 + 10, from, to) && packet.store(at, &to)
}

/// Two ports as they lie in a packet.
#[inline(always)]
pub(crate) const fn bytes([source, destination]: [Be16; 2]) -> [u8; 4] {
    let ([a, b], [c, d]) = (source.to_bytes(), destination.to_bytes());
    [a, b, c, d]
}
