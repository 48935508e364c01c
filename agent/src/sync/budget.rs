//! Message budget of a node over all its sessions: a token bucket. A node over its budget is read later,
//! and holds up only itself.

use lb_core::model::ids::NodeId;
use lb_core::rate::Bucket;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The bucket of a node, in messages. There are five for each container (start, up, healthy, kill, die).
const MESSAGES: Bucket = Bucket::new(1_000, Duration::from_millis(10));

/// Cost of a new session, in messages: its certificate was verified.
pub(super) const SESSION: u32 = 50;
/// Cost of a Hello, in messages: it may make every agent compute a new desired state.
pub(super) const HELLO: u32 = 100;
/// Cost of a query for all nodes' counters, in messages.
pub(super) const CLUSTER: u32 = 50;

/// Budgets of all nodes that sent something lately.
#[derive(Debug)]
pub(super) struct Budgets {
    began: Instant,
    nodes: Mutex<BTreeMap<NodeId, Arc<Mutex<Bucket>>>>,
}

/// Budget of one node.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    began: Instant,
    bucket: Arc<Mutex<Bucket>>,
}

impl Budgets {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            nodes: Mutex::default(),
        }
    }

    pub(super) fn of(&self, node: &NodeId) -> Budget {
        let now = self.began.elapsed();
        let mut nodes = lock(&self.nodes);
        nodes.retain(|_, bucket| Arc::strong_count(bucket) > 1 || !lock(bucket).is_full(now));
        let bucket = nodes.entry(node.clone());
        Budget {
            began: self.began,
            bucket: bucket
                .or_insert_with(|| Arc::new(Mutex::new(MESSAGES)))
                .clone(),
        }
    }
}

impl Budget {
    /// Earliest time at which the next message may be read.
    pub(super) fn ready(&self) -> Instant {
        self.began + lock(&self.bucket).ready()
    }

    /// Charges `cost` for a message that was read.
    pub(super) fn spend(&self, cost: u32) {
        lock(&self.bucket).spend(cost, self.began.elapsed());
    }

    /// Spends `cost` if the bucket has it; returns whether it had.
    pub(super) fn take(&self, cost: u32) -> bool {
        lock(&self.bucket).take(cost, self.began.elapsed())
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_comes_again_is_remembered_and_others_have_their_own() {
        let budgets = Budgets::new();
        tokio::time::advance(Duration::from_secs(100)).await;
        let mut sessions = 0;
        while budgets.of(&"evil".into()).take(SESSION) {
            sessions += 1;
        }
        assert_eq!(sessions, 20);
        assert!(budgets.of(&"other".into()).take(SESSION));
        tokio::time::advance(Duration::from_secs(100)).await;
        assert!(budgets.of(&"evil".into()).take(SESSION));
    }
}
