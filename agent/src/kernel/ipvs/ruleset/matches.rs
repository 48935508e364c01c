//! Matches: conditions of rules on packets. Each is a few expressions over registers that nothing else relies on,
//! so they can be put one after the other.

use super::keys::{
    ABOUT_LENGTH, ABOUT_TRANSPORT, CONNECTION, DESTINATION, DESTINATION_PORT, Expressions, KEY,
    KeyField, SOURCE, VALUE, key,
};
use super::sets::{CALLS, LEASE};
use ipnet::Ipv4Net;
use lb_netlink::nft::{Address, Comparison, Expression, Found, Meta, Payload, SetName, Tracked};
use std::net::Ipv4Addr;

/// `RTN_UNICAST` and `RTN_LOCAL` of `linux/rtnetlink.h`.
const UNICAST: u32 = 1;
const LOCAL: u32 = 2;

const ICMP: u8 = 1;

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

/// Received on this device.
pub(super) fn from(device: &str) -> Expressions {
    equal(Expression::Meta(Meta::InName, KEY), name(device))
}

/// Leaves by this device.
pub(super) fn by(device: &str) -> Expressions {
    equal(Expression::Meta(Meta::OutName, KEY), name(device))
}

/// Received on one of these devices.
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

/// Destined to an address of this network.
pub(super) fn destination_in(network: Ipv4Net) -> Expressions {
    address_in(DESTINATION, network)
}

/// Sent from an address of this network.
pub(super) fn source_in(network: Ipv4Net) -> Expressions {
    address_in(SOURCE, network)
}

fn address_in(field: Payload, network: Ipv4Net) -> Expressions {
    vec![
        Expression::Payload(field, KEY),
        Expression::Mask(KEY, octets(network.netmask())),
        Expression::Compare(KEY, Comparison::Equal, octets(network.network())),
    ]
}

/// Destined to an address of this host.
pub(super) fn to_here() -> Expressions {
    address_type(Address::Destination, Comparison::Equal, LOCAL)
}

/// Destined to an address of the device on which it was received.
pub(super) fn to_device() -> Expressions {
    address_type(Address::DestinationOnDevice, Comparison::Equal, LOCAL)
}

/// Not destined to a single other host: to this one, or to many.
pub(super) fn to_no_other() -> Expressions {
    address_type(Address::Destination, Comparison::Unequal, UNICAST)
}

/// Sent from an address of this host.
pub(super) fn of_here() -> Expressions {
    address_type(Address::Source, Comparison::Equal, LOCAL)
}

/// Sent from an address that is none of this host's.
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

/// Received on the device by which its sender is reached.
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

/// A process sends it that runs as the user with this number, by the rights with which it made the socket.
pub(super) fn of_user(user: u32) -> Expressions {
    equal(
        Expression::Meta(Meta::User, KEY),
        user.to_ne_bytes().to_vec(),
    )
}

/// Connection tracking was told to leave it alone.
pub(super) fn not_tracked() -> Expressions {
    /// `NF_CT_STATE_UNTRACKED_BIT` of `linux/netfilter/nf_conntrack_common.h`.
    const UNTRACKED: u32 = 1 << 6;
    vec![
        Expression::Track(Tracked::State, KEY),
        Expression::Mask(KEY, UNTRACKED.to_ne_bytes().to_vec()),
        Expression::Compare(KEY, Comparison::Unequal, vec![0; 4]),
    ]
}

/// To connection tracking it is its connection's first packet, or goes the way of that one.
pub(super) fn first_sent_here() -> Expressions {
    /// `IP_CT_DIR_ORIGINAL` of `linux/netfilter/nf_conntrack_tuple_common.h`.
    const ORIGINAL: u8 = 0;
    equal(Expression::Track(Tracked::Direction, KEY), vec![ORIGINAL])
}

/// The mark does not begin with this byte, as it lies in memory.
pub(super) fn not_marked_with(first: u8) -> Expressions {
    vec![
        Expression::Meta(Meta::Mark, KEY),
        Expression::Mask(KEY, vec![u8::MAX, 0, 0, 0]),
        Expression::Compare(KEY, Comparison::Unequal, vec![first, 0, 0, 0]),
    ]
}

/// An ICMP error about a packet of this transport protocol.
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

pub(super) fn not_marked(mark: u32) -> Expressions {
    let bytes = mark.to_ne_bytes().to_vec();
    vec![
        Expression::Meta(Meta::Mark, KEY),
        Expression::Compare(KEY, Comparison::Unequal, bytes),
    ]
}

pub(super) fn tunnel_id(id: u32) -> Expressions {
    let bytes = id.to_ne_bytes().to_vec();
    equal(Expression::TunnelId(KEY), bytes)
}

pub(super) fn is_in(set: SetName, parts: &[KeyField]) -> Expressions {
    look(set, parts, Found::Present)
}

pub(super) fn is_not_in(set: SetName, parts: &[KeyField]) -> Expressions {
    look(set, parts, Found::Absent)
}

/// The key is in the map; its value is loaded into `VALUE`.
pub(super) fn value_of(map: SetName, parts: &[KeyField]) -> Expressions {
    look(map, parts, Found::Value(VALUE))
}

/// The key is in the map of addresses. Old kernels can't test that without loading the value.
pub(super) fn in_map(map: SetName, parts: &[KeyField]) -> Expressions {
    has_other_than(map, parts, Ipv4Addr::BROADCAST)
}

/// Belongs to a TCP connection that is known.
pub(super) fn known_connection() -> Expressions {
    in_map(CALLS, &CONNECTION)
}

/// The key is in the map of addresses, with an address other than 0.0.0.0.
pub(super) fn has_address(map: SetName, parts: &[KeyField]) -> Expressions {
    has_other_than(map, parts, Ipv4Addr::UNSPECIFIED)
}

fn has_other_than(map: SetName, parts: &[KeyField], value: Ipv4Addr) -> Expressions {
    let mut expressions = value_of(map, parts);
    let compare = Expression::Compare(VALUE, Comparison::Unequal, octets(value));
    expressions.push(compare);
    expressions
}

/// The key is in the map of ports, of which no value is 0.
pub(super) fn has_port(map: SetName, parts: &[KeyField]) -> Expressions {
    let mut expressions = value_of(map, parts);
    expressions.push(Expression::Compare(VALUE, Comparison::Unequal, vec![0; 2]));
    expressions
}

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
