//! What the last turn left, for whoever asks: the operator's socket and other agents.

mod looks;

use super::datapath::Datapath;
use super::turn::Outcome;
use crate::kernel::Meter;
use crate::serve::{Source, Unanswered};
use crate::sync::{Feed, SourceState};
use crate::watch::LocalFacts;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use lb_core::explain::{ClientAsked, FrontendAsked};
use lb_core::ids::NodeId;
use lb_core::kernel::ObserveError;
use lb_core::node::Node;
use lb_core::report::{
    Check, Drops, Explanation, Flows, HookReport, Nodes, Problem, Scope, Services, Stats, Status,
};
use lb_core::snapshot::Snapshot;
use lb_core::state::HookKind;
use lb_core::tell::{self, FlowsAsked};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;
use tokio::sync::watch;

/// Shared between the loop, which writes, and those who answer questions.
pub(super) struct Desk {
    started: Instant,
    live: OnceLock<Live>,
    last: Mutex<Last>,
}

/// What answers by itself, once everything has started.
struct Live {
    /// Name of the datapath.
    datapath: &'static str,
    /// How its programs are attached to tc.
    tc: &'static str,
    meter: Arc<dyn Meter>,
    local: watch::Receiver<Arc<LocalFacts>>,
    source: watch::Receiver<SourceState>,
    agents: watch::Receiver<BTreeSet<NodeId>>,
    between_agents: watch::Receiver<BTreeSet<Problem>>,
    cluster: crate::sync::ClusterStats,
}

/// The last turn.
#[derive(Default)]
struct Last {
    snapshot: Arc<Snapshot>,
    node: Node,
    outcome: Outcome,
}

impl Desk {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            live: OnceLock::new(),
            last: Mutex::default(),
        }
    }

    /// From now on there is something to tell.
    ///
    /// # Errors
    /// When the datapath's counters can't be reached.
    pub(super) fn open(&self, feed: &Feed, datapath: &dyn Datapath) -> Result<(), ObserveError> {
        let live = Live {
            datapath: datapath.name(),
            tc: datapath.tc(),
            meter: Arc::from(datapath.meter()?),
            local: feed.local.clone(),
            source: feed.source.clone(),
            agents: feed.agents.clone(),
            between_agents: feed.problems.clone(),
            cluster: feed.cluster_stats.clone(),
        };
        // Opened once, before anything is served.
        let _ = self.live.set(live);
        Ok(())
    }

    /// A turn was taken.
    pub(super) fn put(&self, snapshot: Arc<Snapshot>, node: Node, outcome: Outcome) {
        *self.last() = Last {
            snapshot,
            node,
            outcome,
        };
    }

    /// A turn could not be taken: what the last one left stands.
    pub(super) fn trouble(&self, problem: Problem) {
        let mut last = self.last();
        last.outcome.in_sync = false;
        last.outcome
            .problems
            .retain(|known| known.object != problem.object);
        last.outcome.problems.push(problem);
    }

    /// A writer that panicked would have taken the process along; the values are whole.
    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> Result<Arc<Snapshot>, Unanswered> {
        let snapshot = Arc::clone(&self.last().snapshot);
        if snapshot.complete {
            return Ok(snapshot);
        }
        let why = self
            .live
            .get()
            .and_then(|live| live.source.borrow().sentence.clone());
        Err(Unanswered::NothingKnown {
            why: why.unwrap_or_else(|| "no manager has answered yet".to_owned()),
        })
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = self.last().outcome.problems.clone();
        if let Some(live) = self.live.get() {
            problems.extend(live.between_agents.borrow().iter().cloned());
            let source = live.source.borrow();
            if let Some(sentence) = source.sentence.clone() {
                problems.push(Problem {
                    object: "source".to_owned(),
                    sentence,
                });
            }
        }
        problems.sort();
        problems.dedup();
        problems
    }

    fn hooks(&self) -> Vec<HookReport> {
        let last = self.last();
        let named = |index| {
            let known = [&last.node.uplink, &last.node.bridge];
            known
                .into_iter()
                .flatten()
                .chain(&last.node.others)
                .chain(&last.node.bridges)
                .find(|link| link.index == index)
                .map_or_else(|| format!("device {index}"), |link| link.name.clone())
        };
        let tc = self.live.get().map_or("", |live| live.tc);
        let mut hooks: Vec<HookReport> = Vec::new();
        for hook in &last.outcome.hooks {
            let (link, place, mode) = match hook.kind {
                HookKind::UplinkXdp => (named(hook.link), "xdp", "native"),
                HookKind::UplinkTc | HookKind::BridgeTc => (named(hook.link), "tc-ingress", tc),
                // As many as there are containers: of no interest one by one.
                HookKind::PortTc => continue,
                HookKind::UplinkEgress => (named(hook.link), "tc-egress", tc),
                // Seven programs, one thing: calls of processes on the node.
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

impl Source for Desk {
    fn status(&self) -> Status {
        let facts = self
            .live
            .get()
            .map(|live| Arc::clone(&live.local.borrow()))
            .unwrap_or_default();
        let source = self
            .live
            .get()
            .map(|live| live.source.borrow().clone())
            .unwrap_or_default();
        let problems = self.problems().len();
        let hooks = self.hooks();
        let last = self.last();
        let tally = tell::tally(&last.snapshot);
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            datapath: self.live.get().map_or("", |live| live.datapath).to_owned(),
            node: facts.id.clone(),
            hostname: facts.hostname.clone(),
            address: last.node.address,
            hooks,
            source: source.name,
            connected: source.connected,
            in_sync: last.outcome.in_sync && last.snapshot.complete,
            services: tally.services,
            tasks: tally.tasks,
            problems,
            uptime_s: self.started.elapsed().as_secs(),
        }
    }

    fn services(&self) -> Result<Services, Unanswered> {
        let snapshot = self.known()?;
        Ok(tell::services(&snapshot))
    }

    fn nodes(&self) -> Result<Nodes, Unanswered> {
        let snapshot = self.known()?;
        let live = self.live.get();
        let facts = live
            .map(|live| Arc::clone(&live.local.borrow()))
            .unwrap_or_default();
        let agents = live
            .filter(|_| facts.manager)
            .map(|live| live.agents.borrow().clone());
        Ok(tell::nodes(&snapshot, &facts.id, agents.as_ref()))
    }

    fn check(&self) -> Result<Check, Unanswered> {
        Ok(Check {
            problems: self.problems(),
        })
    }

    fn stats(&self, scope: Scope) -> BoxFuture<'_, Result<Stats, Unanswered>> {
        async move {
            self.known()?;
            match (scope, self.live.get()) {
                (Scope::Cluster, Some(live)) => Ok(live.cluster.collect().await),
                _ => self.node_stats().await,
            }
        }
        .boxed()
    }

    fn drops(&self) -> BoxFuture<'_, Result<Drops, Unanswered>> {
        self.look_at_drops().boxed()
    }

    fn flows(&self, asked: FlowsAsked) -> BoxFuture<'_, Result<Flows, Unanswered>> {
        self.look_at_flows(asked).boxed()
    }

    fn explain(
        &self,
        client: ClientAsked,
        frontend: FrontendAsked,
    ) -> BoxFuture<'_, Result<Explanation, Unanswered>> {
        self.try_out(client, frontend).boxed()
    }
}
