//! Cookies, which authenticate tunnel packets: as much of a keyed hash of both nodes' addresses as the tunnel's header
//! has room for.
//!
//! The keys are those of the eBPF path's tokens, with their epochs ([`crate::model::token`]): a node sends by its current key,
//! and accepts cookies by either of the sender's.

use super::state::{Cookie, Element, State};
use crate::desired::Host;
use crate::model::token::{TokenKey, TokenKeys};
use siphasher::sip::SipHasher13;
use std::collections::BTreeSet;
use std::hash::Hasher as _;
use std::net::Ipv4Addr;

/// The cookie of packets from `sender` to `receiver`: `SipHash`-1-3 of both addresses. No token of the eBPF path is over
/// so few bytes: neither tells anything of the other.
fn cookie(key: TokenKey, sender: Ipv4Addr, receiver: Ipv4Addr) -> Cookie {
    let mut hash = SipHasher13::new_with_key(&key.bytes());
    hash.write(&sender.octets());
    hash.write(&receiver.octets());
    let [first, second, third, ..] = hash.finish().to_le_bytes();
    match [first, second, third] {
        [0, 0, 0] => [0, 0, 1],
        cookie => cookie,
    }
}

/// Cookies of packets from and to `peer`. From a peer whose keys are not known, no packet is accepted.
pub(super) fn of_peer(
    host: &Host,
    peer: Ipv4Addr,
    keys: Option<TokenKeys>,
) -> impl Iterator<Item = Element> {
    let node = host.address;
    let theirs = keys.into_iter().flat_map(|keys| [keys.current, keys.next]);
    // All zeros stand for none, as by eBPF.
    let theirs = theirs.filter(|key| key.bytes() != [0; 16]);
    let from = theirs.map(move |key| Element::CookieFrom(peer, cookie(key, peer, node)));
    let own = host.token_keys.map(|keys| keys.current);
    let to = own.map(|key| Element::CookieTo(peer, cookie(key, node, peer)));
    from.chain(to)
}

impl State {
    /// Lets cookies stay of nodes whose keys are not known now, as an agent that has just started has not heard of
    /// all: whose cookies they are is known by the kernel alone.
    pub fn keep_cookies(&mut self, have: &Self) {
        let known: BTreeSet<Ipv4Addr> = self.elements.iter().filter_map(from_whom).collect();
        let silent = |element: &&Element| match element {
            Element::CookieFrom(peer, _) => {
                !known.contains(peer) && self.route_to_peer(*peer).is_some()
            }
            _ => false,
        };
        let kept: Vec<Element> = have.elements.iter().filter(silent).copied().collect();
        self.elements.extend(kept);
    }
}

fn from_whom(element: &Element) -> Option<Ipv4Addr> {
    match element {
        Element::CookieFrom(peer, _) => Some(*peer),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
