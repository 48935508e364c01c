//! Facts about this host: its node in the Swarm, its links and addresses, its own tasks.

use crate::model::ids::{Key, NodeId, TaskId};
use crate::model::port::Proto;
use crate::model::token::TokenKeys;
use crate::persistent::PersistentMap;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

/// Facts about the node the agent runs on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Its id in the Swarm.
    pub id: NodeId,
    /// Its own address towards other nodes: source and target of the tunnel.
    pub address: Option<Ipv4Addr>,
    /// The link that carries [`Node::address`].
    pub uplink: Option<Link>,
    /// Further devices on which clients' packets arrive: network cards and VLANs with addresses of their own.
    pub extra_uplinks: BTreeSet<Link>,
    /// `docker_gwbridge`, once Docker has made it.
    pub bridge: Option<Link>,
    /// The host's own address on [`Node::bridge`].
    pub gateway: Option<Ipv4Addr>,
    /// Networks of the addresses of [`Node::uplink`] and [`Node::extra_uplinks`].
    pub uplink_networks: BTreeSet<Ipv4Net>,
    /// Cookie of the host's network namespace; 0 if the kernel has none.
    pub netns_cookie: u64,
    /// Ports that the kernel gives to connections which the node begins itself (`net.ipv4.ip_local_port_range`); none if
    /// they can't be read.
    pub ephemeral_ports: Option<RangeInclusive<u16>>,
    /// Other bridges of the host, whose containers may be clients of published ports.
    pub bridges: BTreeSet<Link>,
    /// Indexes of the devices that are ports of any of these bridges: the host's ends of
    /// containers' veth pairs. Each with the known addresses of its other end.
    pub bridge_ports: BTreeMap<u32, BTreeSet<Ipv4Addr>>,
    /// The bridge of each device that is a port of one, by their indexes: of [`Node::bridge_ports`], and of all ports of
    /// uplinks that are bridges.
    pub port_bridges: BTreeMap<u32, u32>,
    /// Networks of all addresses of the containers behind these ports, by index of the port: what a container sends to an
    /// address in one of them stays in that network. None for a container that can't be read.
    pub container_networks: BTreeMap<u32, BTreeSet<Ipv4Net>>,
    /// Addresses on which published ports are answered.
    pub addresses: BTreeSet<Ipv4Addr>,
    /// Keys of the tokens on its tunnel packets; `None` if the tunnel has no tokens.
    pub token_keys: Option<TokenKeys>,
    /// MTUs of the paths to other nodes, by their addresses and in bytes, where a route or a router on the way names one that
    /// is smaller than that of [`Node::uplink`].
    pub path_mtus: BTreeMap<Ipv4Addr, u32>,
    /// Addresses of this node's running tasks.
    pub tasks: BTreeMap<TaskId, TaskAddress>,
    /// Ports on which processes of the host itself listen, on whatever address.
    pub listening: BTreeMap<(u16, Proto), Listener>,
    /// Published ports that the datapath serves now, as far as the kernel tells; those that are withdrawn and still have
    /// connections among them.
    pub serving: PersistentMap<(u16, Proto), Serving>,
    /// Those of [`Node::serving`] that are withdrawn and have no connection any more.
    pub drained: BTreeSet<(u16, Proto)>,
}

/// What serves a published port now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Serving {
    /// Key of its service.
    pub service: Key,
    /// The port in the containers; of most of them, if they differ.
    pub target: u16,
    /// New flows go to tasks, and not to processes of the host, or nowhere.
    pub has_tasks: bool,
}

/// Who listens on a port of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// On which address; on one of them, if on several.
    pub address: IpAddr,
    /// Nobody but the engine: it listens on ports that it publishes, itself or by `docker-proxy`.
    pub engine: bool,
    /// Perhaps it only sent something from a port that the kernel chose, and waits for the answer.
    pub passing: bool,
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
