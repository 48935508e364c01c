//! Checksums and the rest of a packet, read by code that shares nothing with the datapath's.

/// Bytes of an Ethernet header.
pub(crate) const ETHERNET: usize = 14;
/// Bytes that the tunnel adds.
pub(crate) const TUNNEL: usize = 56;

pub(crate) const ICMP: u8 = 1;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;

/// The ones' complement sum over bytes, as 16-bit words.
pub(crate) fn sum(parts: &[&[u8]]) -> u16 {
    let mut sum: u64 = 0;
    for part in parts {
        for pair in part.chunks(2) {
            sum += u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap_or(0)
}

/// A packet with its parts found.
pub(crate) struct Packet<'a> {
    pub(crate) header: &'a [u8],
    pub(crate) payload: &'a [u8],
    pub(crate) proto: u8,
    pub(crate) fragment: bool,
}

/// The IPv4 packet that begins at `l3`, if it is one and whole.
pub(crate) fn packet(frame: &[u8], l3: usize) -> Option<Packet<'_>> {
    let ip = frame.get(l3..)?;
    let first = *ip.first()?;
    let length = usize::from(first & 0xf) * 4;
    if first >> 4 != 4 || length < 20 {
        return None;
    }
    let total = usize::from(u16::from_be_bytes([*ip.get(2)?, *ip.get(3)?]));
    let header = ip.get(..length)?;
    Some(Packet {
        header,
        payload: ip.get(length..total)?,
        proto: header[9],
        fragment: u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0,
    })
}

/// Whether the checksums of a packet are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Right {
    pub(crate) header: bool,
    /// TCP's, UDP's or ICMP's.
    pub(crate) payload: bool,
    /// UDP without one.
    pub(crate) none: bool,
}

pub(crate) fn right(frame: &[u8], l3: usize) -> Option<Right> {
    let packet = packet(frame, l3)?;
    let (ip, payload) = (packet.header, packet.payload);
    let length = u16::try_from(payload.len())
        .unwrap_or(u16::MAX)
        .to_be_bytes();
    let pseudo = [&ip[12..20], &[0, packet.proto], &length, payload];
    let none = packet.proto == UDP && payload.get(6..8) == Some(&[0, 0]);
    Some(Right {
        header: sum(&[ip]) == 0xffff,
        payload: match packet.proto {
            ICMP => sum(&[payload]) == 0xffff,
            TCP => sum(&pseudo) == 0xffff,
            // What its own field leaves out is not covered as we count.
            UDP => !none && payload.get(4..6) == Some(&length) && sum(&pseudo) == 0xffff,
            _ => false,
        },
        none,
    })
}

/// The packet at `l3` and what follows it, with everything zeroed that a rewrite may change:
/// addresses, ports, checksums, and the MSS of what negotiates it.
pub(crate) fn constant(frame: &[u8], l3: usize) -> Vec<u8> {
    let mut bytes = frame.get(l3..).unwrap_or_default().to_vec();
    let Some(packet) = packet(frame, l3) else {
        return bytes;
    };
    let l4 = packet.header.len();
    let proto = packet.proto;
    blank(&mut bytes, 10..20);
    match proto {
        TCP | UDP => blank_ends(&mut bytes, l4, proto),
        ICMP => {
            blank(&mut bytes, l4 + 2..l4 + 4);
            let inner = l4 + 8;
            let Some([first]) = bytes.get(inner..=inner).map(|first| [first[0]]) else {
                return bytes;
            };
            let about = bytes.get(inner + 9).copied().unwrap_or_default();
            blank(&mut bytes, inner + 10..inner + 20);
            // Of an embedded TCP header the checksum stays.
            let l4 = inner + usize::from(first & 0xf) * 4;
            blank(&mut bytes, l4..l4 + 4);
            if about == UDP {
                blank(&mut bytes, l4 + 6..l4 + 8);
            }
        }
        _ => {}
    }
    bytes
}

fn blank_ends(bytes: &mut [u8], l4: usize, proto: u8) {
    blank(bytes, l4..l4 + 4);
    if proto == UDP {
        blank(bytes, l4 + 6..l4 + 8);
        return;
    }
    blank(bytes, l4 + 16..l4 + 18);
    let Some(&[offset, flags]) = bytes.get(l4 + 12..l4 + 14) else {
        return;
    };
    if flags & 2 == 0 {
        return;
    }
    let end = l4 + usize::from(offset >> 4) * 4;
    let mut at = l4 + 20;
    while at + 4 <= end && at + 4 <= bytes.len() {
        match (bytes[at], bytes[at + 1]) {
            (0, _) => return,
            (1, _) => at += 1,
            (2, 4) => return blank(bytes, at + 2..at + 4),
            (_, length) if length < 2 || length & 0x3f == 0 => return,
            (_, length) => at += usize::from(length & 0x3f),
        }
    }
}

fn blank(bytes: &mut [u8], range: std::ops::Range<usize>) {
    if let Some(part) = bytes.get_mut(range) {
        part.fill(0);
    }
}
