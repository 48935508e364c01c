//! The ruleset that brings packets to IPVS, and prepares them before and after: the rules that make a
//! node's virtual services answer from wherever they are called.
//!
//! * A client's packet for a virtual service (`vips`) is not tracked and comes to IPVS as it is,
//!   if it may (`restricted`, `allowed`) and if somebody keeps the list of tasks (`lease`).
//! * IPVS sends it to a task here, or into the tunnel. A packet out of the tunnel comes from a
//!   known node (`peers`) whose cookie it bears (`cookies`), and gets the mark of the task that its tunnel id names
//!   (`tags`). What goes into the tunnel bears this node's cookie (`cookie_high`, `cookie_low`).
//! * A task's reply to a client of another node (`origins`, `calls`) is sent back through the
//!   tunnel to that node, which sends it on if it is a reply to a flow that came in there.
//! * What a container sends under the address of a task that is another container (`endpoints`) is
//!   dropped at its port of a bridge.
//! * What processes and containers of the node itself call (`published`) is led through a pair
//!   of devices and comes back as if from outside.
//!
//! The rules follow from a few parameters ([`Params`]); what changes from day to day is in sets
//! ([`Elements`]). The rules are replaced in one step, with their sets ([`replace`]).

mod cookie;
mod digest;
mod elements;
mod endpoint;
mod flows;
mod matches;
mod outer;
mod port_remap;
mod rules;
mod set_element;
mod sets;
mod statements;
#[cfg(test)]
mod tests;
mod tunnel;
mod volatile;

pub use crate::ids::{
    HAIRPIN_FROM as OUT, HAIRPIN_IN, HAIRPIN_OUT, HAIRPIN_TO as IN, MARK_MASK as TUNNEL_MASK,
    MARKS as TUNNEL_MARKS, PEER_ROUTE_ADDRESSES, TASK_ROUTE_ADDRESSES, TUNNEL,
};
pub use digest::{counts, is_current, removal, replace};
pub use elements::{Elements, lease, lease_left};
pub use endpoint::probe;
pub use rules::ruleset;
pub use set_element::{Allowed, Bits, Cookie, Endpoint, Keys, Port, Protocol, Service, Tag};
pub use sets::{ALLOWED, LEASE, LEASE_BRIDGE, RELEASED, VIPS};
pub use volatile::{crowded, knows_flows, remains, volatile};

use crate::ids::PEERS_BEGIN;
use crate::nft::{Family, TableName};
use std::net::Ipv4Addr;

/// The tunnel id of replies on their way back.
pub const RETURN_ID: u32 = 0x0080_0001;
/// Their mark, when they came out of the tunnel.
pub const RETURN_MARK: u32 = TUNNEL_MARKS | 0x0200_0000;
/// The mark of what came out of the tunnel and names no task that is here, or has no ports to tell
/// by: fragments and ICMP errors.
pub const UNKNOWN_MARK: u32 = TUNNEL_MARKS;
/// The mark of what a task answers, from the bridge until it is sent back: none of the tunnel's.
pub const ANSWER_MARK: u32 = 0x5400_0001;
/// The table in which addresses and ports are dealt with.
pub const TABLE: TableName = TableName {
    family: Family::Ip,
    name: "swarmlb",
};
/// The table that keeps IPv6 from hanging.
pub const TABLE6: TableName = TableName {
    family: Family::Ip6,
    name: "swarmlb",
};
/// The table that reads tunnel ids.
pub const TABLE_TUNNEL: TableName = TableName {
    family: Family::Netdev,
    name: "swarmlb",
};

/// The table that sees frames of containers at their ports of bridges.
pub const TABLE_BRIDGE: TableName = TableName {
    family: Family::Bridge,
    name: "swarmlb",
};

/// What the rules follow from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// The address on which this node is called by itself.
    pub node: Ipv4Addr,
    /// UDP port of the tunnel.
    pub tunnel_port: u16,
    /// MTU of the tunnel's device, in bytes.
    pub tunnel_mtu: u16,
    /// Room for so many connections, in sets of 60 to 80 bytes for each.
    pub connections: u32,
}
