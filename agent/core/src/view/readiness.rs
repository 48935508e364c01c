//! Readiness gate: a task that the Swarm newly reports as running gets no connections until its own node
//! confirms it, for at most 1 s.
//!
//! A manager may know of a start before the agent on the task's node has found the task's address
//! and brought it into the kernel there. The first packet of a connection to it would be lost, and the
//! client repeats it after a second. So such a task counts as starting until its node reports that it
//! is ready ([`EventKind::Ready`]), or until the timeout: a node whose agent missed the start reports
//! nothing (docs/adr/0013).
//!
//! [`EventKind::Ready`]: crate::view::overlay::EventKind::Ready

use crate::model::ids::TaskId;
use crate::model::snapshot::{Snapshot, Task, TaskState};
use std::collections::BTreeMap;
use std::time::Duration;

/// Time that a node's confirmation is waited for. In a start-first update, the engine of the task that goes lets it
/// go on for 2 s (swarmkit's delay for gossip), so that there is somebody else meanwhile.
pub const READY_TIMEOUT: Duration = Duration::from_secs(1);

/// Tasks that wait for their node's confirmation, and since when (since any fixed moment).
#[derive(Clone, Debug, Default)]
pub struct ReadinessGate(BTreeMap<TaskId, Duration>);

impl ReadinessGate {
    /// Adds the tasks that are running in `next` and were not in `before`, unless they are `up`.
    /// Tasks of the first complete view do not wait.
    pub fn note(
        &mut self,
        before: &Snapshot,
        next: &Snapshot,
        up: impl Fn(&TaskId, &Task) -> bool,
        now: Duration,
    ) {
        if !before.complete {
            return;
        }
        for change in next.tasks.changes(&before.tasks) {
            let runs = |task: &Task| task.state == TaskState::Running;
            if let Some(task) = change.now().filter(|task| runs(task))
                && !change.before().is_some_and(runs)
                && !up(change.key(), task)
            {
                self.0.insert(change.key().clone(), now);
            }
        }
    }

    /// The node of `task` has confirmed it. Returns whether the task was waiting.
    pub fn end(&mut self, task: &TaskId) -> bool {
        self.0.remove(task).is_some()
    }

    /// Removes tasks that have waited for [`READY_TIMEOUT`]; returns whether there were any.
    pub fn expire(&mut self, now: Duration) -> bool {
        let before = self.0.len();
        self.0
            .retain(|_, since| now.saturating_sub(*since) < READY_TIMEOUT);
        self.0.len() != before
    }

    /// Marks waiting tasks as starting in `snapshot`.
    pub fn apply(&self, snapshot: &mut Snapshot) {
        for id in self.0.keys() {
            if let Some(task) = snapshot.tasks.get_mut(id)
                && task.state == TaskState::Running
            {
                task.state = TaskState::Starting;
            }
        }
    }
}

#[cfg(test)]
mod tests;
