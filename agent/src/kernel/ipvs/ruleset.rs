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
//! * What answers a datagram that the node itself, or a container on it, sent from a virtual service's port (`asked`)
//!   is left to connection tracking.
//! * What processes and containers of the node itself call (`published`) is led through a pair
//!   of devices and comes back as if from outside.
//!
//! The rules follow from a few parameters ([`Params`]); what changes from day to day is in sets
//! ([`Elements`]). The rules are replaced in one step, with their sets ([`replace`]).

mod access;
mod cookie;
mod digest;
mod elements;
mod endpoint;
mod flows;
mod keys;
mod lease;
mod line;
mod matches;
mod outer;
mod own_datagrams;
mod own_ports;
mod port_remap;
mod rules;
mod set_element;
mod sets;
mod statements;
mod tcp;
#[cfg(test)]
mod tests;
mod timeouts;
mod tunnel;
mod volatile;

pub use digest::{counts, is_current, removal, replace};
pub use elements::Elements;
pub use endpoint::probe;
pub use lease::{lease, lease_left};
pub use rules::definition;
pub use sets::{ALLOWED, LEASE, LEASE_BRIDGE, ORIGINS, RELEASED, VIPS};
pub use volatile::{crowded, knows_flows, remains, volatile};

use lb_core::backend::ipvs::ids::TABLE_NAME;
use lb_netlink::nft::{Family, TableName};
use std::net::Ipv4Addr;

/// The table in which addresses and ports are dealt with.
pub const TABLE: TableName = TableName {
    family: Family::Ip,
    name: TABLE_NAME,
};
/// The table that keeps IPv6 from hanging.
pub const TABLE6: TableName = TableName {
    family: Family::Ip6,
    name: TABLE_NAME,
};
/// The table that reads tunnel ids.
pub const TABLE_TUNNEL: TableName = TableName {
    family: Family::Netdev,
    name: TABLE_NAME,
};

/// The table that sees frames of containers at their ports of bridges.
pub const TABLE_BRIDGE: TableName = TableName {
    family: Family::Bridge,
    name: TABLE_NAME,
};

/// Parameters of the ruleset.
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
    /// Number of the user whose processes may open connections to tasks by their route addresses; `None`: nobody's.
    pub router_user: Option<u32>,
}
