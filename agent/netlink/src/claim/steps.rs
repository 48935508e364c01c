//! What the rules ask of packets. Each is a few steps over registers that nothing else relies on,
//! so they can be put one after the other.

use super::sets::LEASE;
use crate::nft::{Comparison, Expression, Found, Layer, Meta, Payload, Register, SetName};
use std::net::Ipv4Addr;

pub(super) type Steps = Vec<Expression>;

/// Where keys begin.
pub(super) const KEY: Register = Register::W0;
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

pub(super) const SOURCE: Payload = network(12);
pub(super) const DESTINATION: Payload = network(16);
pub(super) const SOURCE_PORT: Payload = transport(0, 2);
pub(super) const DESTINATION_PORT: Payload = transport(2, 2);
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
pub(super) fn key(parts: &[Part]) -> Steps {
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
    destination_type(Comparison::Equal)
}

/// It is not.
pub(super) fn to_elsewhere() -> Steps {
    destination_type(Comparison::Unequal)
}

fn destination_type(local: Comparison) -> Steps {
    let bytes = LOCAL.to_ne_bytes().to_vec();
    vec![
        Expression::DestinationType(KEY),
        Expression::Compare(KEY, local, bytes),
    ]
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
    compare_flags(looked_at, Comparison::Equal, set)
}

fn compare_flags(looked_at: u8, how: Comparison, bits: u8) -> Steps {
    let mut steps = protocol(TCP);
    steps.extend([
        Expression::Payload(TCP_FLAGS, KEY),
        Expression::Mask(KEY, vec![looked_at]),
        Expression::Compare(KEY, how, vec![bits]),
    ]);
    steps
}

/// It opens a TCP connection.
pub(super) fn opens() -> Steps {
    flags(FIN | SYN | RST | ACK, SYN)
}

/// It opens a TCP connection, or is the last of its sender in one.
pub(super) fn opens_or_ends() -> Steps {
    compare_flags(FIN | SYN | RST, Comparison::Unequal, 0)
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

/// It is in the map, and its value is there for what comes behind.
pub(super) fn value_of(map: SetName, parts: &[Part]) -> Steps {
    look(map, parts, Found::Value(VALUE))
}

/// Apart from keys: what is between a look and its use leaves it alone.
pub(super) const VALUE: Register = Register::W8;

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
