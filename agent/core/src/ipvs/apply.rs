//! Takes the steps of a plan; one that fails holds up only what builds on it.

use super::op::Op;
use super::state::{Element, Method, Server, State};
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

/// What is not as it should be.
#[derive(Default)]
struct Failed {
    ground: bool,
    elements: bool,
    /// Some are there that should be gone.
    reals: bool,
    ways: BTreeSet<Ipv4Addr>,
    servers: BTreeSet<Server>,
    ports: BTreeSet<Port>,
}

impl Failed {
    /// What of a step can be done all the same.
    fn allowed(&self, op: &Op) -> Option<Op> {
        if self.ground {
            return None;
        }
        let possible = match op {
            Op::PutReal(server, key, real) => {
                let way = real.method == Method::Nat || !self.ways.contains(&key.0);
                way && !self.servers.contains(server)
            }
            // What is still claimed must not lose its server.
            Op::RemoveServer(..) => !self.elements,
            Op::RemoveWays(..) => !self.elements && !self.reals,
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
                .server()
                .is_some_and(|server| self.servers.contains(&server)),
        }
    }

    fn note(&mut self, op: &Op) {
        match op {
            Op::Prepare(..) => self.ground = true,
            Op::PutWays(ways) => self.ways.extend(ways.keys()),
            Op::PutServer(server, ..) => {
                self.servers.insert(*server);
                if let Server::Address(_, port) = server {
                    self.ports.insert(*port);
                }
            }
            Op::Swap { .. } => self.elements = true,
            Op::RemoveReal(..) | Op::RemoveServer(..) => self.reals = true,
            _ => {}
        }
    }
}
