//! The IPVS path as a [`Kernel`]: virtual services, the ruleset that steers packets to them, and
//! devices and routes to other nodes (ADR 0012).
//!
//! All of it outlives the agent; the next one finds it by its marks and goes on.

mod capabilities;
mod capacity;
mod change_detector;
mod clean;
mod drain;
mod error;
mod node_kernel;
pub mod routes;
pub mod ruleset;
mod services;
mod stats;
mod sysctl;

pub use error::IpvsError;
pub use stats::IpvsStats;

use change_detector::ChangeDetector;
use drain::DrainLooks;
use lb_core::backend::ipvs::{Element, Lowered, NodeConfig, Op, ServiceKey, State};
use lb_core::kernel::{ApplyError, Kernel, ObserveError};
use lb_core::model::token::TokenKeys;
use lb_core::report::Problem;
use lb_netlink::ipvs::Ipvs;
use lb_netlink::socket::NetlinkSocket;
use lb_netlink::{ipvs, nft};
use netlink_sys::protocols::NETLINK_NETFILTER;
use routes::{Hairpin, Tunnel};
use ruleset::{Elements, Params};
use stats::Owners;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Lifetime of a set's element that is not to expire.
const EVER: Duration = Duration::from_secs(10 * 365 * 86_400);

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
    /// Earliest time of the next look for drift.
    drift_check_at: Instant,
    drain_looks: DrainLooks,
    owners: Arc<Mutex<Owners>>,
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
            drift_check_at: Instant::now(),
            drain_looks: DrainLooks::default(),
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
        keys.map_err(|error| observe("keys of tunnel packets", error))
    }

    /// Whether nothing seems to have changed since the last observation. Some changes leave no trace.
    ///
    /// # Errors
    /// When the kernel can't be asked.
    pub fn seems_unchanged(&mut self) -> Result<bool, ObserveError> {
        let same = self.change_detector.is_unchanged(&mut self.rules);
        same.map_err(|error| observe("signs of changes", error))
    }

    /// Capabilities that this kernel lacks.
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
                next.keys = Some(*keys);
                self.put_elements(next)
            }
            Op::PutRoutes(routes) => Ok(self.routes.put_encaps(routes)?),
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
        self.elements.owned.extend(&self.mine);
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
            next.looked_up.remove(element);
        }
        next.looked_up.extend(add);
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
            && !self.elements.incomplete
            && ruleset::is_current(&mut self.rules, &params(&node_config))?
        {
            right = Some(node_config);
        }
        Ok(State {
            node_config: right,
            routes: routes.encaps,
            services,
            elements: self.elements.looked_up.clone(),
            keys: self.elements.keys,
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

/// Whether IPVS has connections.
fn has_connections() -> bool {
    ipvs::connections().is_ok_and(|mut all| all.next().is_some())
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
        router_user: node_config.router_user,
    }
}
