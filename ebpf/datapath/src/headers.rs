//! Headers of Ethernet and IPv4, as bytes in a frame.

use lb_abi::{Be16, Be32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `EtherType` of IPv4.
pub const IPV4: Be16 = Be16::new(0x0800);

/// Ethernet II header.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Ethernet {
    /// Destination MAC address.
    pub destination: [u8; 6],
    /// Source MAC address.
    pub source: [u8; 6],
    /// `EtherType` of what follows.
    pub kind: Be16,
}

/// IPv4 header without options (RFC 791, section 3.1).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Ipv4 {
    /// Version 4 and header length in 32-bit words.
    pub version_length: u8,
    /// DSCP and ECN.
    pub tos: u8,
    /// Bytes of header and payload.
    pub total: Be16,
    /// Identification of fragments.
    pub id: Be16,
    /// Flags and offset of fragments.
    pub fragment: Be16,
    /// Time to live.
    pub ttl: u8,
    /// IP protocol.
    pub proto: u8,
    /// Checksum of the header.
    pub checksum: Be16,
    /// Source address.
    pub source: Be32,
    /// Destination address.
    pub destination: Be32,
}

/// Part of a TCP header (RFC 9293, section 3.1), from byte 4 on.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TcpNumbers {
    /// Sequence number.
    pub sequence: Be32,
    /// Acknowledgement number.
    pub acknowledgement: Be32,
    /// Length of the header in 32-bit words, in the upper half.
    pub offset: u8,
    /// Flags.
    pub flags: u8,
}

/// Whether a packet is a fragment, and which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fragment {
    /// No fragment: the whole packet.
    None,
    /// The first fragment, with the ports.
    First,
    /// A later fragment: it has no header of TCP or UDP.
    Rest,
}

impl Fragment {
    /// By the header's flags and offset.
    #[inline(always)]
    #[must_use]
    pub const fn of(ip: &Ipv4) -> Self {
        let field = ip.fragment.get();
        if field & 0x3fff == 0 {
            Self::None
        } else if field & 0x1fff == 0 {
            Self::First
        } else {
            Self::Rest
        }
    }
}
