//! One step of a plan of the IPVS path: data, not code. [`fmt::Display`] is the dry run.

use super::state::{
    Destination, DestinationKey, Element, EncapRoute, Method, NodeConfig, Scheduler, ServiceKey,
    State,
};
use crate::token::TokenKeys;
use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;

/// An operation on the kernel. Each is idempotent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Create or replace devices and rules; elements stay.
    Prepare(NodeConfig),
    /// Keep the keys of this node's cookies.
    PutKeys(TokenKeys),
    /// Add or replace encapsulating routes, by route address.
    PutRoutes(BTreeMap<Ipv4Addr, EncapRoute>),
    /// Remove the routes of these route addresses.
    RemoveRoutes(Vec<Ipv4Addr>),
    /// Add or change a virtual service.
    PutService(ServiceKey, Scheduler, u32),
    /// Remove a virtual service, with its destinations.
    RemoveService(ServiceKey),
    /// Make a destination, or change its weight.
    PutDestination(ServiceKey, DestinationKey, Destination),
    /// Remove a destination; its connections end.
    RemoveDestination(ServiceKey, DestinationKey),
    /// Change the rules' sets, all at once.
    Swap {
        /// Elements to delete.
        remove: Vec<Element>,
        /// Elements to add.
        add: Vec<Element>,
    },
}

impl Op {
    /// Applies a successful operation to a state.
    pub fn apply_to(&self, state: &mut State) {
        match self.clone() {
            Self::Prepare(node_config) => state.node_config = Some(node_config),
            Self::PutKeys(keys) => state.keys = Some(keys),
            Self::PutRoutes(routes) => state.routes.extend(routes),
            Self::RemoveRoutes(route_addresses) => {
                for route_address in route_addresses {
                    state.routes.remove(&route_address);
                }
            }
            Self::PutService(service, scheduler, persistence_s) => {
                let virtual_service =
                    state
                        .services
                        .entry(service)
                        .or_insert(super::VirtualService {
                            scheduler,
                            persistence_s,
                            destinations: BTreeMap::new(),
                        });
                (virtual_service.scheduler, virtual_service.persistence_s) =
                    (scheduler, persistence_s);
            }
            Self::RemoveService(service) => {
                state.services.remove(&service);
            }
            Self::PutDestination(service, key, destination) => {
                if let Some(virtual_service) = state.services.get_mut(&service) {
                    virtual_service.destinations.insert(key, destination);
                }
            }
            Self::RemoveDestination(service, key) => {
                if let Some(virtual_service) = state.services.get_mut(&service) {
                    virtual_service.destinations.remove(&key);
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
            Self::Prepare(node_config) => write!(
                f,
                "make devices and rules: node {}, port {}, MTU {}",
                node_config.node, node_config.port, node_config.mtu
            ),
            Self::PutKeys(keys) => write!(f, "keep the keys of epoch {}", keys.epoch),
            Self::PutRoutes(routes) => write!(f, "add {} routes to other nodes", routes.len()),
            Self::RemoveRoutes(route_addresses) => {
                write!(f, "remove {} routes to other nodes", route_addresses.len())
            }
            Self::PutService(service, scheduler, persistence_s) => {
                write!(f, "make virtual service {service} {}", scheduler.as_str())?;
                if *persistence_s != 0 {
                    write!(f, ", clients kept for {persistence_s} s")?;
                }
                Ok(())
            }
            Self::RemoveService(service) => write!(f, "remove virtual service {service}"),
            Self::PutDestination(service, (address, port), destination) => {
                let method = match destination.method {
                    Method::Nat => "here",
                    Method::Route => "on its node",
                };
                let weight = destination.weight;
                write!(
                    f,
                    "make destination {address}:{port} of {service}, {method}, weight {weight}"
                )
            }
            Self::RemoveDestination(service, (address, port)) => {
                write!(f, "remove destination {address}:{port} of {service}")
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
