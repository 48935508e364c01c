//! Takes the steps of a plan; one that fails holds up only what builds on it.

use super::op::Op;
use super::state::{Element, Method, ServiceKey, State};
use crate::kernel::{ApplyError, Kernel};
use lb_abi::service::Port;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// Takes the steps in order, and returns what failed.
pub fn apply_all(
    kernel: &mut impl Kernel<State = State, Op = Op>,
    ops: &[Op],
) -> Vec<ApplyError<Op>> {
    let mut errors = Vec::new();
    let mut failed = Failed::default();
    for op in ops {
        let Some(op) = failed.allowed(op) else {
            failed.note(op);
            continue;
        };
        if let Err(error) = kernel.apply(&op) {
            failed.note(&op);
            errors.push(error);
        }
    }
    errors
}

/// Objects whose operations failed.
#[derive(Default)]
struct Failed {
    node_config: bool,
    elements: bool,
    /// Whether destinations or services are left that should be gone.
    destinations: bool,
    routes: BTreeSet<Ipv4Addr>,
    services: BTreeSet<ServiceKey>,
    ports: BTreeSet<Port>,
}

impl Failed {
    /// The part of an operation that depends on no failed one.
    fn allowed(&self, op: &Op) -> Option<Op> {
        if self.node_config {
            return None;
        }
        let possible = match op {
            Op::PutDestination(service, key, destination) => {
                let route = destination.method == Method::Nat || !self.routes.contains(&key.0);
                route && !self.services.contains(service)
            }
            // A service that packets are still steered to must not go.
            Op::RemoveService(..) => !self.elements,
            Op::RemoveRoutes(..) => !self.elements && !self.destinations,
            Op::Swap { remove, add } => {
                let add = add.iter().filter(|element| !self.leads_nowhere(element));
                return Some(Op::Swap {
                    remove: remove.clone(),
                    add: add.copied().collect(),
                });
            }
            _ => true,
        };
        possible.then(|| op.clone())
    }

    fn leads_nowhere(&self, element: &Element) -> bool {
        match element {
            Element::Published(port) => self.ports.contains(port),
            other => other
                .service()
                .is_some_and(|service| self.services.contains(&service)),
        }
    }

    fn note(&mut self, op: &Op) {
        match op {
            Op::Prepare(..) => self.node_config = true,
            Op::PutRoutes(routes) => self.routes.extend(routes.keys()),
            Op::PutService(service, ..) => {
                self.services.insert(*service);
                if let ServiceKey::Address(_, port) = service {
                    self.ports.insert(*port);
                }
            }
            Op::Swap { .. } => self.elements = true,
            Op::RemoveDestination(..) | Op::RemoveService(..) => self.destinations = true,
            _ => {}
        }
    }
}
