//! One reconcile pass: compute the desired state, compare it with the kernel, apply the difference.

use super::datapath::{Applied, Datapath};
use super::http_router::HttpRouter;
use super::lease::duration;
use crate::cli::Lease;
use crate::error_chain::error_chain;
use lb_core::backend::ebpf::Hook;
use lb_core::backend::{Prune, TaskAddresses};
use lb_core::desired::{Declarations, Incremental, Number, RoutedService, WithdrawnPorts};
use lb_core::kernel::ObserveError;
use lb_core::model::config::Config;
use lb_core::model::ids::{Key, ServiceId, TaskId};
use lb_core::model::node::Node;
use lb_core::model::snapshot::Snapshot;
use lb_core::persistent::PersistentMap;
use lb_core::report::Problem;
use lb_core::report::affinity_by_port::affinity_by_port;
use lb_core::report::datapath_mismatch::datapath_mismatch;
use lb_core::report::network_overlap::network_overlap;
use lb_core::report::path_mtu::path_mtu;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// The datapath, and the state that it is known to hold.
pub(super) struct Reconciler {
    datapath: Box<dyn Datapath>,
    /// The HTTP routers of this node, where they are switched on.
    router: Option<Arc<HttpRouter>>,
    /// What was desired last; `None`: the next pass observes the kernel.
    last: Option<Incremental>,
    /// Ports that the last pass has withdrawn, or left so.
    withdrawn: WithdrawnPorts,
    /// Withdrawn ports without a connection, of which the next pass is to hear.
    drained: BTreeSet<Number>,
    /// MTUs of the paths to other nodes that the datapath has learned.
    learned: BTreeMap<Ipv4Addr, u32>,
    /// Problems that have been logged.
    known: BTreeSet<Problem>,
}

/// Result of a reconcile pass, for the admin API.
#[derive(Debug, Default)]
pub(super) struct ReconcileReport {
    /// Services that can't be served, and operations that the kernel refused.
    pub problems: Vec<Problem>,
    /// Hooks with a program attached.
    pub hooks: BTreeSet<Hook>,
    /// The kernel holds the whole desired state.
    pub in_sync: bool,
    /// This node's tasks that are backends in the desired state, and in the kernel.
    pub held: BTreeSet<TaskId>,
    /// Ports that are withdrawn from services and still have connections, with the port in the containers.
    pub withdrawn: BTreeMap<Key, BTreeMap<Number, u16>>,
    /// What the labels of services declare, where an HTTP router is switched on.
    pub declarations: Declarations,
    /// What a router is told of services.
    pub routed: PersistentMap<ServiceId, Arc<RoutedService>>,
    /// Where a router reaches their tasks.
    pub task_addresses: TaskAddresses,
}

impl Reconciler {
    pub(super) fn new(datapath: Box<dyn Datapath>, router: Option<Arc<HttpRouter>>) -> Self {
        Self {
            datapath,
            router,
            last: None,
            withdrawn: WithdrawnPorts::default(),
            drained: BTreeSet::new(),
            learned: BTreeMap::new(),
            known: BTreeSet::new(),
        }
    }

    /// Makes the next pass observe the kernel instead of trusting the last known state.
    pub(super) fn observe_again(&mut self) {
        self.retry_refused();
        self.last = None;
    }

    /// The agent is about to end: readies the HTTP router's half for that.
    pub(super) fn shut_down(&self) {
        if let Some(router) = &self.router {
            router.shut_down();
        }
    }

    /// Makes the next pass retry operations that the kernel refused.
    pub(super) fn retry_refused(&mut self) {
        self.datapath.retry_refused();
    }

    /// Does a service publish one of these ports of the host? True while no state is known.
    pub(super) fn publishes_any(&self, ports: &BTreeSet<Number>) -> bool {
        let mut ports = ports.iter();
        let last = self.last.as_ref();
        ports.any(|port| last.is_none_or(|last| last.publishes(port)))
    }

    /// Renews the lease, looks for drift, and for withdrawn ports that have no connection any more. Returns whether a
    /// reconcile pass is needed.
    pub(super) fn tick(&mut self, lease: Lease) -> Result<bool, ObserveError> {
        let changed = self.datapath.tick(duration(lease))?;
        if changed {
            tracing::warn!(
                "another program changed swarmlb's objects in the kernel: putting them right"
            );
            self.observe_again();
        }
        // Where no state is known, nobody knows which ports the kernel has withdrawn.
        let none = WithdrawnPorts::default();
        let withdrawn = self.last.as_ref().map_or(&none, |_| &self.withdrawn);
        let drained = self.datapath.drained(withdrawn);
        self.drained = drained.unwrap_or_else(|error| {
            let error = error_chain(&error);
            tracing::warn!(error, "connections of withdrawn ports can't be looked for");
            BTreeSet::new()
        });
        Ok(changed | self.learns() || !self.drained.is_empty())
    }

    /// Reads what the datapath has learned of the paths to other nodes. Returns whether that has changed.
    fn learns(&mut self) -> bool {
        match self.datapath.learned_path_mtus() {
            Ok(learned) if learned != self.learned => {
                tracing::info!(?learned, "MTUs of paths to other nodes, as routers say");
                self.learned = learned;
                true
            }
            Ok(_) => false,
            Err(error) => {
                let error = error_chain(&error);
                tracing::warn!(error, "MTUs of paths to other nodes can't be read");
                false
            }
        }
    }

    /// The MTUs of paths as the kernel's routes have them, and as the datapath has learned them: the smaller ones.
    fn path_mtus(&self, node: &Node) -> BTreeMap<Ipv4Addr, u32> {
        let mut paths = node.path_mtus.clone();
        for (peer, learned) in &self.learned {
            let mtu = paths.entry(*peer).or_insert(*learned);
            *mtu = (*mtu).min(*learned);
        }
        paths
    }

    /// Logs problems that are new and problems that are over, once each.
    fn report(&mut self, problems: &[Problem]) {
        let now: BTreeSet<Problem> = problems.iter().cloned().collect();
        for problem in now.difference(&self.known) {
            tracing::warn!(object = problem.object, error = problem.message, "problem");
        }
        for problem in self.known.difference(&now) {
            tracing::info!(object = problem.object, "problem is over");
        }
        self.known = now;
    }

    /// Brings the kernel to the state that `snapshot` asks for on `node`.
    pub(super) fn reconcile(
        &mut self,
        snapshot: &Snapshot,
        node: &Node,
        config: &Config,
    ) -> Result<ReconcileReport, ObserveError> {
        let last = self.last.take();
        if last.is_none() {
            self.datapath.observe()?;
        }
        let node = &Node {
            path_mtus: self.path_mtus(node),
            serving: self.datapath.serving(),
            // For this pass alone: a port may be published and withdrawn again before the next look.
            drained: std::mem::take(&mut self.drained),
            ..node.clone()
        };
        let wanted = match last {
            Some(last) => last.update(snapshot, node, config),
            None => Incremental::full(snapshot, node, config),
        };
        // What an incomplete view lacks may only be unknown.
        let router = self.router.as_deref().filter(|_| snapshot.complete);
        if let Some(router) = router {
            router.prepare(&wanted.desired);
        }
        let prune = if snapshot.complete {
            Prune::Allowed
        } else {
            Prune::Withheld
        };
        let withdrawn = wanted.withdrawn();
        let ports = withdrawn.values().flat_map(BTreeMap::keys).copied();
        self.withdrawn.change(ports.collect());
        let Applied {
            hooks,
            problems: refused,
            in_sync,
        } = self.datapath.apply(&wanted.desired, prune)?;
        let task_addresses = self.datapath.task_addresses();
        if let Some(router) = router {
            router.publish(&wanted.desired, &task_addresses);
        }
        let mut problems = wanted.problems();
        problems.extend(refused);
        let datapath = self.datapath.name();
        problems.extend(datapath_mismatch(snapshot, &node.id, datapath));
        problems.extend(affinity_by_port(snapshot, datapath));
        problems.extend(path_mtu(snapshot, node));
        problems.extend(network_overlap(snapshot, node, &wanted.desired, datapath));
        self.report(&problems);
        let held = node.tasks.keys().filter(|task| wanted.holds(task));
        // What the kernel refuses may concern other tasks, and for good.
        let held = held.filter(|task| in_sync || self.datapath.holds(Key::from(*task)));
        let held = held.cloned().collect();
        let declarations = wanted.declarations().clone();
        let routed = wanted.desired.routed.clone();
        self.last = Some(wanted);
        Ok(ReconcileReport {
            problems,
            hooks,
            in_sync,
            held,
            withdrawn,
            declarations,
            routed,
            task_addresses,
        })
    }
}

#[cfg(test)]
mod tests;
