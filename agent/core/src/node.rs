//! What this host is: its place in the Swarm, its links and addresses, its own tasks.

use crate::ids::{NodeId, TaskId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// Facts about the node the agent runs on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Its id in the Swarm.
    pub id: NodeId,
    /// Its own address towards other nodes: source and target of the tunnel.
    pub address: Option<Ipv4Addr>,
    /// The link that carries [`Node::address`].
    pub uplink: Option<Link>,
    /// Other devices that clients come in on: cards and VLANs with addresses of their own.
    pub others: BTreeSet<Link>,
    /// `docker_gwbridge`, once Docker has made it.
    pub bridge: Option<Link>,
    /// Cookie of the host's network namespace; 0 if the kernel has none.
    pub network: u64,
    /// Other bridges of the host: containers there call published ports, too.
    pub bridges: BTreeSet<Link>,
    /// Indexes of the devices that are ports of any of these bridges: the host's ends of
    /// containers' cables.
    pub ports: BTreeSet<u32>,
    /// Addresses on which published ports are answered.
    pub addresses: BTreeSet<Ipv4Addr>,
    /// Where this node's running tasks are reached.
    pub tasks: BTreeMap<TaskId, TaskAddress>,
}

/// A task's address on a bridge of its own node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskAddress {
    /// The address.
    pub address: Ipv4Addr,
    /// The bridge.
    pub bridge: Bridge,
}

impl TaskAddress {
    /// `address` on `docker_gwbridge`.
    #[must_use]
    pub fn gateway(address: Ipv4Addr) -> Self {
        Self {
            address,
            bridge: Bridge::Gateway,
        }
    }
}

/// A bridge through which a task reaches the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bridge {
    /// `docker_gwbridge`: every task on an overlay network, so with a port that Swarm publishes.
    Gateway,
    /// `docker0`: tasks on no other network.
    Default,
}

/// Device of [`Bridge::Default`].
pub const DEFAULT_BRIDGE: &str = "docker0";

/// A network device of the host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Link {
    /// Its name, for people.
    pub name: String,
    /// Its index in the host's network namespace.
    pub index: u32,
    /// Its MTU in bytes.
    pub mtu: u32,
    /// Its MAC address.
    pub mac: [u8; 6],
    /// Could its driver run XDP? No kernel has that for VLANs, bridges and the like.
    pub xdp: bool,
}
