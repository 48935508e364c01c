//! From the desired state to the IPVS objects that serve it.

mod own_ports;

use super::allocator::{self, Allocator, OwnAddresses};
use super::cookie;
use super::ids::RETURN_ID;
use super::state::{
    Destination, DestinationKey, Element, EncapRoute, Method, NodeConfig, Scheduler, ServiceKey,
    State, VirtualService,
};
use crate::backend::port;
use crate::desired::{Backend, Desired, Frontend, Host, Locality, PeerKeys, Service};
use crate::model::ids::Key;
use crate::model::labels::Policy;
use crate::model::token::TokenKeys;
use ipnet::Ipv4Net;
use lb_abi::Be16;
use lb_abi::service::Port;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

/// IPVS objects that serve a desired state, with the owners of their addresses and ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lowered {
    /// The objects.
    pub state: State,
    /// The task of each destination, by its address or route address.
    pub tasks: BTreeMap<Ipv4Addr, Key>,
    /// The addresses by which the HTTP router of this node reaches tasks of routed services, at the ports that those listen on.
    pub own_addresses: Arc<BTreeMap<Key, Ipv4Addr>>,
    /// The Swarm service of each published port.
    pub services: BTreeMap<Port, Key>,
    /// The keys of other nodes, as far as they are known.
    pub peer_keys: BTreeMap<Ipv4Addr, TokenKeys>,
}

/// The objects that serve `want`; nothing while the node has no uplink. `known` are the keys of other nodes as
/// of the last time, for those of which nothing is heard.
#[must_use]
pub fn lower(want: &Desired, known: &BTreeMap<Ipv4Addr, TokenKeys>) -> Lowered {
    let Some(host) = &want.host else {
        return Lowered::default();
    };
    let mut lowering = Lowering {
        host,
        route_addresses: allocator::tasks(),
        marks: allocator::marks(),
        own_addresses: OwnAddresses::default(),
        out: Lowered::default(),
    };
    lowering.node(known);
    let out = &mut lowering.out.state;
    let endpoints = want.endpoints.iter();
    out.elements
        .extend(endpoints.map(|(address, port)| Element::Endpoint(*address, *port)));
    let mut frontends = BTreeMap::new();
    for (key, service) in &want.services {
        for frontend in &service.frontends {
            let port = port(frontend.published, frontend.proto);
            frontends.insert(port, (*key, &**service, *frontend, Takes::New));
        }
        for frontend in &service.withdrawn {
            let port = port(frontend.published, frontend.proto);
            frontends.insert(port, (*key, &**service, *frontend, Takes::Known));
        }
    }
    for (port, (key, service, frontend, takes)) in frontends {
        lowering.frontend(port, key, service, &frontend, takes);
    }
    let mut own_addresses = BTreeMap::new();
    for service in want.services.values() {
        lowering.own_ports(service, &mut own_addresses);
    }
    lowering.out.own_addresses = Arc::new(own_addresses);
    lowering.out
}

/// What a port takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    /// New connections.
    New,
    /// Those that it has, as it is withdrawn. IPVS refuses new ones as long as it has any.
    Known,
}

struct Lowering<'a> {
    host: &'a Host,
    route_addresses: Allocator<Key>,
    marks: Allocator<(u32, Key, Port)>,
    own_addresses: OwnAddresses,
    out: Lowered,
}

impl Lowering<'_> {
    /// What does not depend on services.
    fn node(&mut self, known: &BTreeMap<Ipv4Addr, TokenKeys>) {
        let host = self.host;
        let out = &mut self.out.state;
        out.node_config = Some(NodeConfig {
            node: host.address,
            port: host.tunnel_port,
            // The kernel's tunnel follows the path by itself, and this one is part of the rules, which hold flows.
            mtu: host.uplink.mtu,
            router_user: host.router_user,
        });
        let bridges = host.bridge.iter().chain(&host.bridges);
        out.elements
            .extend(bridges.map(|bridge| Element::Bridge(bridge.index)));
        out.keys = host.token_keys;
        let mut peers = allocator::peers();
        for (peer, keys) in &host.peers {
            let route_address = peers
                .allocate(allocator::spread((*peer).into()), *peer)
                .into();
            let route = EncapRoute {
                id: RETURN_ID,
                node: *peer,
                source: None,
            };
            out.routes.insert(route_address, route);
            out.elements.insert(Element::Peer(*peer, route_address));
            let keys = match keys {
                PeerKeys::Known(keys) => Some(*keys),
                PeerKeys::Absent => None,
                PeerKeys::Unknown => known.get(peer).copied(),
            };
            out.elements.extend(cookie::of_peer(host, *peer, keys));
            self.out.peer_keys.extend(keys.map(|keys| (*peer, keys)));
        }
    }

    fn frontend(
        &mut self,
        port: Port,
        key: Key,
        service: &Service,
        frontend: &Frontend,
        takes: Takes,
    ) {
        let mut destinations = BTreeMap::new();
        for (task, backend) in &service.backends {
            let task = *task;
            let active = backend.active && !frontend.barred;
            let weight = u32::from(active && takes == Takes::New);
            let (key, method) = match backend.locality {
                Locality::Local { .. } => {
                    let key = self.here(port, service, frontend, task, backend);
                    (key, Method::Nat)
                }
                Locality::Remote => (self.elsewhere(port, task, backend), Method::Route),
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
        self.out.services.insert(port, key);
        // Its tasks here are reached through other nodes; here the port is the host's own.
        if frontend.barred {
            return;
        }
        let elements = &mut self.out.state.elements;
        elements.insert(Element::Published(port));
        if let Some(networks) = &service.allow {
            elements.insert(Element::Restricted(port));
            // No network is within another: that is no set of intervals.
            let disjoint = Ipv4Net::aggregate(&networks.to_vec());
            let disjoint = disjoint.into_iter();
            elements.extend(disjoint.map(|network| Element::Allowed(port, network)));
        }
        if service.direct {
            elements.insert(Element::DirectReturn(port));
        }
        let virtual_service = VirtualService {
            scheduler: scheduler(service.policy),
            persistence_s: service.affinity.map_or(0, seconds),
            destinations,
        };
        for address in &self.host.addresses {
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
        service: &Service,
        frontend: &Frontend,
        task: Key,
        backend: &Backend,
    ) -> DestinationKey {
        let number = (frontend.published, frontend.proto);
        let own = service.targets.get(&(number, task));
        let target = own.copied().unwrap_or(frontend.target);
        let destination = (backend.address, target);
        let tag = allocator::tag(task);
        let mark = self.mark(tag, task, port);
        let target = Port::new(Be16::new(target), port.proto);
        let elements = &mut self.out.state.elements;
        elements.insert(if service.tracked {
            Element::TrackedReply(destination.0, target)
        } else {
            Element::LocalReply(destination.0, target)
        });
        let same = Element::TunnelMark(tag, port, 0)..=Element::TunnelMark(tag, port, u32::MAX);
        if elements.range(same).next().is_none() {
            elements.insert(Element::TunnelMark(tag, port, mark));
            self.marked(mark, destination);
        }
        destination
    }

    /// The mark of what comes out of the tunnel with this number for this port.
    fn mark(&mut self, id: u32, task: Key, port: Port) -> u32 {
        // A port and a key are not more than 64 bits' worth of hash.
        let hash =
            task.0 ^ allocator::spread(u32::from(port.number.get()) << 8 | u32::from(port.proto));
        self.marks.allocate(hash, (id, task, port))
    }

    /// Sends what has this mark to a task of this node.
    fn marked(&mut self, mark: u32, destination: DestinationKey) {
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

    /// A task of another node: its packets keep their port.
    fn elsewhere(&mut self, port: Port, task: Key, backend: &Backend) -> DestinationKey {
        let route_address = self.route_addresses.allocate(task.0, task).into();
        let route = EncapRoute {
            id: allocator::tag(task),
            node: backend.address,
            source: None,
        };
        self.out.state.routes.insert(route_address, route);
        (route_address, port.number.get())
    }
}

fn scheduler(policy: Policy) -> Scheduler {
    match policy {
        Policy::RoundRobin => Scheduler::RoundRobin,
        Policy::LeastConn => Scheduler::LeastConnections,
        Policy::SourceHash => Scheduler::SourceHash,
        Policy::Maglev => Scheduler::Maglev,
    }
}

/// Whole seconds, rounded up.
fn seconds(time: Duration) -> u32 {
    let more = u64::from(time.subsec_nanos() != 0);
    u32::try_from(time.as_secs().saturating_add(more)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
