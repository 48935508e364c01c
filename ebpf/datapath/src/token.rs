//! The token by which a tunnel packet proves the node that sent it: a code over what
//! the packet says, by a key that the Swarm's nodes alone know.
//!
//! `SipHash`-1-3 (Aumasson and Bernstein, INDOCRYPT 2012): made for short inputs, and without
//! multiplications or look-ups. Three words of input cost six rounds.

use crate::geneve::{Opened, Token};
use crate::headers::Ipv4;
use lb_abi::Be32;
use lb_abi::tunnel::TokenKey;

/// The part of the packet inside that a token covers.
pub(crate) struct Ends {
    pub(crate) source: Be32,
    pub(crate) destination: Be32,
    pub(crate) proto: u8,
}

impl Ends {
    #[inline(always)]
    pub(crate) const fn of(inner: &Ipv4) -> Self {
        Self {
            source: inner.source,
            destination: inner.destination,
            proto: inner.proto,
        }
    }
}

/// The token of a packet whose tunnel header `says` this.
///
/// The code is over these bytes: source and destination of the packet inside, the key of the task as
/// in the tunnel header, the sender, the direction, the protocol inside. The ports are not in it: they are not in every fragment of a
/// packet, and whoever has a token has seen one of the node's packets.
#[inline(always)]
pub(crate) fn token(key: &TokenKey, says: &Opened, inner: &Ends) -> Token {
    let ends = both(half(inner.source), half(inner.destination));
    let rest = u32::from_le_bytes([says.direction as u8, inner.proto, 0, BYTES]);
    let last = both(half(says.sender), rest);
    siphash(key, ends, says.task.swap_bytes(), last).to_le_bytes()
}

/// Half a word of input. Of single bytes LLVM does not make one again.
#[inline(always)]
const fn half(address: Be32) -> u32 {
    u32::from_le_bytes(address.to_bytes())
}

#[inline(always)]
const fn both(first: u32, second: u32) -> u64 {
    first as u64 | (second as u64) << 32
}

/// Bytes that a token covers.
const BYTES: u8 = 22;

/// `SipHash`-1-3 of 16 to 23 bytes: two words of them, and the rest with the number of all in the
/// highest byte. A function of its own: a program's frame on the stack has no room for it.
#[inline(never)]
fn siphash(key: &TokenKey, first: u64, second: u64, last: u64) -> u64 {
    let mut state = [
        key.low ^ 0x736f_6d65_7073_6575,
        key.high ^ 0x646f_7261_6e64_6f6d,
        key.low ^ 0x6c79_6765_6e65_7261,
        key.high ^ 0x7465_6462_7974_6573,
    ];
    state = absorb(state, first);
    state = absorb(state, second);
    state = absorb(state, last);
    let [a, b, c, d] = state;
    let [a, b, c, d] = round(round(round([a, b, c ^ 0xff, d])));
    a ^ b ^ c ^ d
}

#[inline(always)]
const fn absorb([a, b, c, d]: [u64; 4], word: u64) -> [u64; 4] {
    let [a, b, c, d] = round([a, b, c, d ^ word]);
    [a ^ word, b, c, d]
}

#[inline(always)]
const fn round([a, b, c, d]: [u64; 4]) -> [u64; 4] {
    let a = a.wrapping_add(b);
    let c = c.wrapping_add(d);
    let b = b.rotate_left(13) ^ a;
    let d = d.rotate_left(16) ^ c;
    let a = a.rotate_left(32);
    let c = c.wrapping_add(b);
    let a = a.wrapping_add(d);
    let b = b.rotate_left(17) ^ c;
    let d = d.rotate_left(21) ^ a;
    let c = c.rotate_left(32);
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geneve::Direction;
    use proptest::prelude::*;
    use siphasher::sip::SipHasher13;

    proptest! {
        #[test]
        fn it_is_siphash_1_3_of_what_the_packet_says(
            bytes: [u8; 16], sender: u32, task: u64, ends: (u32, u32), proto: u8,
        ) {
            let inner = Ends {
                source: Be32::new(ends.0),
                destination: Be32::new(ends.1),
                proto,
            };
            let says = Opened {
                sender: Be32::new(sender),
                direction: Direction::ToClient,
                task,
            };
            let mut said = Vec::new();
            said.extend(ends.0.to_be_bytes());
            said.extend(ends.1.to_be_bytes());
            said.extend(task.to_be_bytes());
            said.extend(sender.to_be_bytes());
            said.extend([2, proto]);
            let expected = SipHasher13::new_with_key(&bytes).hash(&said);
            let token = token(&TokenKey::new(bytes), &says, &inner);
            prop_assert_eq!(token, expected.to_le_bytes());
        }
    }
}
