//! ICMP errors (RFC 792): each carries the head of the packet it is about.

use crate::headers::{Fragment, Ipv4};
use crate::l4_packet::L4Packet;
use crate::packet::{Change, Packet};

use crate::rewrite::{End, bytes};
use lb_abi::flow::Tuple;
use lb_abi::{Be16, Be32, TCP, UDP};

/// IP protocol number of ICMP.
pub(crate) const ICMP: u8 = 1;
/// Bytes of an ICMP header.
const HEADER: usize = 8;
/// Bytes of TCP or UDP that an error carries at the least: both ports are in them.
const HEAD: usize = 8;

/// An ICMP error about a TCP or UDP packet.
#[derive(Clone, Copy, Debug)]
pub struct IcmpError {
    /// Source address of the error.
    pub source: Be32,
    /// Destination address of the error.
    pub destination: Be32,
    /// 5-tuple of the packet that the error is about, as its sender saw it.
    pub about: Tuple,
    /// Offset of the IPv4 header in the frame.
    l3: usize,
    /// Offset of the ICMP header in the frame.
    pub(crate) l4: usize,
    /// Offset of the IPv4 header of the packet that the error is about.
    pub(crate) inner: usize,
    /// Offset of its TCP or UDP header.
    inner_l4: usize,
    /// Bytes of the IPv4 packet.
    total: u16,
    /// DSCP and ECN.
    tos: u8,
}

impl IcmpError {
    /// The error as the tunnel sees any packet: between its own ends, with the ports of what it is
    /// about.
    #[inline(always)]
    #[must_use]
    pub const fn segment(&self) -> L4Packet {
        L4Packet {
            tuple: Tuple {
                source: self.source,
                destination: self.destination,
                proto: ICMP,
                ..self.about
            },
            l3: self.l3,
            l4: self.l4,
            headers: self.l4 - self.l3 + HEADER,
            total: self.total,
            tos: self.tos,
            flags: 0,
            fragment: Fragment::None,
            id: Be16::new(0),
            sequence: 0,
            acknowledgement: 0,
        }
    }

    /// The error where it is once so many bytes before it are gone.
    #[inline(always)]
    #[must_use]
    pub const fn moved(self, bytes: usize) -> Self {
        Self {
            l3: self.l3 - bytes,
            l4: self.l4 - bytes,
            inner: self.inner - bytes,
            inner_l4: self.inner_l4 - bytes,
            ..self
        }
    }
}

/// Is there an ICMP message at `l3`, of whatever kind?
#[inline(always)]
pub fn starts<P: Packet>(packet: &P, l3: usize) -> bool {
    match packet.load::<Ipv4>(l3) {
        Some(ip) => ip.proto == ICMP && ip.version_length >> 4 == 4,
        None => false,
    }
}

/// The error whose IPv4 header is at `l3`, if it is one about TCP or UDP.
#[inline(always)]
pub fn read<P: Packet>(packet: &P, l3: usize) -> Option<IcmpError> {
    let ip: Ipv4 = packet.load(l3)?;
    let header = usize::from(ip.version_length & 0x0f) << 2;
    if ip.proto != ICMP || ip.version_length >> 4 != 4 || header < size_of::<Ipv4>() {
        return None;
    }
    if ip.fragment.get() & 0x3fff != 0 || l3 + usize::from(ip.total.get()) > packet.length() {
        return None;
    }
    let l4 = l3 + header;
    // Destination unreachable, time exceeded, parameter problem.
    let [kind] = packet.load::<[u8; 1]>(l4)?;
    if !matches!(kind, 3 | 11 | 12) {
        return None;
    }
    let inner = l4 + HEADER;
    let about: Ipv4 = packet.load(inner)?;
    let inner_header = usize::from(about.version_length & 0x0f) << 2;
    if about.version_length >> 4 != 4 || inner_header < size_of::<Ipv4>() {
        return None;
    }
    // Only the first fragment has ports.
    if about.fragment.get() & 0x1fff != 0 || !matches!(about.proto, TCP | UDP) {
        return None;
    }
    if usize::from(ip.total.get()) < header + HEADER + inner_header + HEAD {
        return None;
    }
    let inner_l4 = inner + inner_header;
    let [source_port, destination_port] = packet.load::<[Be16; 2]>(inner_l4)?;
    Some(IcmpError {
        source: ip.source,
        destination: ip.destination,
        about: Tuple {
            source: about.source,
            destination: about.destination,
            source_port,
            destination_port,
            proto: about.proto,
            zero: [0; 3],
        },
        l3,
        l4,
        inner,
        inner_l4,
        total: ip.total.get(),
        tos: ip.tos,
    })
}

/// Gives one end of the packet that the error is about another address and port and its other end
/// the port `other`, and the error's own other end the same address: its source if
/// `End::Destination`. False if it could not be written.
///
/// The checksum of the embedded TCP header stays: it is mostly cut off, and nobody
/// looks at it.
#[inline(always)]
pub fn readdress<P: Packet>(
    packet: &mut P,
    error: &IcmpError,
    end: End,
    (address, port): (Be32, Be16),
    other: Be16,
) -> bool {
    change(packet, error, end, address, Some(end.ports(port, other)))
}

/// After [`readdress`]: gives one end of the packet that the error is about another address, where that is not the one
/// that it has, leaves all ports, and does to the error's own ends what [`readdress`] does. False if it could not
/// be written.
#[inline(always)]
pub fn change_address<P: Packet>(
    packet: &mut P,
    error: &IcmpError,
    end: End,
    address: Be32,
) -> bool {
    let old = match end {
        End::Source => error.about.source,
        End::Destination => error.about.destination,
    };
    old == address || change(packet, error, end, address, None)
}

/// What [`readdress`] does, with both `ports` of the packet that the error is about, or without touching them.
#[inline(always)]
fn change<P: Packet>(
    packet: &mut P,
    error: &IcmpError,
    end: End,
    address: Be32,
    ports: Option<[Be16; 2]>,
) -> bool {
    let about = &error.about;
    let (old, address_at, outer_at, outer) = match end {
        End::Source => (
            about.source,
            error.inner + 12,
            error.l3 + 16,
            error.destination,
        ),
        End::Destination => (
            about.destination,
            error.inner + 16,
            error.l3 + 12,
            error.source,
        ),
    };
    let sum = error.l4 + 2;
    let (from, to) = (old.to_bytes(), address.to_bytes());
    let moved = |ports| {
        wide(
            bytes([about.source_port, about.destination_port]),
            bytes(ports),
        )
    };
    let embedded = [error.inner + 10, error.inner_l4 + 6];
    let Some(before) = packet.load::<[u8; 2]>(embedded[0]) else {
        return false;
    };
    let done = packet.patch_header(embedded[0], from, to)
        && covered(packet, sum, embedded[0], before)
        && packet.patch_transport(sum, wide(from, to))
        && packet.store(address_at, &to);
    if !done {
        return false;
    }
    if let Some(ports) = ports
        && !(packet.patch_transport(sum, moved(ports)) && packet.store(error.inner_l4, &ports))
    {
        return false;
    }
    if about.proto == UDP {
        let Some(before) = packet.load::<[u8; 2]>(embedded[1]) else {
            return false;
        };
        let udp = |change: Change| Change {
            udp: true,
            ..change
        };
        if !packet.patch_transport(embedded[1], udp(wide(from, to))) {
            return false;
        }
        if let Some(ports) = ports
            && !packet.patch_transport(embedded[1], udp(moved(ports)))
        {
            return false;
        }
        if !covered(packet, sum, embedded[1], before) {
            return false;
        }
    }
    // A router on the way sends the error in its own name.
    if outer != old {
        return true;
    }
    packet.patch_header(error.l3 + 10, from, to) && packet.store(outer_at, &to)
}

/// Adds to the error's checksum what became of an embedded one.
#[inline(always)]
fn covered<P: Packet>(packet: &mut P, sum: usize, at: usize, before: [u8; 2]) -> bool {
    match packet.load::<[u8; 2]>(at) {
        Some(after) => packet.patch_transport(sum, narrow(before, after)),
        None => false,
    }
}

#[inline(always)]
const fn wide(from: [u8; 4], to: [u8; 4]) -> Change {
    Change {
        from,
        to,
        wide: true,
        pseudo: false,
        udp: false,
    }
}

#[inline(always)]
const fn narrow(from: [u8; 2], to: [u8; 2]) -> Change {
    Change {
        from: [from[0], from[1], 0, 0],
        to: [to[0], to[1], 0, 0],
        wide: false,
        pseudo: false,
        udp: false,
    }
}
