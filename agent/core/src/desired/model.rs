//! What the desired state is made of: plain values, which each back end brings into its own form.

use super::Number;
use crate::model::ids::{Key, ServiceId, TaskId};
use crate::model::labels::Policy;
use crate::model::node::{Link, Serving};
use crate::model::port::Proto;
use crate::model::token::TokenKeys;
use crate::persistent::PersistentMap;
use ipnet::Ipv4Net;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// What a node's datapath has to serve.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// Facts about the node. None while it has no way out; then nothing is served.
    pub host: Option<Arc<Host>>,
    /// Tasks of this node by address, with the indexes of the bridge ports behind which they are.
    pub endpoints: BTreeMap<Ipv4Addr, u32>,
    /// Networks that tasks of this node reach by devices of their own, by task. No network of a task is within
    /// another one of it.
    pub on_link: BTreeMap<Key, BTreeSet<Ipv4Net>>,
    /// Services that ask for ports, or declare HTTP routes. A copy shares those that have not changed.
    pub services: PersistentMap<Key, Arc<Service>>,
    /// Services with HTTP routes, or with middlewares for those of others, for the router of the node; no back end's
    /// business.
    pub routed: PersistentMap<ServiceId, Arc<RoutedService>>,
}

/// What a datapath has to know of its node and of other nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// This node's address towards other nodes.
    pub address: Ipv4Addr,
    /// UDP port of the tunnel.
    pub tunnel_port: u16,
    /// The device that carries `address`.
    pub uplink: Link,
    /// MTU between this node and the others, in bytes: that of the uplink, or of the narrowest path to one of them.
    pub mtu: u32,
    /// Further devices on which clients' packets arrive.
    pub extra_uplinks: BTreeSet<Link>,
    /// `docker_gwbridge`, if it is there.
    pub bridge: Option<Link>,
    /// The host's own address on `docker_gwbridge`.
    pub gateway: Option<Ipv4Addr>,
    /// Other bridges, whose containers may be clients.
    pub bridges: BTreeSet<Link>,
    /// Indexes of the devices that are ports of these bridges.
    pub bridge_ports: BTreeSet<u32>,
    /// The bridge of each of these ports, and of all ports of uplinks that are bridges, by their indexes.
    pub port_bridges: BTreeMap<u32, u32>,
    /// Cookie of the host's network namespace; 0 if the kernel has none.
    pub netns_cookie: u64,
    /// Number of the user as whom the HTTP router runs, if one is switched on.
    pub router_user: Option<u32>,
    /// Ports that the kernel gives to connections which the node begins itself; none if they are not known.
    pub ephemeral_ports: Option<RangeInclusive<u16>>,
    /// Addresses on which published ports are answered.
    pub addresses: BTreeSet<Ipv4Addr>,
    /// Keys of what this node puts into the tunnel; none if that bears no tokens.
    pub token_keys: Option<TokenKeys>,
    /// Other nodes by address.
    pub peers: BTreeMap<Ipv4Addr, PeerKeys>,
}

/// The keys of what another node puts into the tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerKeys {
    /// It sends by these.
    Known(TokenKeys),
    /// It has none.
    Absent,
    /// Nothing is heard of that node, as after a change of who keeps the view: what the datapath
    /// knows stays.
    Unknown,
}

/// A service that asks for ports, or whose tasks the HTTP router reaches by their own addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Scheduler that selects the task of a new flow.
    pub policy: Policy,
    /// For so long after its last flow a client stays with its task.
    pub affinity: Option<Duration>,
    /// Replies go to the client past the node that it came to.
    pub direct: bool,
    /// Processes on nodes may call each task by its own address, whoever runs them.
    pub task_address: bool,
    /// The HTTP routers of nodes may ([`Host::router_user`]): it declares HTTP routes.
    pub routed: bool,
    /// TCP ports of its tasks to which HTTP routes lead. By eBPF a task's own address serves all ports; by IPVS these.
    pub routed_ports: BTreeSet<u16>,
    /// Docker publishes ports of it on its tasks' nodes (`mode=host`), too: its NAT needs connection
    /// tracking to see what the tasks answer.
    pub tracked: bool,
    /// Networks whose clients may open flows; none given: all.
    pub allow: Option<Arc<[Ipv4Net]>>,
    /// Tasks that may hold flows.
    pub backends: BTreeMap<Key, Backend>,
    /// The ports that it has on this node, each once.
    pub frontends: Vec<Frontend>,
    /// Ports of tasks that differ from [`Frontend::target`], by published port and task: a rolling update changes the target
    /// port, and these tasks were made before it. Of ports that are withdrawn, too.
    pub targets: BTreeMap<(Number, Key), u16>,
    /// TCP ports that it had on this node and does not ask for, or can't have, any more: connections that exist go on, and new
    /// ones are the host's. Where the kernel can't do both, [`Frontend::barred`] says that a process of the host wants them.
    pub withdrawn: Vec<Frontend>,
}

/// A task that may hold flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Its own address if it is local, else its node's.
    pub address: Ipv4Addr,
    /// Where it runs.
    pub locality: Locality,
    /// New flows may go to it.
    pub active: bool,
}

/// Where a task runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locality {
    /// On this node, behind the bridge with this index; none: behind `docker_gwbridge`.
    Local {
        /// Index of the bridge.
        bridge: Option<u32>,
    },
    /// On another node.
    Remote,
}

/// A port that a service has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frontend {
    /// The port on the nodes.
    pub published: u16,
    /// TCP or UDP.
    pub proto: Proto,
    /// The port in the containers, but for those in [`Service::targets`].
    pub target: u16,
    /// This node leaves it to processes of its own, which listen on it. Through other nodes its
    /// tasks are reached all the same.
    pub barred: bool,
}

/// A service with HTTP routes, or with middlewares for those of others, as the router of the node gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutedService {
    /// Its name.
    pub name: String,
    /// When it was made, in nanoseconds since 1970; 0 where that is not known.
    pub created_ns: u64,
    /// Its labels of the families that declare routes.
    pub labels: Arc<BTreeMap<String, String>>,
    /// Its tasks that may hold connections, by id; none where it has no routes.
    pub tasks: Vec<RoutedTask>,
}

/// A task of a service with HTTP routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutedTask {
    /// Its id.
    pub id: TaskId,
    /// The key by which the datapath knows it.
    pub key: Key,
    /// Host name of its node.
    pub node: String,
    /// It runs on this node.
    pub local: bool,
    /// New requests may go to it.
    pub active: bool,
}

impl Service {
    /// The tasks that take new flows, in the order of their keys.
    pub fn active(&self) -> impl Iterator<Item = Key> {
        let active = self.backends.iter().filter(|(_, backend)| backend.active);
        active.map(|(key, _)| *key)
    }
}

impl Desired {
    /// The ports that are in use once all this is served.
    #[must_use]
    pub fn serving(&self) -> PersistentMap<Number, Serving> {
        let mut ports = BTreeMap::new();
        for (key, service) in &self.services {
            let has_tasks = service.active().next().is_some();
            for frontend in &service.frontends {
                let serving = Serving {
                    service: *key,
                    target: frontend.target,
                    has_tasks: has_tasks && !frontend.barred,
                };
                ports.insert((frontend.published, frontend.proto), serving);
            }
            for frontend in &service.withdrawn {
                let serving = Serving {
                    service: *key,
                    target: frontend.target,
                    has_tasks: false,
                };
                ports.insert((frontend.published, frontend.proto), serving);
            }
        }
        ports.into_iter().collect()
    }
}
