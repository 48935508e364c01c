//! One step of a plan of the IPVS path: data, not code. [`fmt::Display`] is the dry run.

use super::state::{Element, Ground, Method, Real, RealKey, Scheduler, Server, State, Way};
use crate::token::TokenKeys;
use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;

/// What can be done to the kernel. Each is idempotent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Create or replace devices and rules; elements stay.
    Prepare(Ground),
    /// Keep the keys of this node's cookies.
    PutKeys(TokenKeys),
    /// Lead aliases into the tunnel.
    PutWays(BTreeMap<Ipv4Addr, Way>),
    /// No longer lead them there.
    RemoveWays(Vec<Ipv4Addr>),
    /// Add or change a virtual server.
    PutServer(Server, Scheduler, u32),
    /// Remove a virtual server, with its real servers.
    RemoveServer(Server),
    /// Make a real server, or change its weight.
    PutReal(Server, RealKey, Real),
    /// Remove a real server: what it had is over.
    RemoveReal(Server, RealKey),
    /// Change the rules' sets, all at once.
    Swap {
        /// What goes.
        remove: Vec<Element>,
        /// What comes.
        add: Vec<Element>,
    },
}

impl Op {
    /// What the step makes of a state, if it succeeds.
    pub fn apply_to(&self, state: &mut State) {
        match self.clone() {
            Self::Prepare(ground) => state.ground = Some(ground),
            Self::PutKeys(keys) => state.keys = Some(keys),
            Self::PutWays(ways) => state.ways.extend(ways),
            Self::RemoveWays(aliases) => {
                for alias in aliases {
                    state.ways.remove(&alias);
                }
            }
            Self::PutServer(server, scheduler, keep_s) => {
                let setup = state.servers.entry(server).or_insert(super::Setup {
                    scheduler,
                    keep_s,
                    reals: BTreeMap::new(),
                });
                (setup.scheduler, setup.keep_s) = (scheduler, keep_s);
            }
            Self::RemoveServer(server) => {
                state.servers.remove(&server);
            }
            Self::PutReal(server, key, real) => {
                if let Some(setup) = state.servers.get_mut(&server) {
                    setup.reals.insert(key, real);
                }
            }
            Self::RemoveReal(server, key) => {
                if let Some(setup) = state.servers.get_mut(&server) {
                    setup.reals.remove(&key);
                }
            }
            Self::Swap { remove, add } => {
                for element in remove {
                    state.elements.remove(&element);
                }
                state.elements.extend(add);
            }
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prepare(ground) => write!(
                f,
                "make devices and rules: node {}, port {}, MTU {}",
                ground.node, ground.port, ground.mtu
            ),
            Self::PutKeys(keys) => write!(f, "keep the keys of epoch {}", keys.epoch),
            Self::PutWays(ways) => write!(f, "lead {} more aliases to other nodes", ways.len()),
            Self::RemoveWays(aliases) => {
                write!(f, "lead {} fewer aliases to other nodes", aliases.len())
            }
            Self::PutServer(server, scheduler, keep_s) => {
                write!(f, "make virtual server {server} {}", scheduler.as_str())?;
                if *keep_s != 0 {
                    write!(f, ", clients kept for {keep_s} s")?;
                }
                Ok(())
            }
            Self::RemoveServer(server) => write!(f, "remove virtual server {server}"),
            Self::PutReal(server, (address, port), real) => {
                let method = match real.method {
                    Method::Nat => "here",
                    Method::Route => "on its node",
                };
                let weight = real.weight;
                write!(
                    f,
                    "make real server {address}:{port} of {server}, {method}, weight {weight}"
                )
            }
            Self::RemoveReal(server, (address, port)) => {
                write!(f, "remove real server {address}:{port} of {server}")
            }
            Self::Swap { remove, add } => {
                write!(
                    f,
                    "change the rules' sets: {} elements more, {} fewer",
                    add.len(),
                    remove.len()
                )
            }
        }
    }
}

impl Scheduler {
    /// The kernel's name for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "rr",
            Self::LeastConnections => "lc",
            Self::SourceHash => "sh",
            Self::Maglev => "mh",
        }
    }
}
