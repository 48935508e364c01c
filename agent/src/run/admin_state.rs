//! State of the admin API: the result of the last reconcile pass, and handles for queries. Read by
//! the admin socket and, for counters, by other agents.

mod queries;

use super::datapath::Datapath;
use super::http_router::HttpRouter;
use super::reconcile::ReconcileReport;
use crate::kernel::StatsReader;
use crate::serve::{ApiError, Source};
use crate::sync::{ClusterStats, ClusterView, SourceState};
use crate::watch::LocalFacts;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use lb_core::backend::ebpf::HookKind;
use lb_core::explain::{ClientQuery, FrontendQuery, RequestQuery};
use lb_core::kernel::ObserveError;
use lb_core::model::ids::NodeId;
use lb_core::model::node::Node;
use lb_core::model::snapshot::Snapshot;
use lb_core::report::build::{self, FlowFilter};
use lb_core::report::{
    Check, Drops, Explanation, Flows, HookReport, Nodes, Problem, RequestExplanation, Routes,
    Scope, Services, Stats, Status, TableReport,
};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio::time::Instant;

/// Written by the main loop, read by the handlers of the admin API.
pub(super) struct AdminState {
    started: Instant,
    /// Name of the datapath.
    datapath: &'static str,
    /// How its programs are attached to tc; empty if it has none there.
    tc: &'static str,
    stats_reader: Arc<dyn StatsReader>,
    local: watch::Receiver<Arc<LocalFacts>>,
    source: watch::Receiver<SourceState>,
    agents: watch::Receiver<BTreeSet<NodeId>>,
    between_agents: watch::Receiver<BTreeSet<Problem>>,
    cluster_stats: ClusterStats,
    /// The HTTP routers of this node, where they are switched on.
    router: Option<Arc<HttpRouter>>,
    last: Mutex<Last>,
}

/// Inputs and result of the last reconcile pass.
struct Last {
    snapshot: Arc<Snapshot>,
    node: Node,
    report: ReconcileReport,
}

impl AdminState {
    /// State before the first reconcile pass of an agent that `started` then and runs on `node`: no snapshot is
    /// known, and nothing is in sync.
    ///
    /// # Errors
    /// When the datapath's counters can't be reached.
    pub(super) fn new(
        started: Instant,
        cluster: &ClusterView,
        datapath: &dyn Datapath,
        router: Option<Arc<HttpRouter>>,
        node: Node,
    ) -> Result<Self, ObserveError> {
        let last = Last {
            snapshot: Arc::default(),
            node,
            report: ReconcileReport::default(),
        };
        Ok(Self {
            started,
            datapath: datapath.name(),
            tc: datapath.tc(),
            stats_reader: Arc::from(datapath.stats_reader()?),
            local: cluster.local.clone(),
            source: cluster.source.clone(),
            agents: cluster.agents.clone(),
            between_agents: cluster.problems.clone(),
            cluster_stats: cluster.cluster_stats.clone(),
            router,
            last: Mutex::new(last),
        })
    }

    /// Publishes the inputs and the result of a reconcile pass.
    pub(super) fn publish(&self, snapshot: Arc<Snapshot>, node: Node, report: ReconcileReport) {
        *self.last() = Last {
            snapshot,
            node,
            report,
        };
    }

    /// A reconcile pass failed: the last result stays, with this problem added.
    pub(super) fn record_failure(&self, problem: Problem) {
        let mut last = self.last();
        last.report.in_sync = false;
        last.report
            .problems
            .retain(|known| known.object != problem.object);
        last.report.problems.push(problem);
    }

    /// A panic ends the process, so a poisoned lock is ignored.
    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last snapshot, if it is complete.
    fn complete_snapshot(&self) -> Result<Arc<Snapshot>, ApiError> {
        let snapshot = Arc::clone(&self.last().snapshot);
        if snapshot.complete {
            return Ok(snapshot);
        }
        let why = self.source.borrow().message.clone();
        Err(ApiError::NothingKnown {
            why: why.unwrap_or_else(|| "no manager has answered yet".to_owned()),
        })
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = self.last().report.problems.clone();
        problems.extend(self.router.iter().flat_map(|router| router.problems()));
        problems.extend(self.between_agents.borrow().iter().cloned());
        problems.extend(build::crowded(&self.tables()));
        if let Some(message) = self.source.borrow().message.clone() {
            problems.push(Problem {
                object: "source".to_owned(),
                message,
            });
        }
        problems.sort();
        problems.dedup();
        problems
    }

    /// The tables that the datapath fills, as they were counted last.
    fn tables(&self) -> Vec<TableReport> {
        let counted = self.stats_reader.occupancy();
        counted.map_or_else(Vec::new, |(occupancy, sizes)| {
            build::tables(&occupancy, sizes)
        })
    }

    /// The kernel's memory that the maps took when the tables were counted last, in bytes.
    fn map_memory(&self) -> Option<u64> {
        let (occupancy, _) = self.stats_reader.occupancy()?;
        Some(occupancy.others.map_memory)
    }

    fn hooks(&self) -> Vec<HookReport> {
        let last = self.last();
        let named = |index| {
            let known = [&last.node.uplink, &last.node.bridge];
            known
                .into_iter()
                .flatten()
                .chain(&last.node.extra_uplinks)
                .chain(&last.node.bridges)
                .find(|link| link.index == index)
                .map_or_else(|| format!("device {index}"), |link| link.name.clone())
        };
        let mut hooks: Vec<HookReport> = Vec::new();
        for hook in &last.report.hooks {
            let (link, place, mode) = match hook.kind {
                HookKind::UplinkXdp => (named(hook.link), "xdp", "native"),
                // One for each container, or port of an uplink: not listed.
                HookKind::PortTc => continue,
                HookKind::UplinkTc if last.node.port_bridges.contains_key(&hook.link) => continue,
                HookKind::UplinkTc | HookKind::BridgeTc => {
                    (named(hook.link), "tc-ingress", self.tc)
                }
                HookKind::UplinkEgress => (named(hook.link), "tc-egress", self.tc),
                // Seven programs for one purpose: connections of processes on the node.
                _ => ("root cgroup".to_owned(), "sockets", "cgroup"),
            };
            let report = HookReport {
                link,
                hook: place.to_owned(),
                mode: mode.to_owned(),
            };
            if hooks.last() != Some(&report) {
                hooks.push(report);
            }
        }
        hooks
    }
}

impl Source for AdminState {
    fn status(&self) -> Status {
        let facts = Arc::clone(&self.local.borrow());
        let source = self.source.borrow().clone();
        let problems = self.problems().len();
        let hooks = self.hooks();
        let last = self.last();
        let tally = build::tally(&last.snapshot);
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            datapath: self.datapath.to_owned(),
            node: facts.id.clone(),
            hostname: facts.hostname.clone(),
            address: last.node.address,
            hooks,
            source: source.name,
            connected: source.connected,
            in_sync: last.report.in_sync && last.snapshot.complete,
            services: tally.services,
            tasks: tally.tasks,
            problems,
            router: self.router.as_ref().map(|router| router.status()),
            tables: self.tables(),
            map_memory: self.map_memory(),
            uptime_s: self.started.elapsed().as_secs(),
        }
    }

    fn services(&self) -> Result<Services, ApiError> {
        let snapshot = self.complete_snapshot()?;
        let withdrawn = self.last().report.withdrawn.clone();
        Ok(build::services(&snapshot, &withdrawn))
    }

    fn routes(&self) -> Result<Routes, ApiError> {
        let router = self.router.as_ref().ok_or(ApiError::RouterOff)?;
        let snapshot = self.complete_snapshot()?;
        let declarations = self.last().report.declarations.clone();
        let mut routes = build::routes(&snapshot, &declarations);
        routes.problems.extend(router.problems());
        routes.problems.sort();
        Ok(routes)
    }

    fn nodes(&self) -> Result<Nodes, ApiError> {
        let snapshot = self.complete_snapshot()?;
        let facts = Arc::clone(&self.local.borrow());
        let agents = facts.manager.then(|| self.agents.borrow().clone());
        Ok(build::nodes(&snapshot, &facts.id, agents.as_ref()))
    }

    fn check(&self) -> Result<Check, ApiError> {
        Ok(Check {
            problems: self.problems(),
        })
    }

    fn stats(&self, scope: Scope) -> BoxFuture<'_, Result<Stats, ApiError>> {
        async move {
            match scope {
                Scope::Cluster => {
                    self.complete_snapshot()?;
                    Ok(self.cluster_stats.collect().await)
                }
                Scope::Node => self.node_stats().await,
            }
        }
        .boxed()
    }

    fn drops(&self) -> BoxFuture<'_, Result<Drops, ApiError>> {
        self.query_drops().boxed()
    }

    fn flows(&self, asked: FlowFilter) -> BoxFuture<'_, Result<Flows, ApiError>> {
        self.query_flows(asked).boxed()
    }

    fn explain(
        &self,
        client: ClientQuery,
        frontend: FrontendQuery,
    ) -> BoxFuture<'_, Result<Explanation, ApiError>> {
        self.run_explain(client, frontend).boxed()
    }

    fn explain_request(&self, query: &RequestQuery) -> Result<RequestExplanation, ApiError> {
        self.run_explain_request(query)
    }
}
