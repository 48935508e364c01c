//! From the wanted state to the IPVS objects that serve it.

use super::alias::{self, Names, RETURN};
use super::cookie;
use super::state::{Element, Ground, Method, Real, RealKey, Scheduler, Server, Setup, State, Way};
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
    /// Whose address or alias each real server's is.
    pub tasks: BTreeMap<Ipv4Addr, Key>,
    /// Whose each port is.
    pub services: BTreeMap<Port, Key>,
}

/// The objects that serve `want` on `node`. Nothing while the node has no way out.
#[must_use]
pub fn lower(want: &state::State, node: &Node) -> Lowered {
    let Some(settings) = want.settings else {
        return Lowered::default();
    };
    let mut lowering = Lowering::new(want);
    let out = &mut lowering.out.state;
    out.ground = Some(Ground {
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
    let mut names = alias::peers();
    out.keys = cookie::own_keys(want, &settings);
    for (peer, keys) in &want.peers {
        let alias = names.name(alias::spread((*peer).into()), *peer).into();
        let way = Way {
            id: RETURN,
            node: *peer,
        };
        out.ways.insert(alias, way);
        out.elements.insert(Element::Peer(*peer, alias));
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
    aliases: Names<Key>,
    marks: Names<(Key, Port)>,
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
            aliases: alias::tasks(),
            marks: alias::marks(),
            out: Lowered::default(),
        }
    }

    fn frontend(&mut self, port: Port, frontend: &Frontend) {
        let table = self.want.tables.get(&(port, frontend.table));
        // Tables of hashes name a task many times.
        let ready: BTreeSet<Key> = table.into_iter().flatten().copied().collect();
        let mut reals = BTreeMap::new();
        let tasks = self.tasks.get(&frontend.service).cloned();
        for (task, backend) in tasks.into_iter().flatten() {
            let weight = u32::from(ready.contains(&task));
            let (key, method) = if backend.locality == LOCAL {
                (self.here(port, frontend, task, backend), Method::Nat)
            } else {
                (self.elsewhere(port, task, backend), Method::Route)
            };
            // An address may have been given to a new task before the old one is forgotten.
            let real: &mut Real = reals.entry(key).or_insert(Real { method, weight });
            real.weight = real.weight.max(weight);
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
            elements.insert(Element::Direct(port));
        }
        let setup = Setup {
            scheduler: scheduler(frontend.scheduler),
            keep_s: seconds(frontend.affinity_ticks),
            reals,
        };
        for address in &self.want.addresses {
            elements.insert(Element::Claim(*address, port));
            let server = Server::Address(*address, port);
            self.out.state.servers.insert(server, setup.clone());
        }
    }

    /// A task of this node: also for what comes out of the tunnel for it.
    fn here(&mut self, port: Port, frontend: &Frontend, task: Key, backend: &Backend) -> RealKey {
        let real = (backend.address.get().into(), frontend.target.get());
        // A port and a key are not more than 64 bits' worth of hash.
        let hash =
            task.0 ^ alias::spread(u32::from(port.number.get()) << 8 | u32::from(port.proto));
        let mark = self.marks.name(hash, (task, port));
        let tag = alias::tag(task);
        let target = Port::new(frontend.target, port.proto);
        let elements = &mut self.out.state.elements;
        elements.insert(if self.want.tracked.contains(&Key(frontend.service)) {
            Element::TrackedAnswer(real.0, target)
        } else {
            Element::Answer(real.0, target)
        });
        let same = Element::Tag(tag, port, 0)..=Element::Tag(tag, port, u32::MAX);
        if elements.range(same).next().is_none() {
            elements.insert(Element::Tag(tag, port, mark));
            let to_it = Real {
                method: Method::Nat,
                weight: 1,
            };
            let setup = Setup {
                scheduler: Scheduler::RoundRobin,
                keep_s: 0,
                reals: BTreeMap::from([(real, to_it)]),
            };
            let server = Server::Mark(mark);
            self.out.state.servers.insert(server, setup);
        }
        real
    }

    /// A task of another node: its packets keep their port.
    fn elsewhere(&mut self, port: Port, task: Key, backend: &Backend) -> RealKey {
        let alias = self.aliases.name(task.0, task).into();
        let way = Way {
            id: alias::tag(task),
            node: backend.address.get().into(),
        };
        self.out.state.ways.insert(alias, way);
        (alias, port.number.get())
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
