//! The host's links by netlink, in the network namespace of the calling thread: the uplink, the addresses
//! on which published ports are answered, events of changes, and ports of the host's own processes. Read
//! only.

mod changes;
mod container_addresses;
mod dump;
mod ephemeral_ports;
mod ipv6;
mod listening;
mod netns_cookie;
mod path_mtus;
mod uplink;

pub use changes::{Changes, changes};
pub use container_addresses::{Container, ContainerAddresses};
pub use dump::FarEnd;
pub use ephemeral_ports::ephemeral_ports;
pub use ipv6::has_ipv6;
pub use listening::{Listening, Ports};
pub use netns_cookie::{netns_cookie, netns_cookie_of};
pub use path_mtus::PathMtus;

use ipnet::Ipv4Net;
use lb_core::model::node::Link;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::Ipv4Addr;

/// Facts about the links and addresses of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The device that carries the node's address, or the first that the operator named.
    pub uplink: Link,
    /// Addresses of that device.
    pub own: BTreeSet<Ipv4Addr>,
    /// Further devices on which clients' packets arrive.
    pub extra_uplinks: BTreeSet<Link>,
    /// The bridge of the tasks, once Docker has made it.
    pub bridge: Option<Link>,
    /// The host's own address on that bridge; the lowest one, if there are several.
    pub gateway: Option<Ipv4Addr>,
    /// Networks of the addresses of the uplink and of the further devices.
    pub uplink_networks: BTreeSet<Ipv4Net>,
    /// Other bridges of this host, whose containers may be clients.
    pub bridges: BTreeSet<Link>,
    /// Indexes of all devices that are ports of these bridges, with their other ends.
    pub bridge_ports: BTreeMap<u32, Option<FarEnd>>,
    /// The bridge of each of these ports, and of all ports of uplinks that are bridges, by their indexes.
    pub port_bridges: BTreeMap<u32, u32>,
    /// MTUs of all devices, by index and in bytes.
    pub mtus: BTreeMap<u32, u32>,
    /// Addresses on which published ports are answered: all of this host's, apart from loopback
    /// addresses.
    pub addresses: BTreeSet<Ipv4Addr>,
}

/// Errors of reading the links. The message is for the operator.
#[derive(Debug, thiserror::Error)]
pub enum LinksError {
    /// The operator named a device that does not exist.
    #[error("no device is called {name}: this host has {}", list(have))]
    NoSuchDevice {
        /// The name given.
        name: String,
        /// Devices that could be an uplink.
        have: Vec<String>,
    },
    /// The node's address is on no device of this host.
    #[error(
        "no usable uplink: no device carries this node's address {address}; name one with --uplink (this host has {})",
        list(have)
    )]
    AddressNowhere {
        /// The address that the Swarm has for this node.
        address: Ipv4Addr,
        /// Devices that could be an uplink.
        have: Vec<String>,
    },
    /// The node's address is on a device that no other node can reach.
    #[error(
        "no usable uplink: this node's address {address} is on {name}, which leads to no other node; \
         join the Swarm with --advertise-addr, or name a device with --uplink"
    )]
    AddressInside {
        /// The address that the Swarm has for this node.
        address: Ipv4Addr,
        /// `lo`, or the bridge of the tasks.
        name: String,
    },
    /// The node's address is not known, and no device was named.
    #[error(
        "no usable uplink: the Swarm has no IPv4 address for this node; name a device with --uplink (this host has {})",
        list(have)
    )]
    AddressUnknown {
        /// Devices that could be an uplink.
        have: Vec<String>,
    },
    /// No netlink socket could be opened.
    #[error("cannot open a netlink socket: {0}")]
    Socket(#[source] io::Error),
    /// The kernel refused a dump.
    #[error("cannot read this host's {what} by netlink: {source}")]
    Dump {
        /// `links` or `addresses`.
        what: &'static str,
        /// Error of the netlink library.
        source: Box<rtnetlink::Error>,
    },
    /// The kernel did not answer in time.
    #[error("cannot read this host's links by netlink: no answer within 5 s")]
    Silent,
}

/// Reads the facts. `address` is what the Swarm has for this node, `named` the devices
/// that the operator wants as uplinks, `bridge_name` the bridge of the tasks.
pub async fn read(
    address: Option<Ipv4Addr>,
    named: &[String],
    bridge_name: &str,
) -> Result<Facts, LinksError> {
    let devices = dump::devices().await?;
    uplink::facts(&devices, address, named, bridge_name)
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "none that could be one".to_owned()
    } else {
        names.join(", ")
    }
}

#[cfg(test)]
mod tests;
