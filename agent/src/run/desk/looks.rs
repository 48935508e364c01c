//! Answers that take a look at the kernel's maps. Each look has a thread to itself, so
//! that it holds up neither the turns nor other answers.

use super::Desk;
use crate::kernel::bpf::Meter;
use crate::serve::Unanswered;
use lb_core::kernel::ObserveError;
use lb_core::report::Drops;
use lb_core::tell;
use std::sync::Arc;

impl Desk {
    pub(super) async fn look_at_drops(&self) -> Result<Drops, Unanswered> {
        let counted = self.look(Meter::drops).await?;
        Ok(tell::drops(&counted))
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
