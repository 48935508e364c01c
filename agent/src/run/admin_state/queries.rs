//! Queries that read the kernel's maps. Each runs on a thread of its own, so that it holds up
//! neither the main loop nor other queries.

use super::AdminState;
use crate::error_chain::error_chain;
use crate::kernel::StatsReader;
use crate::router::seconds_since_1970;
use crate::serve::ApiError;
use crate::sync::LocalStats;
use futures_util::FutureExt;
use lb_core::explain::{
    ClientQuery, FrontendQuery, RequestQuery, Routed, explain, explain_request,
};
use lb_core::kernel::ObserveError;
use lb_core::report::build::{self, FlowFilter};
use lb_core::report::{Drops, Explanation, Flows, RequestExplanation, Scope, Stats};
use std::collections::BTreeSet;
use std::sync::Arc;

impl AdminState {
    /// A function that reads this node's counters, for other agents.
    pub(in crate::run) fn local_stats(admin_state: &Arc<Self>) -> LocalStats {
        let admin_state = Arc::clone(admin_state);
        Arc::new(move || {
            let admin_state = Arc::clone(&admin_state);
            async move {
                let stats = admin_state.node_stats().await;
                stats
                    .inspect_err(|error| {
                        tracing::warn!(error = error_chain(error), "counters can't be read");
                    })
                    .ok()
            }
            .boxed()
        })
    }

    /// This node's counters, by service and task of the last snapshot.
    pub(super) async fn node_stats(&self) -> Result<Stats, ApiError> {
        self.complete_snapshot()?;
        let stats = Arc::clone(&self.stats_reader);
        let traffic = tokio::task::spawn_blocking(move || stats.read())
            .await
            .map_err(|error| ApiError::Counters(error.into()))?
            .map_err(|error| ApiError::Counters(error.into()))?;
        let last = self.last();
        let missing = BTreeSet::new();
        let mut stats = build::stats(
            &last.snapshot,
            &last.node,
            Scope::Node,
            &traffic.tasks,
            &traffic.retired,
            &missing,
        );
        stats.http = self.router.as_ref().map(|router| router.stats());
        Ok(stats)
    }

    pub(super) async fn query_drops(&self) -> Result<Drops, ApiError> {
        let counted = self.query(|stats| stats.drops()).await?;
        Ok(build::drops(&counted))
    }

    pub(super) async fn query_flows(&self, asked: FlowFilter) -> Result<Flows, ApiError> {
        let snapshot = self.complete_snapshot()?;
        let node = self.last().node.clone();
        // Sorting a full table takes time too.
        self.query(move |stats| Ok(build::flows(&snapshot, &node, &stats.flows()?, &asked)))
            .await
    }

    pub(super) async fn run_explain(
        &self,
        client: ClientQuery,
        frontend: FrontendQuery,
    ) -> Result<Explanation, ApiError> {
        let snapshot = self.complete_snapshot()?;
        let node = self.last().node.clone();
        let question = frontend.resolve(client, &snapshot, &node)?;
        let explanation = self
            .query(move |stats| {
                let memory = stats.map_snapshot(client.address, &question.port())?;
                Ok(memory.map(|memory| explain(&snapshot, &node, &memory, &question)))
            })
            .await?;
        explanation.ok_or(ApiError::KernelDecides)
    }

    /// Answers from memory, as the router does: it is not asked. What it has said of its certificates may be a second old.
    pub(super) fn run_explain_request(
        &self,
        query: &RequestQuery,
    ) -> Result<RequestExplanation, ApiError> {
        let router = self.router.as_ref().ok_or(ApiError::RouterOff)?;
        let certificates = router.certificates();
        let snapshot = self.complete_snapshot()?;
        let (declarations, services, addresses) = {
            let report = &self.last().report;
            let services = report.routed.clone();
            (
                report.declarations.clone(),
                services,
                report.task_addresses.clone(),
            )
        };
        let routed = Routed {
            snapshot: &snapshot,
            declarations: &declarations,
            services: &services,
            addresses: &addresses,
            certificates: certificates.as_deref(),
            now_s: seconds_since_1970(),
        };
        Ok(explain_request(&routed, query))
    }

    /// Runs `read` on a thread that may block.
    async fn query<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn StatsReader) -> Result<T, ObserveError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let stats = Arc::clone(&self.stats_reader);
        tokio::task::spawn_blocking(move || read(&*stats))
            .await
            .map_err(|error| ApiError::Maps(error.into()))?
            .map_err(|error| ApiError::Maps(error.into()))
    }
}
