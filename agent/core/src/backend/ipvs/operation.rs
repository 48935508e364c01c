//! What an operation makes of a state, and what it builds on.

use super::op::Op;
use super::state::{Element, Method, ServiceKey, State, VirtualService};
use crate::backend::Operation;
use lb_abi::service::Port;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// An object on which others build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// Devices and rules, on which everything builds.
    NodeConfig,
    /// The route with this route address.
    Route(Ipv4Addr),
    /// A virtual service.
    Service(ServiceKey),
    /// A published port whose virtual service is missing on one of the node's addresses.
    Port(Port),
    /// Elements of the ruleset: some may be left that should be gone.
    Elements,
    /// Destinations: some may be left that should be gone.
    Destinations,
}

impl Operation for Op {
    type State = State;
    type Object = Object;

    fn apply_to(&self, state: &mut State) {
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
                let virtual_service = state.services.entry(service).or_insert(VirtualService {
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

    fn touches(&self) -> Vec<Object> {
        match self {
            Self::Prepare(..) => vec![Object::NodeConfig],
            Self::PutRoutes(routes) => routes.keys().copied().map(Object::Route).collect(),
            Self::PutService(service, ..) => {
                let port = match service {
                    ServiceKey::Address(_, port) => Some(Object::Port(*port)),
                    ServiceKey::Mark(_) => None,
                };
                port.into_iter()
                    .chain([Object::Service(*service)])
                    .collect()
            }
            Self::Swap { .. } => vec![Object::Elements],
            Self::RemoveDestination(..) | Self::RemoveService(..) => vec![Object::Destinations],
            Self::PutKeys(..) | Self::PutDestination(..) | Self::RemoveRoutes(..) => vec![],
        }
    }

    fn possible(&self, failed: &BTreeSet<Object>) -> Option<Cow<'_, Self>> {
        if failed.contains(&Object::NodeConfig) {
            return None;
        }
        let held_up = match self {
            Self::PutDestination(service, key, destination) => {
                let routed = destination.method == Method::Route;
                (routed && failed.contains(&Object::Route(key.0)))
                    || failed.contains(&Object::Service(*service))
            }
            // A service that packets are still steered to must not go.
            Self::RemoveService(..) => failed.contains(&Object::Elements),
            Self::RemoveRoutes(..) => {
                failed.contains(&Object::Elements) || failed.contains(&Object::Destinations)
            }
            Self::Swap { remove, add } if !failed.is_empty() => {
                let add = add.iter().filter(|element| !leads_nowhere(element, failed));
                let add: Vec<Element> = add.copied().collect();
                let empty = remove.is_empty() && add.is_empty();
                let remove = remove.clone();
                return (!empty).then_some(Cow::Owned(Self::Swap { remove, add }));
            }
            _ => false,
        };
        (!held_up).then_some(Cow::Borrowed(self))
    }
}

/// Would the element steer packets to a virtual service that is missing?
fn leads_nowhere(element: &Element, failed: &BTreeSet<Object>) -> bool {
    let object = match element {
        Element::Published(port) => Some(Object::Port(*port)),
        Element::OwnAddress(address, _) => Some(Object::Route(*address)),
        other => other.service().map(Object::Service),
    };
    object.is_some_and(|object| failed.contains(&object))
}

#[cfg(test)]
mod tests;
