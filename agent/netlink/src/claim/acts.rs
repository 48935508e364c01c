//! What the rules do with packets, in words like those of `steps`.

use super::steps::{DESTINATION, KEY, Part, SOURCE, Steps, VALUE, key};
use crate::nft::{Comparison, Expression, Meta, Nat, Register, SetName, Verdict, Word};
use std::net::Ipv4Addr;
use std::time::Duration;

/// Puts a key into a set.
pub(super) fn put(set: SetName, parts: &[Part]) -> Steps {
    put_for(set, parts, None)
}

/// The same, or renews what is there, for a time of its own.
pub(super) fn put_for(set: SetName, parts: &[Part], time: Option<Duration>) -> Steps {
    let mut steps = key(parts);
    steps.push(Expression::Update {
        set,
        key: KEY,
        value: None,
        time,
    });
    steps
}

/// Remembers the packet's priority, if it has one, under its destination.
pub(super) fn put_priority(map: SetName) -> Steps {
    let mut steps = vec![
        Expression::Meta(Meta::Priority, VALUE),
        Expression::Compare(VALUE, Comparison::Unequal, vec![0; 4]),
    ];
    steps.extend(key(&[Part::Destination]));
    steps.push(put_value(map));
    steps
}

/// Puts the value under the key that is in its registers, or renews it.
pub(super) fn put_value(set: SetName) -> Expression {
    Expression::Update {
        set,
        key: KEY,
        value: Some(VALUE),
        time: None,
    }
}

fn load(word: Word) -> Expression {
    Expression::Immediate(VALUE, word.to_vec())
}

/// The looked up value becomes the mark.
pub(super) fn set_mark() -> Steps {
    vec![Expression::SetMeta(Meta::Mark, VALUE)]
}

pub(super) fn set_mark_to(mark: u32) -> Steps {
    let set = Expression::SetMeta(Meta::Mark, VALUE);
    vec![load(mark.to_ne_bytes()), set]
}

/// The looked up value becomes the priority.
pub(super) fn set_priority() -> Steps {
    vec![Expression::SetMeta(Meta::Priority, VALUE)]
}

pub(super) fn no_priority() -> Steps {
    let set = Expression::SetMeta(Meta::Priority, VALUE);
    vec![load([0; 4]), set]
}

/// The mark becomes the priority.
pub(super) fn mark_to_priority() -> Steps {
    vec![
        Expression::Meta(Meta::Mark, VALUE),
        Expression::SetMeta(Meta::Priority, VALUE),
    ]
}

pub(super) fn set_source(address: Ipv4Addr) -> Steps {
    let set = Expression::SetAddress(SOURCE, VALUE);
    vec![load(address.octets()), set]
}

pub(super) fn set_destination(address: Ipv4Addr) -> Steps {
    let set = Expression::SetAddress(DESTINATION, VALUE);
    vec![load(address.octets()), set]
}

/// No segment that the receiver sends is longer than fits into packets of `mtu` bytes.
pub(super) fn clamp(mtu: u16) -> Steps {
    /// IPv4 and TCP without options.
    const HEADERS: u16 = 40;
    let mss = mtu.saturating_sub(HEADERS).to_be_bytes();
    vec![
        Expression::Immediate(KEY, mss.to_vec()),
        Expression::SetMss(KEY),
    ]
}

/// Sends a copy to the looked up address.
pub(super) fn send_copy() -> Steps {
    vec![Expression::Duplicate(VALUE)]
}

/// Sends a copy to the address that it has.
pub(super) fn send_copy_on() -> Steps {
    vec![
        Expression::Payload(DESTINATION, VALUE),
        Expression::Duplicate(VALUE),
    ]
}

pub(super) fn call(address: Ipv4Addr) -> Steps {
    let nat = Expression::Nat(Nat::Destination, VALUE, None);
    vec![load(address.octets()), nat]
}

pub(super) fn call_as(address: Ipv4Addr, first: u16, last: u16) -> Steps {
    let port = |register, port: u16| Expression::Immediate(register, port.to_be_bytes().to_vec());
    let ports = (Register::W0, Register::W4);
    vec![
        load(address.octets()),
        port(ports.0, first),
        port(ports.1, last),
        Expression::Nat(Nat::Source, VALUE, Some(ports)),
    ]
}

pub(super) fn untracked() -> Steps {
    vec![Expression::NoTrack]
}

pub(super) fn counted() -> Steps {
    vec![Expression::Count]
}

pub(super) fn reset() -> Steps {
    vec![Expression::Reset]
}

pub(super) fn accept() -> Steps {
    vec![Expression::Verdict(Verdict::Accept)]
}

pub(super) fn drop() -> Steps {
    vec![Expression::Verdict(Verdict::Drop)]
}

pub(super) fn jump(chain: &'static str) -> Steps {
    vec![Expression::Verdict(Verdict::Jump(chain))]
}

pub(super) fn back_to_caller() -> Steps {
    vec![Expression::Verdict(Verdict::Return)]
}

pub(super) fn goto(chain: &'static str) -> Steps {
    vec![Expression::Verdict(Verdict::Goto(chain))]
}
