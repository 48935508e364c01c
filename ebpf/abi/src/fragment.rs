//! Fragmented packets: the ports of a first fragment, for those that follow it.

use crate::{Be16, Be32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The fragments of one fragmented packet, by what all of them bear (RFC 791, section 3.2).
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(C)]
pub struct Fragments {
    /// Source address.
    pub source: Be32,
    /// Destination address.
    pub destination: Be32,
    /// The packet's number.
    pub id: Be16,
    /// IP protocol.
    pub proto: u8,
    /// Zero.
    pub zero: u8,
}

/// The ports of a fragmented packet, which only its first fragment bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Ports {
    /// Source port.
    pub source: Be16,
    /// Destination port.
    pub destination: Be16,
}

/// Ports and time of a first fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct FirstFragment {
    /// The ports that it bears.
    pub ports: Ports,
    /// When it came, in [`crate::flow::ticks`].
    pub since: u32,
}

impl FirstFragment {
    /// Later fragments that come more ticks after the first are of another packet: numbers of packets
    /// (16 bits) are used again. Fragments of one packet follow each other at once.
    pub const LASTS: u32 = 2;
}
