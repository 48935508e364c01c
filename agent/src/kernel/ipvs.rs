//! The IPVS path as a [`Kernel`]: virtual services, the ruleset that steers packets to them, and
//! devices and routes to other nodes (ADR 0012).
//!
//! All of it outlives the agent; the next one finds it by its marks and goes on.

mod capabilities;
mod capacity;
mod change_detector;
mod clean;
mod elements;
mod services;
mod stats;
mod sysctl;

pub use stats::IpvsStats;

use change_detector::ChangeDetector;
use elements::{from_kernel, keys_from_kernel, keys_to_kernel, to_kernel};
use lb_core::backend::ipvs::{
    Element, EncapRoute, Lowered, NodeConfig, Op, RETURN_ID, ServiceKey, State, TASK_MARKS,
};
use lb_core::kernel::{ApplyError, Kernel, ObserveError};
use lb_core::report::Problem;
use lb_core::token::TokenKeys;
use lb_netlink::ipvs::Ipvs;
use lb_netlink::routes::{self, Encap, Hairpin, Tunnel};
use lb_netlink::ruleset::{self, Elements, Params};
use lb_netlink::socket::{self, NetlinkSocket};
use lb_netlink::{ipvs, nft};
use netlink_sys::protocols::NETLINK_NETFILTER;
use stats::Owners;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use thiserror::Error;

/// Lifetime of a set's element that is not to expire.
const EVER: Duration = Duration::from_secs(10 * 365 * 86_400);

/// The core gives replies this tunnel id, and the rules recognise them by it.
const _: () = assert!(RETURN_ID == ruleset::RETURN_ID);
/// The core's marks of tasks are marks of packets out of the tunnel.
const _: () = assert!(TASK_MARKS & ruleset::TUNNEL_MASK == ruleset::TUNNEL_MARKS);

/// Handles to all of swarmlb's objects in the kernel.
pub struct IpvsKernel {
    ipvs: Ipvs,
    rules: NetlinkSocket,
    routes: routes::RouteHandle,
    change_detector: ChangeDetector,
    /// Parameters of the devices and rules that were made last.
    prepared: Option<NodeConfig>,
    /// Elements of the ruleset's sets.
    elements: Elements,
    /// swarmlb's virtual services, known since this agent made or found them: the record in the
    /// rules may be flushed by whoever restarts a firewall.
    mine: BTreeSet<ServiceKey>,
    /// Virtual services that are there and are not ours.
    foreign: BTreeSet<ServiceKey>,
    /// Capabilities that this kernel lacks.
    degraded: Vec<Problem>,
    owners: Arc<Mutex<Owners>>,
}

/// Why the IPVS path can't serve, or a step failed.
#[derive(Debug, Error)]
pub enum IpvsError {
    /// No virtual services.
    #[error("virtual services")]
    Servers(#[from] ipvs::Error),
    /// No rules.
    #[error("rules of nf_tables")]
    Rules(#[from] nft::Error),
    /// No socket for rules.
    #[error("this kernel has no nf_tables, which steers packets to IPVS")]
    NoRules(#[source] socket::Error),
    /// No rules for bridges.
    #[error("this kernel has no nf_tables for frames of bridges (CONFIG_NF_TABLES_BRIDGE)")]
    NoBridgeRules(#[source] nft::Error),
    /// No socket for notifications of changes.
    #[error("this kernel gives no notifications of changes to devices and routes")]
    NoMonitor(#[source] socket::Error),
    /// No devices or routes.
    #[error("devices and routes")]
    Routes(#[from] routes::Error),
    /// Somebody else's.
    #[error(
        "another virtual service has this address and port: swarmlb leaves it alone; remove it (ipvsadm -D) or publish another port"
    )]
    Foreign,
}

impl IpvsKernel {
    /// Opens netlink sockets, and has the kernel load the modules of IPVS.
    ///
    /// # Errors
    /// When this kernel has no IPVS or no nf_tables, or doesn't let us.
    pub fn open() -> Result<Self, IpvsError> {
        let mut ipvs = Ipvs::open()?;
        let degraded = capabilities::prepare(&mut ipvs);
        let mut rules = NetlinkSocket::open(NETLINK_NETFILTER).map_err(IpvsError::NoRules)?;
        ruleset::probe(&mut rules).map_err(IpvsError::NoBridgeRules)?;
        Ok(Self {
            ipvs,
            rules,
            routes: routes::RouteHandle::open()?,
            change_detector: ChangeDetector::new()?,
            prepared: None,
            elements: Elements::default(),
            mine: BTreeSet::new(),
            foreign: BTreeSet::new(),
            degraded,
            owners: Arc::default(),
        })
    }

    /// Steers new connections to IPVS for this time from now; `None`: without end.
    ///
    /// # Errors
    /// When the rules are not there.
    pub fn lease(&mut self, lasts: Option<Duration>) -> Result<(), ObserveError> {
        // The rules come with the first reconcile pass, and its lease with the next tick.
        if self.prepared.is_none() {
            return Ok(());
        }
        let lease = ruleset::lease(lasts.unwrap_or(EVER));
        let begun = self
            .change_detector
            .apply_unreported(&mut self.rules, &lease);
        begun.map_err(|error| observe("lease", error))
    }

    /// The keys of this node's cookies that an agent before this one has left.
    ///
    /// # Errors
    /// When the kernel can't be asked.
    pub fn token_keys(&self) -> Result<Option<TokenKeys>, ObserveError> {
        let keys = NetlinkSocket::open(NETLINK_NETFILTER)
            .map_err(IpvsError::NoRules)
            .and_then(|mut socket| Ok(Elements::read_keys(&mut socket)?));
        let keys = keys.map_err(|error| observe("keys of tunnel packets", error))?;
        Ok(keys.map(keys_from_kernel))
    }

    /// Are there no signs that something changed since all was observed? Some changes leave none.
    ///
    /// # Errors
    /// When the kernel can't be asked.
    pub fn seems_unchanged(&mut self) -> Result<bool, ObserveError> {
        let same = self.change_detector.is_unchanged(&mut self.rules);
        same.map_err(|error| observe("signs of changes", error))
    }

    /// What can't be had on this kernel.
    #[must_use]
    pub fn degraded(&self) -> Vec<Problem> {
        self.degraded.clone()
    }

    /// Tells the statistics which task and service each destination and port belongs to.
    pub fn set_owners(&self, lowered: &Lowered) {
        stats::lock(&self.owners).put(lowered);
    }

    /// A reader of counters and connections.
    #[must_use]
    pub fn stats(&self) -> IpvsStats {
        IpvsStats::new(Arc::clone(&self.owners))
    }

    /// Removes all of swarmlb's objects from this network namespace.
    ///
    /// # Errors
    /// When the kernel refused; the rest is removed.
    pub fn clean() -> Result<(), IpvsError> {
        clean::clean()
    }

    fn step(&mut self, op: &Op) -> Result<(), IpvsError> {
        match op {
            Op::Prepare(node_config) => self.prepare(node_config),
            Op::PutKeys(keys) => {
                let mut next = self.elements.clone();
                next.keys = Some(keys_to_kernel(*keys));
                self.put_elements(next)
            }
            Op::PutRoutes(routes) => {
                let encaps = routes
                    .iter()
                    .map(|(route_address, route)| (*route_address, encap(route)));
                Ok(self.routes.put_encaps(&encaps.collect())?)
            }
            Op::RemoveRoutes(route_addresses) => {
                let route_addresses = route_addresses.iter().copied().collect();
                Ok(self.routes.remove_encaps(&route_addresses)?)
            }
            Op::PutService(service, scheduler, persistence_s) => {
                self.put_service(*service, *scheduler, *persistence_s)
            }
            Op::RemoveService(service) => self.remove_service(*service),
            Op::PutDestination(service, key, destination) => {
                self.put_destination(*service, *key, *destination)
            }
            Op::RemoveDestination(service, key) => self.remove_destination(*service, *key),
            Op::Swap { remove, add } => self.swap(remove, add),
        }
    }

    fn prepare(&mut self, node_config: &NodeConfig) -> Result<(), IpvsError> {
        self.routes.make_tunnel(&tunnel(node_config))?;
        self.routes.make_hairpin(&hairpin(node_config))?;
        let orphans = self.routes.observe()?.orphans;
        self.routes.remove_orphans(&orphans)?;
        for service in &self.mine {
            elements::own(&mut self.elements, *service, true);
        }
        let params = params(node_config);
        let mut kept = ruleset::volatile(&mut self.rules)?;
        // Where rules were flushed, or are of another version, nothing is known of connections that go on.
        if !ruleset::knows_flows(&kept) && has_connections() {
            kept.extend(ruleset::crowded());
        }
        if ruleset::lease_left(&mut self.rules)?.is_none() {
            // Until the first tick.
            kept.extend(ruleset::lease(Duration::from_secs(5)));
        }
        let rules = ruleset::replace(&params, &self.elements, kept);
        nft::apply(&mut self.rules, &rules)?;
        self.prepared = Some(*node_config);
        Ok(())
    }

    fn swap(&mut self, remove: &[Element], add: &[Element]) -> Result<(), IpvsError> {
        let mut next = self.elements.clone();
        for element in remove {
            to_kernel(&mut next, *element, false);
        }
        for element in add {
            to_kernel(&mut next, *element, true);
        }
        self.put_elements(next)
    }

    fn put_elements(&mut self, next: Elements) -> Result<(), IpvsError> {
        let changes = next.changes(&self.elements);
        nft::apply(&mut self.rules, &changes)?;
        let before = std::mem::replace(&mut self.elements, next);
        let gone: BTreeSet<_> = &before.ports() - &self.elements.ports();
        if !gone.is_empty() {
            let remains = ruleset::remains(&mut self.rules, &gone)?;
            nft::apply(&mut self.rules, &remains)?;
        }
        Ok(())
    }

    fn read(&mut self) -> Result<State, IpvsError> {
        self.change_detector.begin(&mut self.rules)?;
        self.elements = Elements::read(&mut self.rules)?;
        let routes = self.routes.observe()?;
        let services = self.services()?;
        let mut right = None;
        if let Some(node_config) = self.prepared
            && routes.tunnel == Some(tunnel(&node_config))
            && routes.hairpin == Some(hairpin(&node_config))
            && routes.orphans.is_empty()
            && ruleset::is_current(&mut self.rules, &params(&node_config))?
        {
            right = Some(node_config);
        }
        let routes = routes.encaps.into_iter().map(|(route_address, encap)| {
            let Encap { id, to: node } = encap;
            (route_address, EncapRoute { id, node })
        });
        Ok(State {
            node_config: right,
            routes: routes.collect::<BTreeMap<Ipv4Addr, EncapRoute>>(),
            services,
            elements: from_kernel(&self.elements),
            keys: self.elements.keys.map(keys_from_kernel),
        })
    }
}

impl Kernel for IpvsKernel {
    type State = State;
    type Op = Op;

    fn observe(&mut self) -> Result<State, ObserveError> {
        self.read().map_err(|error| observe("IPVS path", error))
    }

    fn apply(&mut self, op: &Op) -> Result<(), ApplyError<Op>> {
        self.step(op).map_err(|error| ApplyError {
            op: op.clone(),
            source: error.into(),
        })
    }
}

fn observe(object: &str, error: IpvsError) -> ObserveError {
    ObserveError {
        object: object.to_owned(),
        source: error.into(),
    }
}

/// Does IPVS know any?
fn has_connections() -> bool {
    ipvs::connections().is_ok_and(|mut all| all.next().is_some())
}

fn encap(route: &EncapRoute) -> Encap {
    Encap {
        id: route.id,
        to: route.node,
    }
}

fn tunnel(node_config: &NodeConfig) -> Tunnel {
    Tunnel::over(node_config.mtu, node_config.port)
}

/// What comes in by the hairpin may go into the tunnel.
fn hairpin(node_config: &NodeConfig) -> Hairpin {
    Hairpin::new(tunnel(node_config).mtu)
}

fn params(node_config: &NodeConfig) -> Params {
    Params {
        node: node_config.node,
        tunnel_port: node_config.port,
        tunnel_mtu: u16::try_from(tunnel(node_config).mtu).unwrap_or(u16::MAX),
        connections: capacity::connections(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_packet_is_sent_to_the_route_addresses_that_the_core_gives() {
        assert_eq!(
            lb_core::backend::ipvs::PEER_ROUTE_ADDRESSES,
            ruleset::PEER_ROUTE_ADDRESSES
        );
        assert_eq!(
            lb_core::backend::ipvs::TASK_ROUTE_ADDRESSES,
            ruleset::TASK_ROUTE_ADDRESSES
        );
    }
}
