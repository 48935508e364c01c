//! Which packets IPVS gets, and what is done to them before and after: the rules that make a
//! node's virtual servers answer from wherever they are called.
//!
//! * A client's packet for a virtual server (`claims`) is not tracked and comes to IPVS as it is,
//!   if it may (`restricted`, `allowed`) and if somebody keeps the list of tasks (`lease`).
//! * IPVS sends it to a task here, or into the tunnel. A packet out of the tunnel comes from a
//!   known node (`peers`), and gets the mark of the task that its tunnel id names (`tags`).
//! * A task's reply to a client of another node (`origins`, `learned`) is sent back through the
//!   tunnel to that node, which sends it on.
//! * What processes and containers of the node itself call (`published`) is led through a pair
//!   of devices and comes back as if from outside.
//!
//! The rules follow from a few parameters ([`Params`]); what changes from day to day is in sets
//! ([`Elements`]). The rules are replaced in one step, with their sets ([`replace`]).

mod acts;
mod alias;
mod elements;
mod item;
mod rules;
mod sets;
mod stamp;
mod steps;
#[cfg(test)]
mod tests;
mod tunnel;

pub use crate::names::{
    LOOP_FROM as OUT, LOOP_IN, LOOP_OUT, LOOP_TO as IN, MARK_MASK as TUNNEL_MASK,
    MARKS as TUNNEL_MARKS, TUNNEL,
};
pub use elements::{Elements, lease, lease_left, remains, volatile};
pub use item::{Allowed, Port, Protocol, Service, Tag};
pub use rules::ruleset;
pub use sets::{ALLOWED, CLAIMS, LEARNED, LEASE, RELEASED};
pub use stamp::{are_right, counts, removal, replace};

use crate::nft::{Family, TableName};
use std::net::Ipv4Addr;

/// The tunnel id of replies on their way back.
pub const RETURN_ID: u32 = 0x0080_0001;
/// Their mark, when they came out of the tunnel.
pub const RETURN_MARK: u32 = TUNNEL_MARKS | 0x0200_0000;
/// The mark of what came out of the tunnel and names no task that is here, or has no ports to tell
/// by: fragments and ICMP errors.
pub const UNKNOWN_MARK: u32 = TUNNEL_MARKS;

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

/// What the rules follow from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// The address on which this node is called by itself.
    pub node: Ipv4Addr,
    /// UDP port of the tunnel.
    pub tunnel_port: u16,
    /// MTU of the tunnel's device, in bytes.
    pub tunnel_mtu: u16,
}
