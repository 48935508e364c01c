//! Answers that take a look at the kernel's maps. Each look has a thread to itself, so
//! that it holds up neither the turns nor other answers.

use super::Desk;
use crate::kernel::bpf::Meter;
use crate::serve::Unanswered;
use lb_core::kernel::ObserveError;
use lb_core::report::{Drops, Flows};
use lb_core::tell::{self, FlowsAsked};
use std::sync::Arc;

impl Desk {
    pub(super) async fn look_at_drops(&self) -> Result<Drops, Unanswered> {
        let counted = self.look(Meter::drops).await?;
        Ok(tell::drops(&counted))
    }

    pub(super) async fn look_at_flows(&self, asked: FlowsAsked) -> Result<Flows, Unanswered> {
        let snapshot = self.known()?;
        let node = self.last().node.clone();
        // Sorting a full table takes time as well.
        self.look(move |meter| Ok(tell::flows(&snapshot, &node, &meter.flows()?, &asked)))
            .await
    }

    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Meter) -> Result<T, ObserveError> + Send + 'static,
    ) -> Result<T, Unanswered> {
        let live = self.live.get().ok_or_else(|| Unanswered::NothingKnown {
            why: "the datapath is being loaded".to_owned(),
        })?;
        let meter = Arc::clone(&live.meter);
        tokio::task::spawn_blocking(move || look(&meter))
            .await
            .map_err(|error| Unanswered::Maps(error.into()))?
            .map_err(|error| Unanswered::Maps(error.into()))
    }
}
