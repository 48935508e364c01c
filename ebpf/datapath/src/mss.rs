//! Keeping segments small enough for the tunnel.
//!
//! With the largest segment announced on SYN and SYN-ACK lowered, nothing that
//! either side sends outgrows the path between the nodes once it is inside the tunnel. Without it,
//! small answers work and large ones vanish.

use crate::l4_packet::L4Packet;
use crate::packet::{Change, Packet};
use crate::tunnel::OVERHEAD;
use lb_abi::settings::Settings;

/// Options looked at before giving up; every stack in use puts MSS first.
const OPTIONS: usize = 6;

/// Lowers the MSS option of a SYN or SYN-ACK to what the tunnel can carry.
/// False only if the packet could not be written.
#[inline(always)]
pub fn clamp<P: Packet>(packet: &mut P, segment: &L4Packet, settings: &Settings) -> bool {
    // 20 bytes of IPv4, 20 of TCP; a link smaller than that has other worries.
    let limit = (settings.mtu as usize).saturating_sub(OVERHEAD + 40);
    #[expect(clippy::cast_possible_truncation, reason = "bounded by min")]
    let limit = limit.min(0xffff) as u16;
    let end = segment.l3 + segment.headers;
    let mut at = segment.l4 + 20;
    for _ in 0..OPTIONS {
        if at + 4 > end {
            return true;
        }
        let Some([kind, length]) = packet.load::<[u8; 2]>(at) else {
            return true;
        };
        match kind {
            0 => return true,
            1 => at += 1,
            2 if length == 4 => return lower(packet, segment, at + 2, limit),
            _ if length < 2 => return true,
            _ => at += usize::from(length & 0x3f),
        }
    }
    true
}

#[inline(always)]
fn lower<P: Packet>(packet: &mut P, segment: &L4Packet, at: usize, limit: u16) -> bool {
    let Some(bytes) = packet.load::<[u8; 2]>(at) else {
        return true;
    };
    if u16::from_be_bytes(bytes) <= limit {
        return true;
    }
    let [high, low] = limit.to_be_bytes();
    let (from, to) = if (at - segment.l4).is_multiple_of(2) {
        (bytes, [high, low])
    } else {
        // Across two 16-bit words; the sum does not care which of the two is which.
        let [a, b] = bytes;
        ([b, a], [low, high])
    };
    let change = Change {
        from: [from[0], from[1], 0, 0],
        to: [to[0], to[1], 0, 0],
        wide: false,
        pseudo: false,
        udp: false,
    };
    packet.patch_transport(segment.l4 + 16, change) && packet.store(at, &[high, low])
}
