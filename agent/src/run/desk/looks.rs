//! Answers that take a look at the kernel's maps. Each look has a thread to itself, so
//! that it holds up neither the turns nor other answers.

use super::Desk;
use crate::kernel::{Meter, Traffic};
use crate::sentence::causes;
use crate::serve::Unanswered;
use crate::sync::LocalStats;
use futures_util::FutureExt;
use lb_core::explain::{ClientAsked, FrontendAsked, explain};
use lb_core::kernel::ObserveError;
use lb_core::report::{Drops, Explanation, Flows, Scope, Stats};
use lb_core::tell::{self, FlowsAsked};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Desk {
    /// Reads this node's traffic, for other agents.
    pub(in crate::run) fn local_stats(desk: &Arc<Self>) -> LocalStats {
        let desk = Arc::clone(desk);
        Arc::new(move || {
            let desk = Arc::clone(&desk);
            async move {
                desk.node_stats().await.unwrap_or_else(|error| {
                    tracing::warn!(error = causes(&error), "counters can't be read");
                    Stats::default()
                })
            }
            .boxed()
        })
    }

    pub(super) async fn node_stats(&self) -> Result<Stats, Unanswered> {
        let traffic = match self.live.get() {
            Some(live) => {
                let meter = Arc::clone(&live.meter);
                let read = tokio::task::spawn_blocking(move || meter.read()).await;
                read.map_err(|error| Unanswered::Counters(error.into()))?
                    .map_err(|error| Unanswered::Counters(error.into()))?
            }
            None => Traffic::default(),
        };
        let last = self.last();
        let missing = BTreeSet::new();
        Ok(tell::stats(
            &last.snapshot,
            &last.node,
            Scope::Node,
            &traffic.tasks,
            &traffic.retired,
            &missing,
        ))
    }

    pub(super) async fn look_at_drops(&self) -> Result<Drops, Unanswered> {
        let counted = self.look(|meter| meter.drops()).await?;
        Ok(tell::drops(&counted))
    }

    pub(super) async fn look_at_flows(&self, asked: FlowsAsked) -> Result<Flows, Unanswered> {
        let snapshot = self.known()?;
        let node = self.last().node.clone();
        // Sorting a full table takes time as well.
        self.look(move |meter| Ok(tell::flows(&snapshot, &node, &meter.flows()?, &asked)))
            .await
    }

    pub(super) async fn try_out(
        &self,
        client: ClientAsked,
        frontend: FrontendAsked,
    ) -> Result<Explanation, Unanswered> {
        let snapshot = self.known()?;
        let node = self.last().node.clone();
        let question = frontend.resolve(client, &snapshot, &node)?;
        let explanation = self
            .look(move |meter| {
                let memory = meter.memory(client.address, &question.port())?;
                Ok(memory.map(|memory| explain(&snapshot, &node, &memory, &question)))
            })
            .await?;
        explanation.ok_or(Unanswered::KernelDecides)
    }

    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&dyn Meter) -> Result<T, ObserveError> + Send + 'static,
    ) -> Result<T, Unanswered> {
        let live = self.live.get().ok_or_else(|| Unanswered::NothingKnown {
            why: "the datapath is being loaded".to_owned(),
        })?;
        let meter = Arc::clone(&live.meter);
        tokio::task::spawn_blocking(move || look(&*meter))
            .await
            .map_err(|error| Unanswered::Maps(error.into()))?
            .map_err(|error| Unanswered::Maps(error.into()))
    }
}
