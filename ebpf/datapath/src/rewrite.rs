//! Changing one end of a packet: address and port, with both checksums.

use crate::packet::{Change, Packet};
use crate::parse::Segment;
use lb_abi::{Be16, Be32, UDP};

/// Which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Source address and port.
    Source,
    /// Destination address and port.
    Destination,
}

/// Gives one end of the packet another address and port. False if it could not be written.
#[inline(always)]
pub fn rewrite<P: Packet>(
    packet: &mut P,
    segment: &Segment,
    end: End,
    address: Be32,
    port: Be16,
) -> bool {
    let (old_address, old_port, address_at, port_at) = match end {
        End::Source => (
            segment.tuple.source,
            segment.tuple.source_port,
            segment.l3 + 12,
            segment.l4,
        ),
        End::Destination => (
            segment.tuple.destination,
            segment.tuple.destination_port,
            segment.l3 + 16,
            segment.l4 + 2,
        ),
    };
    let udp = segment.tuple.proto == UDP;
    let checksum_at = segment.l4 + if udp { 6 } else { 16 };
    let from = old_address.to_bytes();
    let to = address.to_bytes();
    let [from_high, from_low] = old_port.to_bytes();
    let [to_high, to_low] = port.to_bytes();
    packet.patch_transport(
        checksum_at,
        Change {
            from,
            to,
            wide: true,
            pseudo: true,
            udp,
        },
    ) && packet.patch_transport(
        checksum_at,
        Change {
            from: [from_high, from_low, 0, 0],
            to: [to_high, to_low, 0, 0],
            wide: false,
            pseudo: false,
            udp,
        },
    ) && packet.patch_header(segment.l3 + 10, from, to)
        && packet.store(address_at, &to)
        && packet.store(port_at, &port)
}
