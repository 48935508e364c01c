//! From the wanted state to the IPVS objects that serve it.

use super::cookie;
use super::ids::{self, Allocator, RETURN_ID};
use super::state::{
    Destination, DestinationKey, Element, EncapRoute, Method, NodeConfig, Scheduler, ServiceKey,
    State, VirtualService,
};
use crate::ids::Key;
use crate::node::Node;
use crate::state;
use ipnet::Ipv4Net;
use lb_abi::service::{
    Backend, DIRECT, Frontend, LOCAL, Port, RESTRICTED, SCHED_LC, SCHED_MAGLEV, SCHED_SH,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// What serves a state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lowered {
    /// The objects.
    pub state: State,
    /// The task of each destination, by its address or route address.
    pub tasks: BTreeMap<Ipv4Addr, Key>,
    /// The Swarm service of each published port.
    pub services: BTreeMap<Port, Key>,
}

/// The objects that serve `want` on `node`. Nothing while the node has no uplink.
#[must_use]
pub fn lower(want: &state::State, node: &Node) -> Lowered {
    let Some(settings) = want.settings else {
        return Lowered::default();
    };
    let mut lowering = Lowering::new(want);
    let out = &mut lowering.out.state;
    out.node_config = Some(NodeConfig {
        node: settings.node.get().into(),
        port: settings.tunnel_port.get(),
        mtu: settings.mtu,
    });
    let bridges = node.bridge.iter().chain(&node.bridges);
    out.elements
        .extend(bridges.map(|bridge| Element::Bridge(bridge.index)));
    let endpoints = want.endpoints.iter();
    out.elements
        .extend(endpoints.map(|(address, port)| Element::Endpoint(*address, *port)));
    let mut allocator = ids::peers();
    out.keys = cookie::own_keys(want, &settings);
    for (peer, keys) in &want.peers {
        let route_address = allocator
            .allocate(ids::spread((*peer).into()), *peer)
            .into();
        let route = EncapRoute {
            id: RETURN_ID,
            node: *peer,
        };
        out.routes.insert(route_address, route);
        out.elements.insert(Element::Peer(*peer, route_address));
        let cookies = cookie::of_peer(want, &settings, *peer, keys);
        out.elements.extend(cookies);
    }
    out.elements.extend(allowed(want));
    for (port, frontend) in &want.frontends {
        lowering.frontend(*port, frontend);
    }
    lowering.out
}

/// Who may use restricted ports. No network is within another: that is no set of intervals.
fn allowed(want: &state::State) -> impl Iterator<Item = Element> {
    let mut networks: BTreeMap<Port, Vec<Ipv4Net>> = BTreeMap::new();
    for (port, network) in &want.allowed {
        networks.entry(*port).or_default().push(*network);
    }
    networks.into_iter().flat_map(|(port, networks)| {
        let disjoint = Ipv4Net::aggregate(&networks);
        disjoint
            .into_iter()
            .map(move |network| Element::Allowed(port, network))
    })
}

struct Lowering<'a> {
    want: &'a state::State,
    /// Tasks by service.
    tasks: BTreeMap<u64, Vec<(Key, &'a Backend)>>,
    route_addresses: Allocator<Key>,
    marks: Allocator<(Key, Port)>,
    out: Lowered,
}

impl<'a> Lowering<'a> {
    fn new(want: &'a state::State) -> Self {
        let mut tasks: BTreeMap<u64, Vec<(Key, &Backend)>> = BTreeMap::new();
        for (key, backend) in &want.backends {
            tasks
                .entry(backend.service)
                .or_default()
                .push((*key, backend));
        }
        Self {
            want,
            tasks,
            route_addresses: ids::tasks(),
            marks: ids::marks(),
            out: Lowered::default(),
        }
    }

    fn frontend(&mut self, port: Port, frontend: &Frontend) {
        let table = self.want.tables.get(&(port, frontend.table));
        // Tables of hashes name a task many times.
        let ready: BTreeSet<Key> = table.into_iter().flatten().copied().collect();
        let mut destinations = BTreeMap::new();
        let tasks = self.tasks.get(&frontend.service).cloned();
        for (task, backend) in tasks.into_iter().flatten() {
            let weight = u32::from(ready.contains(&task));
            let (key, method) = if backend.locality == LOCAL {
                (self.here(port, frontend, task, backend), Method::Nat)
            } else {
                (self.elsewhere(port, task, backend), Method::Route)
            };
            // An address may have been given to a new task before the old one is forgotten.
            let destination: &mut Destination = destinations
                .entry(key)
                .or_insert(Destination { method, weight });
            destination.weight = destination.weight.max(weight);
            if weight != 0 {
                self.out.tasks.insert(key.0, task);
            } else {
                self.out.tasks.entry(key.0).or_insert(task);
            }
        }
        self.out.services.insert(port, Key(frontend.service));
        // Its tasks here are reached through other nodes; here the port is the host's own.
        if self.want.barred.contains(&port) {
            return;
        }
        let elements = &mut self.out.state.elements;
        elements.insert(Element::Published(port));
        if frontend.flags & RESTRICTED != 0 {
            elements.insert(Element::Restricted(port));
        }
        if frontend.flags & DIRECT != 0 {
            elements.insert(Element::DirectReturn(port));
        }
        let virtual_service = VirtualService {
            scheduler: scheduler(frontend.scheduler),
            persistence_s: seconds(frontend.affinity_ticks),
            destinations,
        };
        for address in &self.want.addresses {
            elements.insert(Element::Vip(*address, port));
            let service = ServiceKey::Address(*address, port);
            self.out
                .state
                .services
                .insert(service, virtual_service.clone());
        }
    }

    /// A task of this node: also for what comes out of the tunnel for it.
    fn here(
        &mut self,
        port: Port,
        frontend: &Frontend,
        task: Key,
        backend: &Backend,
    ) -> DestinationKey {
        let destination = (backend.address.get().into(), frontend.target.get());
        // A port and a key are not more than 64 bits' worth of hash.
        let hash = task.0 ^ ids::spread(u32::from(port.number.get()) << 8 | u32::from(port.proto));
        let mark = self.marks.allocate(hash, (task, port));
        let tag = ids::tag(task);
        let target = Port::new(frontend.target, port.proto);
        let elements = &mut self.out.state.elements;
        elements.insert(if self.want.tracked.contains(&Key(frontend.service)) {
            Element::TrackedReply(destination.0, target)
        } else {
            Element::LocalReply(destination.0, target)
        });
        let same = Element::TunnelMark(tag, port, 0)..=Element::TunnelMark(tag, port, u32::MAX);
        if elements.range(same).next().is_none() {
            elements.insert(Element::TunnelMark(tag, port, mark));
            let to_it = Destination {
                method: Method::Nat,
                weight: 1,
            };
            let virtual_service = VirtualService {
                scheduler: Scheduler::RoundRobin,
                persistence_s: 0,
                destinations: BTreeMap::from([(destination, to_it)]),
            };
            let service = ServiceKey::Mark(mark);
            self.out.state.services.insert(service, virtual_service);
        }
        destination
    }

    /// A task of another node: its packets keep their port.
    fn elsewhere(&mut self, port: Port, task: Key, backend: &Backend) -> DestinationKey {
        let route_address = self.route_addresses.allocate(task.0, task).into();
        let route = EncapRoute {
            id: ids::tag(task),
            node: backend.address.get().into(),
        };
        self.out.state.routes.insert(route_address, route);
        (route_address, port.number.get())
    }
}

fn scheduler(pick: u16) -> Scheduler {
    match pick {
        SCHED_LC => Scheduler::LeastConnections,
        SCHED_SH => Scheduler::SourceHash,
        SCHED_MAGLEV => Scheduler::Maglev,
        _ => Scheduler::RoundRobin,
    }
}

/// Ticks of the flows' clock as seconds, rounded up.
fn seconds(ticks: u32) -> u32 {
    let nanoseconds = u64::from(ticks) << 30;
    u32::try_from(nanoseconds.div_ceil(1_000_000_000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
