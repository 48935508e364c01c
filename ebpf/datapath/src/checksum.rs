//! The Internet checksum (RFC 1071) and its incremental update (RFC 1624).

use crate::headers::Ipv4;
use lb_abi::UDP;

/// Adds 16-bit words with end-around carry.
#[inline(always)]
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the carries were folded in"
)]
pub const fn fold(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    sum as u16
}

/// The checksum after the 16-bit word `from` became `to`: RFC 1624, equation 3.
#[inline(always)]
#[must_use]
pub const fn replace(checksum: u16, from: u16, to: u16) -> u16 {
    !fold(!checksum as u32 + !from as u32 + to as u32)
}

/// The checksum after four bytes, in network order, became others.
#[inline(always)]
#[must_use]
pub const fn replace4(checksum: u16, from: [u8; 4], to: [u8; 4]) -> u16 {
    let high = replace(
        checksum,
        u16::from_be_bytes([from[0], from[1]]),
        u16::from_be_bytes([to[0], to[1]]),
    );
    replace(
        high,
        u16::from_be_bytes([from[2], from[3]]),
        u16::from_be_bytes([to[2], to[3]]),
    )
}

/// Offset of the checksum in a UDP header (RFC 768), or else in a TCP header (RFC 9293).
#[inline(always)]
#[must_use]
pub const fn offset(proto: u8) -> usize {
    if proto == UDP { 6 } else { 16 }
}

/// Checksum of an IPv4 header without options whose checksum field is zero.
#[inline(always)]
#[must_use]
pub fn header(ip: &Ipv4) -> u16 {
    let source = ip.source.get();
    let destination = ip.destination.get();
    let sum = u32::from(ip.version_length) << 8 | u32::from(ip.tos);
    let sum =
        sum + u32::from(ip.total.get()) + u32::from(ip.id.get()) + u32::from(ip.fragment.get());
    let sum = sum + (u32::from(ip.ttl) << 8 | u32::from(ip.proto));
    let sum =
        sum + (source >> 16) + (source & 0xffff) + (destination >> 16) + (destination & 0xffff);
    !fold(sum)
}

/// The checksum of whole words, the field itself counted as zero.
#[must_use]
pub fn full(bytes: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        let word = match pair {
            [a, b] => u16::from_be_bytes([*a, *b]),
            [a] => u16::from_be_bytes([*a, 0]),
            _ => 0,
        };
        sum = u32::from(fold(sum)) + u32::from(word);
    }
    !fold(sum)
}
