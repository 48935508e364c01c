//! Counters of this node, as read for other agents.

use futures_util::future::BoxFuture;
use lb_core::report::Stats;
use lb_wire::STATS_BYTES;
use std::sync::Arc;
use tokio::sync::watch;

/// Reads this node's counters; `None` if the kernel could not be read.
pub type LocalStats = Arc<dyn Fn() -> BoxFuture<'static, Option<Stats>> + Send + Sync>;

/// This node's counters, once its datapath is loaded.
#[derive(Clone)]
pub(super) struct OwnStats(watch::Receiver<Option<LocalStats>>);

impl OwnStats {
    pub(super) fn new(local_stats: watch::Receiver<Option<LocalStats>>) -> Self {
        Self(local_stats)
    }

    /// The counters; `None` if there is no datapath yet, or the kernel could not be read.
    pub(super) async fn read(&self) -> Option<Stats> {
        let local_stats = self.0.borrow().clone()?;
        local_stats().await
    }

    /// The counters as JSON; without those of single tasks, and of HTTP routes, if a manager would refuse the message for its size.
    pub(super) async fn read_json(&self) -> Option<Vec<u8>> {
        let mut stats = self.read().await?;
        let whole = serde_json::to_vec(&stats).ok()?;
        if whole.len() < STATS_BYTES {
            return Some(whole);
        }
        for service in &mut stats.services {
            service.tasks.clear();
        }
        let sums = serde_json::to_vec(&stats).ok()?;
        if sums.len() < STATS_BYTES {
            return Some(sums);
        }
        stats.http = None;
        let sums = serde_json::to_vec(&stats).ok()?;
        (sums.len() < STATS_BYTES).then_some(sums)
    }
}
