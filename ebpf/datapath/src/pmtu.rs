//! Packets that would be too large inside the tunnel: their sender is told so.
//!
//! The answer (RFC 792 and RFC 1191: fragmentation needed, with the size that fits) quotes
//! the packet's head. It is made of the packet itself, whose head therefore stays where it
//! is, so that a checksum that was left to the hardware is finished where it belongs. Senders
//! that don't forbid fragments are told too: the kernel's programs can't make fragments,
//! while those senders' own stacks can.

use crate::checksum;
use crate::geneve::OVERHEAD_BYTES;
use crate::headers::Ipv4;
use crate::icmp::ICMP;
use crate::packet::{ETHERNET, Packet, Tables};
use lb_abi::counters::Reason;
use lb_abi::{Be16, Be32};
use zerocopy::{Immutable, IntoBytes};

/// Words of TCP or UDP that are quoted: whole headers without options, with their checksums.
const WORDS: usize = 10;
/// Bytes that are quoted: an IPv4 header without options, and those words.
const QUOTED: usize = IPV4_BYTES + WORDS * 2;
/// Bytes of an answer.
const TOTAL: u16 = 68;
/// Bytes of an IPv4 header without options.
const IPV4_BYTES: usize = size_of::<Ipv4>();

/// Bytes that an answer inserts before what it quotes.
pub const ROOM: usize = 28;

const _: () = assert!(size_of::<Answer>() == ROOM && ROOM + QUOTED == TOTAL as usize);

#[derive(Clone, Copy, IntoBytes, Immutable)]
#[repr(C)]
struct Answer {
    ip: Ipv4,
    kind: u8,
    code: u8,
    checksum: Be16,
    unused: Be16,
    mtu: Be16,
}

/// Makes a packet that a hook said [`crate::Verdict::TooBig`] of its own answer, from `own`
/// address. False where none can be made: it is dropped then.
///
/// Not part of the decision, but what comes after it: the kernel's programs have 512 bytes of
/// stack, and deciding takes most of that.
#[inline(always)]
pub fn answer<P: Packet, T: Tables>(packet: &mut P, tables: &T, own: Be32) -> bool {
    let mtu = tables.settings().map_or(0, |settings| settings.mtu);
    if !quote(packet, mtu, own) {
        return false;
    }
    tables.dropped(Reason::TooBig);
    true
}

/// Puts the answer before what it quotes; `mtu` is that between nodes, in bytes.
#[inline(never)]
fn quote<P: Packet>(packet: &mut P, mtu: u32, own: Be32) -> bool {
    let Some(ip) = packet.load::<Ipv4>(ETHERNET) else {
        return false;
    };
    // Options would move what is quoted, and errors are not about later fragments (RFC 1122).
    if ip.version_length != 0x45 || ip.fragment.get() & 0x1fff != 0 {
        return false;
    }
    let mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
    let mtu = mtu.saturating_sub(OVERHEAD_BYTES);
    let head = 0x0304 + u32::from(mtu) + sum(packet, ETHERNET, IPV4_BYTES / 2);
    let quoted = head + transport(packet, &ip);
    let mut answer = Answer {
        ip: Ipv4 {
            version_length: 0x45,
            tos: 0,
            total: Be16::new(TOTAL),
            id: Be16::new(0),
            fragment: Be16::new(0x4000),
            ttl: 64,
            proto: ICMP,
            checksum: Be16::new(0),
            source: own,
            destination: ip.source,
        },
        kind: 3, // destination unreachable
        code: 4, // fragmentation needed
        checksum: Be16::new(!checksum::fold(quoted)),
        unused: Be16::new(0),
        mtu: Be16::new(mtu),
    };
    answer.ip.checksum = Be16::new(checksum::header(&answer.ip));
    packet.quote(ETHERNET + QUOTED) && packet.store(ETHERNET, &answer)
}

/// The sum of the words of TCP or UDP that are quoted, as they will be on the wire.
///
/// Where the sender left their checksum to the hardware, its field holds the sum of the
/// pseudo header (the kernel's `CHECKSUM_PARTIAL`); finished over whatever follows, it
/// makes the sum of all of that the complement of this.
#[inline(always)]
fn transport<P: Packet>(packet: &P, ip: &Ipv4) -> u32 {
    let halves = |address: Be32| (address.get() >> 16) + (address.get() & 0xffff);
    let length = u32::from(ip.total.get()).wrapping_sub(20);
    let pseudo = halves(ip.source) + halves(ip.destination) + u32::from(ip.proto) + length;
    let pseudo = checksum::fold(pseudo);
    let at = ETHERNET + IPV4_BYTES;
    let field = packet.load::<Be16>(at + checksum::offset(ip.proto));
    let whole = ip.fragment.get() & 0x2000 == 0;
    if whole && field.is_some_and(|field| field.get() == pseudo) {
        u32::from(!pseudo)
    } else {
        sum(packet, at, WORDS)
    }
}

/// The sum of so many words; what lies beyond the frame counts as zero.
#[inline(never)]
fn sum<P: Packet>(packet: &P, from: usize, words: usize) -> u32 {
    let mut sum = 0;
    for index in 0..words {
        let Some(word) = packet.load::<Be16>(from + index * 2) else {
            return sum;
        };
        sum += u32::from(word.get());
    }
    sum
}
