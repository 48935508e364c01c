//! The desired state of a node's datapath, from a snapshot of the Swarm, facts about the node and the
//! configuration.
//!
//! It speaks of services, ports and tasks. What of that is kept where in the kernel is the affair of
//! the back end that serves it ([`crate::backend`]).

mod endpoint;
mod host;
mod incremental;
mod listening;
mod members;
mod model;
mod on_link;
mod ports;
mod refusal;
mod room;
mod routes;
mod service;
pub mod share;
mod targets;
mod withdrawn;

pub use incremental::Incremental;
pub use model::{
    Backend, Desired, Frontend, Host, Locality, PeerKeys, RoutedService, RoutedTask, Service,
};
pub use routes::{Declaration, Declarations};
pub use withdrawn::WithdrawnPorts;

use crate::model::config::Config;
use crate::model::node::Node;
pub use crate::model::port::Number;
use crate::model::snapshot::Snapshot;
use crate::report::Problem;

/// What serves `snapshot` on `node`, and what in it can't be served.
#[must_use]
pub fn desired(snapshot: &Snapshot, node: &Node, config: &Config) -> (Desired, Vec<Problem>) {
    let incremental = Incremental::full(snapshot, node, config);
    let problems = incremental.problems();
    (incremental.desired, problems)
}

#[cfg(test)]
mod tests;
