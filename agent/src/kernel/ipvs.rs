//! The IPVS path as a [`Kernel`]: virtual servers, the rules that claim packets for them, and
//! devices and routes that lead to other nodes (ADR 0012).
//!
//! All of it outlives the agent; the next one finds it by its marks and goes on.

mod clean;
mod degraded;
mod elements;
mod meter;
mod room;
mod servers;
mod signs;
mod switches;

pub use meter::Meter;

use elements::{from_kernel, keys_from_kernel, keys_to_kernel, to_kernel};
use lb_core::ipvs::{Element, Ground, Lowered, MARKS, Op, RETURN, Server, State, Way};
use lb_core::kernel::{ApplyError, Kernel, ObserveError};
use lb_core::report::Problem;
use lb_core::token::TokenKeys;
use lb_netlink::claim::{self, Elements, Params};
use lb_netlink::ipvs::Ipvs;
use lb_netlink::socket::{self, Wire};
use lb_netlink::ways::{self, Encap, Loopway, Tunnel};
use lb_netlink::{ipvs, nft};
use meter::Names;
use netlink_sys::protocols::NETLINK_NETFILTER;
use signs::Signs;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use thiserror::Error;

/// Lifetime of a set's element that is not to expire.
const EVER: Duration = Duration::from_secs(10 * 365 * 86_400);

/// The core gives replies this number, and the rules know them by it.
const _: () = assert!(RETURN == claim::RETURN_ID);
/// And it marks what is for tasks as what came out of the tunnel.
const _: () = assert!(MARKS & claim::TUNNEL_MASK == claim::TUNNEL_MARKS);

/// Handles to all of swarmlb's objects in the kernel.
pub struct IpvsKernel {
    ipvs: Ipvs,
    rules: Wire,
    ground: ways::Ground,
    signs: Signs,
    /// What devices and rules were last made of.
    prepared: Option<Ground>,
    /// What is in the sets.
    elements: Elements,
    /// swarmlb's virtual servers, known since this agent made or found them: the record in the
    /// rules may be flushed by whoever restarts a firewall.
    mine: BTreeSet<Server>,
    /// Virtual servers that are there and are not ours.
    foreign: BTreeSet<Server>,
    /// What is not as good as it could be on this kernel.
    degraded: Vec<Problem>,
    names: Arc<Mutex<Names>>,
}

/// Why the IPVS path can't serve, or a step failed.
#[derive(Debug, Error)]
pub enum IpvsError {
    /// No virtual servers.
    #[error("virtual servers")]
    Servers(#[from] ipvs::Error),
    /// No rules.
    #[error("rules of nf_tables")]
    Rules(#[from] nft::Error),
    /// No socket for rules.
    #[error("this kernel has no nf_tables, which claims packets for IPVS")]
    NoRules(#[source] socket::Error),
    /// No rules for bridges.
    #[error("this kernel has no nf_tables for frames of bridges (CONFIG_NF_TABLES_BRIDGE)")]
    NoBridgeRules(#[source] nft::Error),
    /// No socket for news.
    #[error("this kernel tells no news of devices and routes")]
    NoNews(#[source] socket::Error),
    /// No devices or routes.
    #[error("devices and routes")]
    Ways(#[from] ways::Error),
    /// Somebody else's.
    #[error(
        "another virtual server has this address and port: swarmlb leaves it alone; remove it (ipvsadm -D) or publish another port"
    )]
    Foreign,
}

impl IpvsKernel {
    /// Opens the kernel's doors, and has it load what IPVS needs.
    ///
    /// # Errors
    /// When this kernel has no IPVS or no nf_tables, or doesn't let us.
    pub fn open() -> Result<Self, IpvsError> {
        let mut ipvs = Ipvs::open()?;
        let degraded = degraded::prepare(&mut ipvs);
        let mut rules = Wire::open(NETLINK_NETFILTER).map_err(IpvsError::NoRules)?;
        claim::probe(&mut rules).map_err(IpvsError::NoBridgeRules)?;
        Ok(Self {
            ipvs,
            rules,
            ground: ways::Ground::open()?,
            signs: Signs::new()?,
            prepared: None,
            elements: Elements::default(),
            mine: BTreeSet::new(),
            foreign: BTreeSet::new(),
            degraded,
            names: Arc::default(),
        })
    }

    /// Lets new connections be claimed for this time from now; `None`: without end.
    ///
    /// # Errors
    /// When the rules are not there.
    pub fn lease(&mut self, lasts: Option<Duration>) -> Result<(), ObserveError> {
        // The rules come with the first reconcile pass, and its lease with the next tick.
        if self.prepared.is_none() {
            return Ok(());
        }
        let lease = claim::lease(lasts.unwrap_or(EVER));
        let begun = self.signs.unnoticed(&mut self.rules, &lease);
        begun.map_err(|error| observe("lease", error))
    }

    /// The keys of this node's cookies that an agent before this one has left.
    ///
    /// # Errors
    /// When the kernel can't be asked.
    pub fn token_keys(&self) -> Result<Option<TokenKeys>, ObserveError> {
        let keys = Wire::open(NETLINK_NETFILTER)
            .map_err(IpvsError::NoRules)
            .and_then(|mut wire| Ok(Elements::read_keys(&mut wire)?));
        let keys = keys.map_err(|error| observe("keys of tunnel packets", error))?;
        Ok(keys.map(keys_from_kernel))
    }

    /// Are there no signs that something changed since all was observed? Some changes leave none.
    ///
    /// # Errors
    /// When the kernel can't be asked.
    pub fn seems_unchanged(&mut self) -> Result<bool, ObserveError> {
        let same = self.signs.same(&mut self.rules);
        same.map_err(|error| observe("signs of changes", error))
    }

    /// What can't be had on this kernel.
    #[must_use]
    pub fn degraded(&self) -> Vec<Problem> {
        self.degraded.clone()
    }

    /// Whose the real servers are, for whoever reads traffic.
    pub fn name(&self, lowered: &Lowered) {
        meter::lock(&self.names).put(lowered);
    }

    /// A reader of traffic.
    #[must_use]
    pub fn meter(&self) -> Meter {
        Meter::new(Arc::clone(&self.names))
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
            Op::Prepare(ground) => self.prepare(ground),
            Op::PutKeys(keys) => {
                let mut next = self.elements.clone();
                next.keys = Some(keys_to_kernel(*keys));
                self.put_elements(next)
            }
            Op::PutWays(ways) => {
                let encaps = ways.iter().map(|(alias, way)| (*alias, encap(way)));
                Ok(self.ground.put_encaps(&encaps.collect())?)
            }
            Op::RemoveWays(aliases) => {
                let aliases = aliases.iter().copied().collect();
                Ok(self.ground.remove_encaps(&aliases)?)
            }
            Op::PutServer(server, scheduler, keep_s) => {
                self.put_server(*server, *scheduler, *keep_s)
            }
            Op::RemoveServer(server) => self.remove_server(*server),
            Op::PutReal(server, key, real) => self.put_real(*server, *key, *real),
            Op::RemoveReal(server, key) => self.remove_real(*server, *key),
            Op::Swap { remove, add } => self.swap(remove, add),
        }
    }

    fn prepare(&mut self, ground: &Ground) -> Result<(), IpvsError> {
        self.ground.make_tunnel(&tunnel(ground))?;
        self.ground.make_loop(&loopway(ground))?;
        let strays = self.ground.observe()?.strays;
        self.ground.remove_strays(&strays)?;
        for server in &self.mine {
            elements::own(&mut self.elements, *server, true);
        }
        let params = params(ground);
        let mut kept = claim::volatile(&mut self.rules)?;
        // Where rules were flushed, or are of another version, nothing is known of connections that go on.
        if !claim::knows_flows(&kept) && has_connections() {
            kept.extend(claim::crowded());
        }
        if claim::lease_left(&mut self.rules)?.is_none() {
            // Until the first tick.
            kept.extend(claim::lease(Duration::from_secs(5)));
        }
        let rules = claim::replace(&params, &self.elements, kept);
        nft::apply(&mut self.rules, &rules)?;
        self.prepared = Some(*ground);
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
            let remains = claim::remains(&mut self.rules, &gone)?;
            nft::apply(&mut self.rules, &remains)?;
        }
        Ok(())
    }

    fn look(&mut self) -> Result<State, IpvsError> {
        self.signs.begin(&mut self.rules)?;
        self.elements = Elements::read(&mut self.rules)?;
        let ways = self.ground.observe()?;
        let servers = self.servers()?;
        let mut right = None;
        if let Some(ground) = self.prepared
            && ways.tunnel == Some(tunnel(&ground))
            && ways.loopway == Some(loopway(&ground))
            && ways.strays.is_empty()
            && claim::are_right(&mut self.rules, &params(&ground))?
        {
            right = Some(ground);
        }
        let ways = ways.encaps.into_iter().map(|(alias, encap)| {
            let Encap { id, to: node } = encap;
            (alias, Way { id, node })
        });
        Ok(State {
            ground: right,
            ways: ways.collect::<BTreeMap<Ipv4Addr, Way>>(),
            servers,
            elements: from_kernel(&self.elements),
            keys: self.elements.keys.map(keys_from_kernel),
        })
    }
}

impl Kernel for IpvsKernel {
    type State = State;
    type Op = Op;

    fn observe(&mut self) -> Result<State, ObserveError> {
        self.look().map_err(|error| observe("IPVS path", error))
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

fn encap(way: &Way) -> Encap {
    Encap {
        id: way.id,
        to: way.node,
    }
}

fn tunnel(ground: &Ground) -> Tunnel {
    Tunnel::over(ground.mtu, ground.port)
}

/// What comes in by the loop may go into the tunnel.
fn loopway(ground: &Ground) -> Loopway {
    Loopway::new(tunnel(ground).mtu)
}

fn params(ground: &Ground) -> Params {
    Params {
        node: ground.node,
        tunnel_port: ground.port,
        tunnel_mtu: u16::try_from(tunnel(ground).mtu).unwrap_or(u16::MAX),
        connections: room::connections(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_packet_is_sent_to_the_aliases_that_the_core_gives() {
        assert_eq!(lb_core::ipvs::PEERS, claim::PEER_ALIASES);
        assert_eq!(lb_core::ipvs::TASKS, claim::TASK_ALIASES);
    }
}
