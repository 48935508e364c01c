//! The operations on virtual services, routes and the ruleset.

use super::state::{
    Destination, DestinationKey, Element, EncapRoute, Method, NodeConfig, Scheduler, ServiceKey,
};
use crate::model::token::TokenKeys;
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

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prepare(node_config) => {
                write!(
                    f,
                    "make devices and rules: node {}, port {}, MTU {}",
                    node_config.node, node_config.port, node_config.mtu
                )?;
                if let Some(user) = node_config.router_user {
                    write!(f, ", router's user {user}")?;
                }
                Ok(())
            }
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

#[test]
fn the_dry_run_says_what_is_done_to_which_object() {
    use lb_abi::service::Port;
    use lb_abi::{Be16, TCP, UDP};
    let address = Ipv4Addr::new(10, 0, 0, 1);
    let key = |proto| ServiceKey::Address(address, Port::new(Be16::new(8080), proto));
    let destination = Destination {
        method: Method::Nat,
        weight: 1,
    };
    for (op, words) in [
        (
            Op::PutService(key(TCP), Scheduler::RoundRobin, 0),
            "make virtual service 10.0.0.1:8080/tcp rr",
        ),
        (
            Op::PutService(key(UDP), Scheduler::Maglev, 60),
            "make virtual service 10.0.0.1:8080/udp mh, clients kept for 60 s",
        ),
        (
            Op::RemoveService(ServiceKey::Mark(0x5100_0007)),
            "remove virtual service mark 0x51000007",
        ),
        (
            Op::PutDestination(key(TCP), (address, 80), destination),
            "make destination 10.0.0.1:80 of 10.0.0.1:8080/tcp, here, weight 1",
        ),
    ] {
        assert_eq!(op.to_string(), words);
    }
    let element = Element::OwnPortMark(0x80_0007, address, 80, 1);
    assert_eq!(element.to_string(), "tag 0x800007 of own port 80/tcp");
}
