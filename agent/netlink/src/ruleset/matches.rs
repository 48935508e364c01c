//! Conditions of rules on packets. Each is a few expressions over registers that nothing else relies on,
//! so they can be put one after the other.

use super::sets::LEASE;
use crate::nft::{Address, Comparison, Expression, Found, Layer, Meta, Payload, Register, SetName};
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

pub(super) type Expressions = Vec<Expression>;

/// Where keys begin.
pub(super) const KEY: Register = Register::W0;
/// `RTN_UNICAST` and `RTN_LOCAL` of `linux/rtnetlink.h`.
const UNICAST: u32 = 1;
const LOCAL: u32 = 2;

pub(super) const ICMP: u8 = 1;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
/// Bits of the flags in a TCP header.
pub(super) const SYN: u8 = 0x02;
pub(super) const ACK: u8 = 0x10;
const FIN: u8 = 0x01;
const RST: u8 = 0x04;
const PSH: u8 = 0x08;

const fn network(offset: u8) -> Payload {
    Payload {
        layer: Layer::Network,
        offset,
        length: 4,
    }
}

pub(super) const fn transport(offset: u8, length: u8) -> Payload {
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
/// Behind the header of an ICMP error is the packet that it is about: an IPv4 header without options, and ports.
const ABOUT_LENGTH: Payload = transport(8, 1);
const ABOUT_TRANSPORT: Payload = transport(17, 1);
const ABOUT_SOURCE: Payload = transport(20, 4);
const ABOUT_DESTINATION: Payload = transport(24, 4);
const ABOUT_SOURCE_PORT: Payload = transport(28, 2);
const ABOUT_DESTINATION_PORT: Payload = transport(30, 2);

/// A field of a key.
#[derive(Clone, Copy)]
pub(super) enum KeyField {
    Source,
    Destination,
    Transport,
    SourcePort,
    DestinationPort,
    TunnelId,
    /// These bytes.
    Field(Payload),
    /// The source port with these bits turned over.
    OtherPort(u16),
    /// Of the packet that an ICMP error is about.
    AboutTransport,
    AboutSource,
    AboutSourcePort,
    AboutDestination,
    AboutDestinationPort,
}

/// Puts the fields of a key into registers, a word each.
pub(super) fn key(parts: &[KeyField]) -> Expressions {
    let registers = [KEY, Register::W1, Register::W2, Register::W3];
    let each = parts.iter().zip(registers);
    each.flat_map(|(part, to)| load(*part, to)).collect()
}

/// Puts one field into a register.
pub(super) fn load(part: KeyField, to: Register) -> Expressions {
    let field = match part {
        KeyField::Transport => return vec![Expression::Meta(Meta::Transport, to)],
        KeyField::TunnelId => return vec![Expression::TunnelId(to)],
        KeyField::OtherPort(bits) => {
            let flip = Expression::Flip(to, bits.to_be_bytes().to_vec());
            return vec![Expression::Payload(SOURCE_PORT, to), flip];
        }
        KeyField::Field(field) => field,
        KeyField::Source => SOURCE,
        KeyField::Destination => DESTINATION,
        KeyField::SourcePort => SOURCE_PORT,
        KeyField::DestinationPort => DESTINATION_PORT,
        KeyField::AboutTransport => ABOUT_TRANSPORT,
        KeyField::AboutSource => ABOUT_SOURCE,
        KeyField::AboutSourcePort => ABOUT_SOURCE_PORT,
        KeyField::AboutDestination => ABOUT_DESTINATION,
        KeyField::AboutDestinationPort => ABOUT_DESTINATION_PORT,
    };
    vec![Expression::Payload(field, to)]
}

fn equal(load: Expression, bytes: Vec<u8>) -> Expressions {
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
pub(super) fn from(device: &str) -> Expressions {
    equal(Expression::Meta(Meta::InName, KEY), name(device))
}

/// It leaves by this device.
pub(super) fn by(device: &str) -> Expressions {
    equal(Expression::Meta(Meta::OutName, KEY), name(device))
}

/// It came in on one of these devices.
pub(super) fn from_any(devices: SetName) -> Expressions {
    vec![
        Expression::Meta(Meta::InIndex, KEY),
        Expression::Lookup(devices, KEY, Found::Present),
    ]
}

pub(super) fn source(address: Ipv4Addr) -> Expressions {
    equal(Expression::Payload(SOURCE, KEY), octets(address))
}

pub(super) fn destination(address: Ipv4Addr) -> Expressions {
    equal(Expression::Payload(DESTINATION, KEY), octets(address))
}

pub(super) fn octets(address: Ipv4Addr) -> Vec<u8> {
    address.octets().to_vec()
}

pub(super) fn protocol(number: u8) -> Expressions {
    equal(Expression::Meta(Meta::Transport, KEY), vec![number])
}

pub(super) fn destination_port(port: u16) -> Expressions {
    let bytes = port.to_be_bytes().to_vec();
    equal(Expression::Payload(DESTINATION_PORT, KEY), bytes)
}

/// Its destination begins with these bits.
pub(super) fn destination_in(network: Ipv4Net) -> Expressions {
    vec![
        Expression::Payload(DESTINATION, KEY),
        Expression::Mask(KEY, octets(network.netmask())),
        Expression::Compare(KEY, Comparison::Equal, octets(network.network())),
    ]
}

/// It is for an address of this host.
pub(super) fn to_here() -> Expressions {
    address_type(Address::Destination, Comparison::Equal, LOCAL)
}

/// It is for an address of the device that it came in on.
pub(super) fn to_device() -> Expressions {
    address_type(Address::DestinationOnDevice, Comparison::Equal, LOCAL)
}

/// It is not for one other host: for this one, or for many.
pub(super) fn to_no_other() -> Expressions {
    address_type(Address::Destination, Comparison::Unequal, UNICAST)
}

/// Its sender has an address of this host.
pub(super) fn of_here() -> Expressions {
    address_type(Address::Source, Comparison::Equal, LOCAL)
}

/// Its sender has none.
pub(super) fn of_elsewhere() -> Expressions {
    address_type(Address::Source, Comparison::Unequal, LOCAL)
}

fn address_type(which: Address, how: Comparison, number: u32) -> Expressions {
    let bytes = number.to_ne_bytes().to_vec();
    vec![
        Expression::AddressType(which, KEY),
        Expression::Compare(KEY, how, bytes),
    ]
}

/// It came in on the device that leads to its sender.
pub(super) fn by_the_way_back() -> Expressions {
    equal(Expression::WayBack(KEY), vec![1])
}

/// A process sends it, and not the kernel: processes can't help that. No user has this number (`uid_t` -1).
pub(super) fn of_a_process() -> Expressions {
    let nobody = u32::MAX.to_ne_bytes().to_vec();
    vec![
        Expression::Meta(Meta::User, KEY),
        Expression::Compare(KEY, Comparison::Unequal, nobody),
    ]
}

/// Its mark begins with this byte, as it lies in memory.
pub(super) fn not_marked_with(first: u8) -> Expressions {
    vec![
        Expression::Meta(Meta::Mark, KEY),
        Expression::Mask(KEY, vec![u8::MAX, 0, 0, 0]),
        Expression::Compare(KEY, Comparison::Unequal, vec![first, 0, 0, 0]),
    ]
}

/// It is an ICMP message about a packet of this transport protocol.
pub(super) fn about(number: u8) -> Expressions {
    /// Version 4, five words.
    const PLAIN: u8 = 0x45;
    let mut expressions = protocol(ICMP);
    expressions.extend(equal(Expression::Payload(ABOUT_LENGTH, KEY), vec![PLAIN]));
    expressions.extend(equal(
        Expression::Payload(ABOUT_TRANSPORT, KEY),
        vec![number],
    ));
    expressions
}

pub(super) fn marked(mark: u32) -> Expressions {
    let bytes = mark.to_ne_bytes().to_vec();
    equal(Expression::Meta(Meta::Mark, KEY), bytes)
}

pub(super) fn tunnel_id(id: u32) -> Expressions {
    let bytes = id.to_ne_bytes().to_vec();
    equal(Expression::TunnelId(KEY), bytes)
}

/// TCP with exactly `set` of the bits of `looked_at`.
fn flags(looked_at: u8, set: u8) -> Expressions {
    compare_flags(looked_at, Comparison::Equal, set)
}

fn compare_flags(looked_at: u8, how: Comparison, bits: u8) -> Expressions {
    let mut expressions = protocol(TCP);
    expressions.extend([
        Expression::Payload(TCP_FLAGS, KEY),
        Expression::Mask(KEY, vec![looked_at]),
        Expression::Compare(KEY, how, vec![bits]),
    ]);
    expressions
}

/// It opens a TCP connection.
pub(super) fn opens() -> Expressions {
    flags(FIN | SYN | RST | ACK, SYN)
}

/// It is TCP, and opens none.
pub(super) fn opens_not() -> Expressions {
    compare_flags(FIN | SYN | RST | ACK, Comparison::Unequal, SYN)
}

/// It is the last of its sender in a TCP connection.
pub(super) fn ends() -> Expressions {
    compare_flags(FIN | RST, Comparison::Unequal, 0)
}

/// It is amid a TCP connection.
pub(super) fn goes_on() -> Expressions {
    flags(FIN | SYN | RST, 0)
}

/// It is that, and has all that its sender had to say: the last acknowledgement of a connection never is.
pub(super) fn says() -> Expressions {
    flags(FIN | SYN | RST | PSH, PSH)
}

/// It answers that.
pub(super) fn answers() -> Expressions {
    flags(SYN | ACK, SYN | ACK)
}

pub(super) fn is_in(set: SetName, parts: &[KeyField]) -> Expressions {
    look(set, parts, Found::Present)
}

pub(super) fn is_not_in(set: SetName, parts: &[KeyField]) -> Expressions {
    look(set, parts, Found::Absent)
}

/// It is in the map, and its value is there for what comes behind.
pub(super) fn value_of(map: SetName, parts: &[KeyField]) -> Expressions {
    look(map, parts, Found::Value(VALUE))
}

/// It is in the map of addresses. Old kernels know no way to ask that but for the value.
pub(super) fn in_map(map: SetName, parts: &[KeyField]) -> Expressions {
    has_other_than(map, parts, Ipv4Addr::BROADCAST)
}

/// It is in the map of addresses, with one.
pub(super) fn has_address(map: SetName, parts: &[KeyField]) -> Expressions {
    has_other_than(map, parts, Ipv4Addr::UNSPECIFIED)
}

fn has_other_than(map: SetName, parts: &[KeyField], value: Ipv4Addr) -> Expressions {
    let mut expressions = value_of(map, parts);
    let compare = Expression::Compare(VALUE, Comparison::Unequal, octets(value));
    expressions.push(compare);
    expressions
}

/// It is in the map of ports: no value of that is 0.
pub(super) fn has_port(map: SetName, parts: &[KeyField]) -> Expressions {
    let mut expressions = value_of(map, parts);
    expressions.push(Expression::Compare(VALUE, Comparison::Unequal, vec![0; 2]));
    expressions
}

/// Apart from keys: what is between a look and its use leaves it alone.
pub(super) const VALUE: Register = Register::W8;

fn look(set: SetName, parts: &[KeyField], found: Found) -> Expressions {
    let mut expressions = key(parts);
    expressions.push(Expression::Lookup(set, KEY, found));
    expressions
}

pub(super) fn leased() -> Expressions {
    lease(Found::Present)
}

pub(super) fn not_leased() -> Expressions {
    lease(Found::Absent)
}

fn lease(found: Found) -> Expressions {
    vec![
        Expression::Meta(Meta::Network, KEY),
        Expression::Lookup(LEASE, KEY, found),
    ]
}
