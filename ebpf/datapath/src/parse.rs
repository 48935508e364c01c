//! From bytes to a tuple, or to "not ours".

use crate::fragments;
use crate::packet::{ETHERNET, Packet, Tables};
use lb_abi::flow::{FIN_IN, FIN_OUT, RESET, Tuple};
use lb_abi::settings::Settings;
use lb_abi::{Be16, Be32, TCP, UDP};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `EtherType` of IPv4.
pub const IPV4: Be16 = Be16::new(0x0800);

/// TCP flag bits (RFC 9293, section 3.1).
pub mod flags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronize sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// Acknowledgment field significant.
    pub const ACK: u8 = 0x10;
}

/// Ethernet II header.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Ethernet {
    /// Destination MAC address.
    pub destination: [u8; 6],
    /// Source MAC address.
    pub source: [u8; 6],
    /// What follows.
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

/// Which fragment of a packet it is, if it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fragment {
    /// None: the whole packet.
    None,
    /// The first fragment, with the ports.
    First,
    /// Another fragment: no header of TCP or UDP.
    Rest,
}

/// A TCP or UDP packet, or a fragment of one.
#[derive(Clone, Copy, Debug)]
pub struct L4Packet {
    /// Its 5-tuple.
    pub tuple: Tuple,
    /// Offset of the IPv4 header in the frame.
    pub l3: usize,
    /// Offset of the TCP or UDP header in the frame, where there is one.
    pub l4: usize,
    /// Bytes of headers, IPv4 and (but for [`Fragment::Rest`]) transport.
    pub headers: usize,
    /// Bytes of the IPv4 packet.
    pub total: u16,
    /// DSCP and ECN.
    pub tos: u8,
    /// TCP flags; 0 for UDP and [`Fragment::Rest`].
    pub flags: u8,
    /// Which piece it is.
    pub piece: Fragment,
    /// The packet's number, which its pieces share.
    pub id: Be16,
}

impl L4Packet {
    /// A TCP SYN that opens a connection?
    #[inline(always)]
    #[must_use]
    pub const fn opens(&self) -> bool {
        self.flags & (flags::SYN | flags::ACK | flags::RST | flags::FIN) == flags::SYN
    }

    /// A SYN or SYN-ACK, which carries the MSS option?
    #[inline(always)]
    #[must_use]
    pub const fn negotiates(&self) -> bool {
        self.flags & flags::SYN != 0
    }

    /// The state bits that a packet of the client's sets in its flow.
    #[inline(always)]
    #[must_use]
    pub const fn state_in(&self) -> u32 {
        (if self.flags & flags::FIN != 0 {
            FIN_IN
        } else {
            0
        }) | (if self.flags & flags::RST != 0 {
            RESET
        } else {
            0
        })
    }

    /// The state bits that a packet of the task's sets in its flow.
    #[inline(always)]
    #[must_use]
    pub const fn state_out(&self) -> u32 {
        lb_abi::flow::ANSWERED
            | (if self.flags & flags::FIN != 0 {
                FIN_OUT
            } else {
                0
            })
            | (if self.flags & flags::RST != 0 {
                RESET
            } else {
                0
            })
    }

    /// Bytes on the wire, as IP packets: a merged packet's segments each had headers.
    #[inline(always)]
    #[must_use]
    pub fn bytes(&self, segments: u32) -> u64 {
        u64::from(self.total) + u64::from(segments.saturating_sub(1)) * self.headers as u64
    }
}

/// Is the frame IPv4, and of no VLAN?
#[inline(always)]
pub fn ipv4<P: Packet>(packet: &P) -> bool {
    if packet.tagged() {
        return false;
    }
    match packet.load::<Ethernet>(0) {
        Some(ethernet) => ethernet.kind == IPV4,
        None => false,
    }
}

/// Is the frame addressed to the MAC address of the uplink that it came in on? Asked last,
/// about frames that would be ours: for all the others it would be a look-up for nothing.
#[inline(always)]
pub fn ours<P: Packet, T: Tables>(packet: &P, tables: &T, settings: &Settings) -> bool {
    let Some(ethernet) = packet.load::<Ethernet>(0) else {
        return false;
    };
    let link = packet.link();
    if link == settings.uplink {
        return ethernet.destination == settings.mac;
    }
    tables
        .uplink(link)
        .is_some_and(|uplink| ethernet.destination == uplink.mac)
}

/// The TCP or UDP packet whose IPv4 header is at `l3`.
///
/// None for what is left to the kernel: other protocols, fragments of what is not ours, and
/// whatever contradicts itself.
#[inline(always)]
pub fn segment<P: Packet, T: Tables>(packet: &P, tables: &T, l3: usize) -> Option<L4Packet> {
    let ip: Ipv4 = packet.load(l3)?;
    let header = usize::from(ip.version_length & 0x0f) << 2;
    if ip.version_length >> 4 != 4 || header < size_of::<Ipv4>() {
        return None;
    }
    let total = ip.total.get();
    if l3 + usize::from(total) > packet.length() {
        return None;
    }
    let l4 = l3 + header;
    let piece = fragments::piece(&ip);
    let ports = match piece {
        Fragment::Rest => fragments::ports(tables, &ip)?,
        Fragment::None => packet.load(l4)?,
        Fragment::First => {
            let ports = packet.load(l4)?;
            fragments::first(tables, &ip, ports);
            ports
        }
    };
    let (transport, flags) = match ip.proto {
        _ if piece == Fragment::Rest => (0, 0),
        TCP => {
            let [offset, flags] = packet.load::<[u8; 2]>(l4 + 12)?;
            let length = usize::from(offset >> 4) << 2;
            if length < 20 {
                return None;
            }
            (length, flags)
        }
        UDP => (8, 0),
        _ => return None,
    };
    if usize::from(total) < header + transport {
        return None;
    }
    Some(L4Packet {
        tuple: Tuple {
            source: ip.source,
            destination: ip.destination,
            source_port: ports.source,
            destination_port: ports.destination,
            proto: ip.proto,
            zero: [0; 3],
        },
        l3,
        l4,
        headers: header + transport,
        total,
        tos: ip.tos,
        flags,
        piece,
        id: ip.id,
    })
}

/// The packet directly behind the Ethernet header.
#[inline(always)]
pub fn outer<P: Packet, T: Tables>(packet: &P, tables: &T) -> Option<L4Packet> {
    segment(packet, tables, ETHERNET)
}
