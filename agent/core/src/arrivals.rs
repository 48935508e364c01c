//! Tasks that the Swarm has just begun to call running, and whose own node has not spoken yet.
//!
//! A manager may know of a start before the agent on the task's node has found the task's address
//! and brought it into the kernel there. Who sends a connection's first packet there meanwhile
//! loses it, and the client sends it again after a second. So such a task counts as starting
//! until its node says that it is up ([`EventKind::Up`]), for a while: a node whose agent missed
//! the start says nothing (docs/adr/0013).
//!
//! [`EventKind::Up`]: crate::overlay::EventKind::Up

use crate::ids::TaskId;
use crate::snapshot::{Snapshot, Task, TaskState};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a node's word is waited for. In a start-first update, the engine of the task that goes lets it
/// go on for 2 s (swarmkit's delay for gossip), so that there is somebody else meanwhile.
pub const WAITS: Duration = Duration::from_secs(1);

/// When each began to be called running, since any fixed moment.
#[derive(Clone, Debug, Default)]
pub struct Arrivals(BTreeMap<TaskId, Duration>);

impl Arrivals {
    /// Takes note of what `next` calls running and `before` did not, but for those that are `up`.
    /// What the first complete view has was running before.
    pub fn note(
        &mut self,
        before: &Snapshot,
        next: &Snapshot,
        up: impl Fn(&TaskId) -> bool,
        now: Duration,
    ) {
        if !before.complete {
            return;
        }
        for change in next.tasks.changes(&before.tasks) {
            let runs = |task: &Task| task.state == TaskState::Running;
            let begins = change.now().is_some_and(runs) && !change.before().is_some_and(runs);
            if begins && !up(change.key()) {
                self.0.insert(change.key().clone(), now);
            }
        }
    }

    /// Its node has said that it is up. Returns whether that was waited for.
    pub fn end(&mut self, task: &TaskId) -> bool {
        self.0.remove(task).is_some()
    }

    /// Forgets those who were waited for long enough; returns whether there were any.
    pub fn expire(&mut self, now: Duration) -> bool {
        let before = self.0.len();
        self.0.retain(|_, since| now.saturating_sub(*since) < WAITS);
        self.0.len() != before
    }

    /// Writes into `snapshot` that they are starting.
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
