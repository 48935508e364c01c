//! Statements of rules, made of expressions like the matches of `matches`.

use super::keys::{DESTINATION, Expressions, KEY, KeyField, SOURCE, VALUE, key};
use super::matches::{in_map, is_in};
use ipnet::Ipv4Net;
use lb_netlink::nft::{Expression, Meta, Register, SetName, Verdict, Word};
use std::net::Ipv4Addr;
use std::time::Duration;

/// Puts a key into a set, or renews what is there: for the set's own time, or another.
pub(super) fn put(set: SetName, parts: &[KeyField], time: Option<Duration>) -> Expressions {
    let put = Expression::Update {
        set,
        key: KEY,
        value: None,
        time,
    };
    [key(parts), vec![put]].concat()
}

/// Puts the packet's priority into a map, or renews what is there.
pub(super) fn put_priority(
    map: SetName,
    parts: &[KeyField],
    time: Option<Duration>,
) -> Expressions {
    let mut expressions = key(parts);
    expressions.push(Expression::Meta(Meta::Priority, VALUE));
    expressions.push(put_value(map, time));
    expressions
}

/// Renews what is in a map of addresses, for the map's own time or another. What is there keeps its value.
pub(super) fn renew(map: SetName, parts: &[KeyField], time: Option<Duration>) -> Expressions {
    [in_map(map, parts), put_priority(map, parts, time)].concat()
}

/// Puts the value under the key that is in its registers, or renews what is there. `nft` can't list a value
/// that was looked up.
pub(super) fn put_value(map: SetName, time: Option<Duration>) -> Expression {
    Expression::Update {
        set: map,
        key: KEY,
        value: Some(VALUE),
        time,
    }
}

/// Takes a key out of a set in which it is.
pub(super) fn take(set: SetName, parts: &[KeyField]) -> Expressions {
    let mut expressions = is_in(set, parts);
    expressions.push(Expression::Delete { set, key: KEY });
    expressions
}

fn load(word: Word) -> Expression {
    Expression::Immediate(VALUE, word.to_vec())
}

/// The looked up value becomes the mark.
pub(super) fn set_mark() -> Expressions {
    vec![Expression::SetMeta(Meta::Mark, VALUE)]
}

pub(super) fn set_mark_to(mark: u32) -> Expressions {
    let set = Expression::SetMeta(Meta::Mark, VALUE);
    vec![load(mark.to_ne_bytes()), set]
}

/// The looked up value becomes the priority.
pub(super) fn set_priority() -> Expressions {
    vec![Expression::SetMeta(Meta::Priority, VALUE)]
}

/// It counts as received by a broadcast, in prerouting. Neither its addresses nor its way change by that.
pub(super) fn as_broadcast() -> Expressions {
    /// `PACKET_BROADCAST` of `linux/if_packet.h`.
    const BROADCAST: u8 = 1;
    vec![
        Expression::Immediate(VALUE, vec![BROADCAST]),
        Expression::SetMeta(Meta::PacketType, VALUE),
    ]
}

pub(super) fn no_priority() -> Expressions {
    let set = Expression::SetMeta(Meta::Priority, VALUE);
    vec![load([0; 4]), set]
}

/// The mark becomes the priority.
pub(super) fn mark_to_priority() -> Expressions {
    vec![
        Expression::Meta(Meta::Mark, VALUE),
        Expression::SetMeta(Meta::Priority, VALUE),
    ]
}

pub(super) fn set_source(address: Ipv4Addr) -> Expressions {
    let set = Expression::SetAddress(SOURCE, VALUE);
    vec![load(address.octets()), set]
}

pub(super) fn set_destination(address: Ipv4Addr) -> Expressions {
    let set = Expression::SetAddress(DESTINATION, VALUE);
    vec![load(address.octets()), set]
}

/// No segment that the receiver sends is longer than fits into packets of `mtu` bytes.
pub(super) fn clamp(mtu: u16) -> Expressions {
    /// IPv4 and TCP without options.
    const HEADERS: u16 = 40;
    let mss = mtu.saturating_sub(HEADERS).to_be_bytes();
    vec![
        Expression::Immediate(KEY, mss.to_vec()),
        Expression::SetMss(KEY),
    ]
}

/// Sends a copy to the looked up address.
pub(super) fn send_copy() -> Expressions {
    vec![Expression::Duplicate(VALUE)]
}

/// Sends a copy to the address that it has.
pub(super) fn send_copy_on() -> Expressions {
    vec![
        Expression::Payload(DESTINATION, VALUE),
        Expression::Duplicate(VALUE),
    ]
}

pub(super) fn call(address: Ipv4Addr) -> Expressions {
    let nat = Expression::DestinationNat(VALUE);
    vec![load(address.octets()), nat]
}

/// The caller gets an address of `network` that is the same for all its calls, and a port.
pub(super) fn call_as(network: Ipv4Net, first: u16, last: u16) -> Expressions {
    let port = |register, port: u16| Expression::Immediate(register, port.to_be_bytes().to_vec());
    let last_address = network.broadcast().octets().to_vec();
    let (addresses, ports) = ((VALUE, Register::W1), (Register::W0, Register::W4));
    vec![
        load(network.network().octets()),
        Expression::Immediate(addresses.1, last_address),
        port(ports.0, first),
        port(ports.1, last),
        Expression::SourceNat { addresses, ports },
    ]
}

pub(super) fn untracked() -> Expressions {
    vec![Expression::NoTrack]
}

pub(super) fn counted() -> Expressions {
    vec![Expression::Count]
}

pub(super) fn reset() -> Expressions {
    vec![Expression::Reset]
}

pub(super) fn accept() -> Expressions {
    vec![Expression::Verdict(Verdict::Accept)]
}

pub(super) fn drop() -> Expressions {
    vec![Expression::Verdict(Verdict::Drop)]
}

pub(super) fn jump(chain: &'static str) -> Expressions {
    vec![Expression::Verdict(Verdict::Jump(chain))]
}

pub(super) fn back_to_caller() -> Expressions {
    vec![Expression::Verdict(Verdict::Return)]
}

pub(super) fn goto(chain: &'static str) -> Expressions {
    vec![Expression::Verdict(Verdict::Goto(chain))]
}
