//! swarmlb's objects in the kernel, as its programs have them. The wanted and the observed state have
//! this one type.

use crate::model::ids::Key;
use crate::persistent::{PersistentMap, PersistentSet};
use ipnet::Ipv4Net;
use lb_abi::service::{Backend, Frontend, Port};
use lb_abi::settings::{BridgePort, Settings, Uplink};
use lb_abi::tunnel::TokenKeys;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;

/// All of swarmlb's objects in the kernel, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Facts about the node, for the programs.
    pub settings: Option<Settings>,
    /// Devices that clients come in on, by index.
    pub uplinks: BTreeMap<u32, Uplink>,
    /// Devices that are ports of bridges, by index, with their bridges.
    pub bridge_ports: BTreeMap<u32, BridgePort>,
    /// Programs that are attached.
    pub hooks: BTreeSet<Hook>,
    /// Addresses on which published ports are answered.
    pub addresses: BTreeSet<Ipv4Addr>,
    /// Tasks of this node by address, with the indexes of the ports of bridges behind which they are.
    pub endpoints: BTreeMap<Ipv4Addr, u32>,
    /// Networks that tasks of this node reach by devices of their own, each with the bit of a flow's state that says under
    /// which address the task sees clients of it.
    pub on_link: BTreeMap<(Key, Ipv4Net), u32>,
    /// Keys of what this node puts into the tunnel.
    pub token_keys: Option<TokenKeys>,
    /// Nodes whose tunnel packets are opened, with their keys, as far as those are known.
    pub peers: BTreeMap<Ipv4Addr, TokenKeys>,
    /// Services whose counters are kept.
    pub services: PersistentSet<Key>,
    /// Tasks that may hold flows.
    pub backends: PersistentMap<Key, Backend>,
    /// IPv4 addresses that stand for tasks, where the host has no IPv6; those of some tasks that are gone among them.
    pub task_addresses: PersistentMap<Ipv4Addr, Key>,
    /// Tables of tasks that take new flows, by number. All frontends of a service that have the same tasks name one.
    pub tables: PersistentMap<u32, Vec<Key>>,
    /// Ports of tasks, by published port and task, where they differ from the frontend's.
    pub targets: PersistentMap<(Port, Key), u16>,
    /// Networks whose clients may use a port that is restricted.
    pub allowed: BTreeSet<(Port, Ipv4Net)>,
    /// Published ports.
    pub frontends: PersistentMap<Port, Frontend>,
}

impl State {
    /// Shares with `other` what is equal in both, so that it is not read again to be compared.
    pub fn reuse_from(&mut self, other: &Self) {
        self.services.reuse_from(&other.services);
        self.backends.reuse_from(&other.backends);
        self.task_addresses.reuse_from(&other.task_addresses);
        self.tables.reuse_from(&other.tables);
        self.targets.reuse_from(&other.targets);
        self.frontends.reuse_from(&other.frontends);
    }
}

/// A program on a device, or on the root cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hook {
    /// Which program, and where it is attached.
    pub kind: HookKind,
    /// Index of the device; 0 for the root cgroup.
    pub link: u32,
}

/// The hooks of the eBPF path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HookKind {
    /// Native XDP on an uplink. Optional: tc does its work where a driver can't.
    UplinkXdp,
    /// tc ingress on an uplink, and on the ports of an uplink that is a bridge.
    UplinkTc,
    /// tc ingress on `docker_gwbridge`.
    BridgeTc,
    /// tc ingress on a port of a bridge: what a container sends.
    PortTc,
    /// tc egress on an uplink: what the host itself sends.
    UplinkEgress,
    /// Root cgroup: a process with an IPv4 socket learns who sent a datagram.
    HostReceive4,
    /// Root cgroup: a process with an IPv6 socket learns who sent a datagram.
    HostReceive6,
    /// Root cgroup: a process asks what its IPv4 socket is connected to.
    HostPeer4,
    /// Root cgroup: a process asks what its IPv6 socket is connected to.
    HostPeer6,
    /// Root cgroup: a process connects an IPv4 socket.
    HostConnect4,
    /// Root cgroup: a process connects an IPv6 socket.
    HostConnect6,
    /// Root cgroup: a process sends a datagram to an IPv4 address.
    HostSend4,
    /// Root cgroup: a process sends a datagram to an IPv6 address.
    HostSend6,
}

impl HookKind {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::UplinkXdp,
        Self::UplinkTc,
        Self::BridgeTc,
        Self::PortTc,
        Self::UplinkEgress,
        Self::HostReceive4,
        Self::HostReceive6,
        Self::HostPeer4,
        Self::HostPeer6,
        Self::HostConnect4,
        Self::HostConnect6,
        Self::HostSend4,
        Self::HostSend6,
    ];

    /// Those on the host's root cgroup, for processes on the node. Nobody is
    /// redirected before the hooks are there that hide it: their order is that of steps.
    pub const HOST: [Self; 8] = [
        Self::HostReceive4,
        Self::HostReceive6,
        Self::HostPeer4,
        Self::HostPeer6,
        Self::HostConnect4,
        Self::HostConnect6,
        Self::HostSend4,
        Self::HostSend6,
    ];

    /// Is it on the root cgroup, and not on a device?
    #[must_use]
    pub fn on_host(self) -> bool {
        Self::HOST.contains(&self)
    }

    /// A name for files and people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UplinkXdp => "uplink-xdp",
            Self::UplinkTc => "uplink-tc",
            Self::BridgeTc => "bridge-tc",
            Self::PortTc => "port-tc",
            Self::UplinkEgress => "uplink-egress",
            Self::HostConnect4 => "host-connect4",
            Self::HostConnect6 => "host-connect6",
            Self::HostSend4 => "host-sendmsg4",
            Self::HostSend6 => "host-sendmsg6",
            Self::HostReceive4 => "host-recvmsg4",
            Self::HostReceive6 => "host-recvmsg6",
            Self::HostPeer4 => "host-getpeername4",
            Self::HostPeer6 => "host-getpeername6",
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.kind.as_str(), self.link)
    }
}
