//! The words that the rules are made of. Each is a few steps over registers that nothing else
//! relies on, so they can be put one after the other.

use super::sets::LEASE;
use crate::nft::{
    Comparison, Expression, Found, Layer, Meta, Nat, Payload, Register, SetName, Verdict, Word,
};
use std::net::Ipv4Addr;

pub(super) type Steps = Vec<Expression>;

/// Where keys begin, and where what was looked up comes.
const KEY: Register = Register::W0;
/// `RTN_LOCAL` of `linux/rtnetlink.h`.
const LOCAL: u32 = 2;

pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
/// Bits of the flags in a TCP header.
pub(super) const SYN: u8 = 0x02;
pub(super) const ACK: u8 = 0x10;
const FIN: u8 = 0x01;
const RST: u8 = 0x04;

const fn network(offset: u8) -> Payload {
    Payload {
        layer: Layer::Network,
        offset,
        length: 4,
    }
}

const fn transport(offset: u8, length: u8) -> Payload {
    Payload {
        layer: Layer::Transport,
        offset,
        length,
    }
}

const SOURCE: Payload = network(12);
const DESTINATION: Payload = network(16);
const SOURCE_PORT: Payload = transport(0, 2);
const DESTINATION_PORT: Payload = transport(2, 2);
const TCP_FLAGS: Payload = transport(13, 1);

/// A field of a key.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Source,
    Destination,
    Transport,
    SourcePort,
    DestinationPort,
    TunnelId,
}

/// Puts the fields of a key into registers, a word each.
fn key(parts: &[Part]) -> Steps {
    let registers = [KEY, Register::W1, Register::W2, Register::W3];
    let load = |(part, to): (&Part, Register)| match part {
        Part::Source => Expression::Payload(SOURCE, to),
        Part::Destination => Expression::Payload(DESTINATION, to),
        Part::Transport => Expression::Meta(Meta::Transport, to),
        Part::SourcePort => Expression::Payload(SOURCE_PORT, to),
        Part::DestinationPort => Expression::Payload(DESTINATION_PORT, to),
        Part::TunnelId => Expression::TunnelId(to),
    };
    parts.iter().zip(registers).map(load).collect()
}

fn equal(load: Expression, bytes: Vec<u8>) -> Steps {
    vec![load, Expression::Compare(KEY, Comparison::Equal, bytes)]
}

fn name(device: &str) -> Vec<u8> {
    /// `IFNAMSIZ`.
    const LENGTH: usize = 16;
    let mut bytes = device.as_bytes().to_vec();
    bytes.resize(LENGTH, 0);
    bytes
}

/// It came in on this device.
pub(super) fn from(device: &str) -> Steps {
    equal(Expression::Meta(Meta::InName, KEY), name(device))
}

/// It leaves by this device.
pub(super) fn by(device: &str) -> Steps {
    equal(Expression::Meta(Meta::OutName, KEY), name(device))
}

/// It came in on one of these devices.
pub(super) fn from_any(devices: SetName) -> Steps {
    vec![
        Expression::Meta(Meta::InIndex, KEY),
        Expression::Lookup(devices, KEY, Found::Present),
    ]
}

pub(super) fn source(address: Ipv4Addr) -> Steps {
    equal(Expression::Payload(SOURCE, KEY), octets(address))
}

pub(super) fn destination(address: Ipv4Addr) -> Steps {
    equal(Expression::Payload(DESTINATION, KEY), octets(address))
}

pub(super) fn octets(address: Ipv4Addr) -> Vec<u8> {
    address.octets().to_vec()
}

pub(super) fn protocol(number: u8) -> Steps {
    equal(Expression::Meta(Meta::Transport, KEY), vec![number])
}

pub(super) fn destination_port(port: u16) -> Steps {
    let bytes = port.to_be_bytes().to_vec();
    equal(Expression::Payload(DESTINATION_PORT, KEY), bytes)
}

/// It is for an address of this host.
pub(super) fn to_here() -> Steps {
    let bytes = LOCAL.to_ne_bytes().to_vec();
    equal(Expression::DestinationType(KEY), bytes)
}

pub(super) fn marked(mark: u32) -> Steps {
    let bytes = mark.to_ne_bytes().to_vec();
    equal(Expression::Meta(Meta::Mark, KEY), bytes)
}

pub(super) fn tunnel_id(id: u32) -> Steps {
    let bytes = id.to_ne_bytes().to_vec();
    equal(Expression::TunnelId(KEY), bytes)
}

/// TCP with exactly `set` of the bits of `looked_at`.
fn flags(looked_at: u8, set: u8) -> Steps {
    let mut steps = protocol(TCP);
    steps.extend([
        Expression::Payload(TCP_FLAGS, KEY),
        Expression::Mask(KEY, vec![looked_at]),
        Expression::Compare(KEY, Comparison::Equal, vec![set]),
    ]);
    steps
}

/// It opens a TCP connection.
pub(super) fn opens() -> Steps {
    flags(FIN | SYN | RST | ACK, SYN)
}

/// It answers that.
pub(super) fn answers() -> Steps {
    flags(SYN | ACK, SYN | ACK)
}

pub(super) fn is_in(set: SetName, parts: &[Part]) -> Steps {
    look(set, parts, Found::Present)
}

pub(super) fn is_not_in(set: SetName, parts: &[Part]) -> Steps {
    look(set, parts, Found::Absent)
}

/// It is in the map, and its value is there for one of `set_mark`, `set_priority`,
/// `send_copy` behind it.
pub(super) fn value_of(map: SetName, parts: &[Part]) -> Steps {
    look(map, parts, Found::Value(VALUE))
}

/// Apart from keys: what is between a look and its use leaves it alone.
const VALUE: Register = Register::W8;

fn look(set: SetName, parts: &[Part], found: Found) -> Steps {
    let mut steps = key(parts);
    steps.push(Expression::Lookup(set, KEY, found));
    steps
}

pub(super) fn leased() -> Steps {
    lease(Found::Present)
}

pub(super) fn not_leased() -> Steps {
    lease(Found::Absent)
}

fn lease(found: Found) -> Steps {
    vec![
        Expression::Meta(Meta::Network, KEY),
        Expression::Lookup(LEASE, KEY, found),
    ]
}

pub(super) fn put(set: SetName, parts: &[Part]) -> Steps {
    let mut steps = key(parts);
    let (key, value) = (KEY, None);
    steps.push(Expression::Update { set, key, value });
    steps
}

/// Remembers the packet's priority, if it has one, under its destination.
pub(super) fn put_priority(map: SetName) -> Steps {
    let mut steps = vec![
        Expression::Meta(Meta::Priority, VALUE),
        Expression::Compare(VALUE, Comparison::Unequal, vec![0; 4]),
    ];
    steps.extend(key(&[Part::Destination]));
    let (set, key, value) = (map, KEY, Some(VALUE));
    steps.push(Expression::Update { set, key, value });
    steps
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

/// The mark becomes the priority, and there is no mark any more.
pub(super) fn mark_to_priority() -> Steps {
    let mut steps = vec![
        Expression::Meta(Meta::Mark, VALUE),
        Expression::SetMeta(Meta::Priority, VALUE),
    ];
    steps.extend(set_mark_to(0));
    steps
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

pub(super) fn goto(chain: &'static str) -> Steps {
    vec![Expression::Verdict(Verdict::Goto(chain))]
}
