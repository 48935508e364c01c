//! The overlay: local container events, laid over the Swarm's own view.
//!
//! The engine on a task's node knows of a start, a stop or a failed health check up to
//! seconds before the Swarm's API says so. Events may arrive twice, late or not at all:
//! each takes a task in or out *early*, and the Swarm's view decides in the end.

use crate::model::ids::{NodeId, TaskId};
use crate::model::snapshot::{LocalHealth, Snapshot, Task};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A container event of one task, on its own node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalEvent {
    /// Label `com.docker.swarm.task.id` of the container.
    pub task: TaskId,
    /// What happened.
    pub kind: EventKind,
}

/// Kinds of container events that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// `start`.
    Start,
    /// No event of the engine's: after a start it runs, waits for no health check, and its node's
    /// kernel brings connections to it.
    Ready,
    /// `kill` with a signal that stops programs.
    Kill,
    /// `die`.
    Die,
    /// `health_status: healthy`.
    Healthy,
    /// `health_status: unhealthy`.
    Unhealthy,
}

/// How long a `kill` counts against a task that the Swarm goes on calling running:
/// a program may well survive the signal.
pub const KILL_COUNTS_FOR: Duration = Duration::from_secs(30);

/// Limit on the tasks that a node may report though they are not known to be its own (not listed, or on no
/// node yet): starts and ends that overtake the Swarm's lists.
pub const EARLY: usize = 256;

/// Local health of tasks by the node that reported it: a report counts only for the node's own
/// tasks. Times are since any fixed moment.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    said: BTreeMap<NodeId, Said>,
}

/// Reports of one node.
#[derive(Clone, Debug, Default)]
struct Said {
    task_health: BTreeMap<TaskId, TaskReport>,
    /// Number of tasks in `task_health` that the snapshot did not know when they were last counted; at most [`EARLY`].
    early: usize,
}

/// Report of one task.
#[derive(Clone, Copy, Debug)]
struct TaskReport {
    /// What counts.
    health: LocalHealth,
    /// The time from which on it counts; of several kills, that of the last one.
    since: Duration,
    /// Where it is a kill that counts: the health that counts if the task survives it. `None` where nothing else was reported.
    survivor: Option<LocalHealth>,
}

/// Node of a task, relative to the node that reports it.
enum Whose {
    Own,
    /// Not listed yet, or on no node yet.
    Early,
    Others,
}

fn whose(snapshot: &Snapshot, task: &TaskId, node: &NodeId) -> Whose {
    match snapshot.tasks.get(task) {
        Some(task) if task.node == *node => Whose::Own,
        Some(task) if !task.node.as_str().is_empty() => Whose::Others,
        _ => Whose::Early,
    }
}

/// The health after an event of a task that had this one `before`, and that no signal was sent to.
fn after(before: LocalHealth, kind: EventKind) -> LocalHealth {
    match (before, kind) {
        // A dead container stays dead: tasks never start twice.
        (LocalHealth::Dead, _) | (_, EventKind::Die) => LocalHealth::Dead,
        (_, EventKind::Kill) => LocalHealth::Stopping,
        (_, EventKind::Unhealthy) => LocalHealth::Unhealthy,
        (_, EventKind::Ready) | (LocalHealth::Ready, _) => LocalHealth::Ready,
        (_, EventKind::Healthy | EventKind::Start) => LocalHealth::Ok,
    }
}

impl Overlay {
    /// Takes in an event that `node` tells. Returns whether it changed anything.
    pub fn note(
        &mut self,
        snapshot: &Snapshot,
        node: &NodeId,
        event: &LocalEvent,
        now: Duration,
    ) -> bool {
        if event.kind != EventKind::Die
            && let Some(report) = self.report_mut(node, &event.task)
            && report.health == LocalHealth::Stopping
        {
            // The view does not change, but for how long it says so, or what it says then.
            match event.kind {
                EventKind::Kill => report.since = now,
                kind => report.survivor = Some(after(report.survivor.unwrap_or_default(), kind)),
            }
            return false;
        }
        let before = self.health(node, &event.task).unwrap_or_default();
        let after = after(before, event.kind);
        after != before && self.put(snapshot, node, &event.task, after, now)
    }

    /// Takes in a local health that `node` reports, in place of the events that led to it. Returns
    /// whether it changed anything.
    ///
    /// It is that node's own task, so its word counts, but not against death.
    pub fn adopt(
        &mut self,
        snapshot: &Snapshot,
        node: &NodeId,
        task: &TaskId,
        health: LocalHealth,
        now: Duration,
    ) -> bool {
        let before = self.health(node, task);
        let unchanged = before.unwrap_or_default() == health;
        !unchanged
            && before != Some(LocalHealth::Dead)
            && self.put(snapshot, node, task, health, now)
    }

    fn health(&self, node: &NodeId, task: &TaskId) -> Option<LocalHealth> {
        let report = self.said.get(node)?.task_health.get(task)?;
        Some(report.health)
    }

    fn report_mut(&mut self, node: &NodeId, task: &TaskId) -> Option<&mut TaskReport> {
        self.said.get_mut(node)?.task_health.get_mut(task)
    }

    fn put(
        &mut self,
        snapshot: &Snapshot,
        node: &NodeId,
        task: &TaskId,
        health: LocalHealth,
        now: Duration,
    ) -> bool {
        let whose = whose(snapshot, task, node);
        if matches!(whose, Whose::Others) {
            return false;
        }
        let said = self.said.entry(node.clone()).or_default();
        if matches!(whose, Whose::Early) && !said.task_health.contains_key(task) {
            if said.early >= EARLY {
                return false;
            }
            said.early += 1;
        }
        let before = said.task_health.get(task).map(|report| report.health);
        let report = TaskReport {
            health,
            since: now,
            survivor: before.filter(|_| health == LocalHealth::Stopping),
        };
        said.task_health.insert(task.clone(), report);
        true
    }

    /// Forgets what is no longer of use: of tasks that are gone from `snapshot`, or another node's;
    /// kills that were survived, starts that the Swarm knows of by now. After a kill that was survived, the health
    /// that was reported before or meanwhile counts again.
    ///
    /// A task can be announced dead before the snapshot lists it; such marks are
    /// kept for [`KILL_COUNTS_FOR`]. Returns whether anything was forgotten.
    pub fn expire(&mut self, snapshot: &Snapshot, now: Duration) -> bool {
        let mut forgotten = false;
        self.said.retain(|node, said| {
            let before = said.task_health.len();
            let mut early = 0;
            said.task_health.retain(|id, report| {
                let fresh = now.saturating_sub(report.since) < KILL_COUNTS_FOR;
                if !fresh && let Some(health) = report.survivor.take() {
                    report.health = health;
                    forgotten = true;
                }
                match (whose(snapshot, id, node), report.health) {
                    (Whose::Others, _) => false,
                    (Whose::Early, _) => {
                        early += usize::from(fresh);
                        fresh
                    }
                    (Whose::Own, LocalHealth::Stopping) => fresh,
                    (Whose::Own, LocalHealth::Ready) => {
                        snapshot.tasks.get(id).is_some_and(Task::on_its_way)
                    }
                    (Whose::Own, LocalHealth::Ok | LocalHealth::Unhealthy | LocalHealth::Dead) => {
                        true
                    }
                }
            });
            said.early = early;
            forgotten |= said.task_health.len() != before;
            !said.task_health.is_empty()
        });
        forgotten
    }

    /// Writes what is known into `snapshot`, and forgets what is no longer of use.
    ///
    /// Tasks without a local health here keep the one that the snapshot's sender gave them.
    pub fn apply(&mut self, snapshot: &mut Snapshot, now: Duration) {
        self.expire(snapshot, now);
        for (node, said) in &self.said {
            for (id, report) in &said.task_health {
                if let Some(task) = snapshot.tasks.get(id)
                    && task.node == *node
                    && task.health != report.health
                    && let Some(task) = snapshot.tasks.get_mut(id)
                {
                    task.health = report.health;
                }
            }
        }
    }

    /// Moves the reports of `node` to `known`, its id in the Swarm, which it did not know before.
    pub fn rename(&mut self, node: &NodeId, known: &NodeId) {
        if let Some(said) = self.said.remove(node) {
            self.said.insert(known.clone(), said);
        }
    }

    /// Did the node of `task` report that it is ready?
    #[must_use]
    pub fn is_up(&self, id: &TaskId, task: &Task) -> bool {
        self.health(&task.node, id) == Some(LocalHealth::Ready)
    }

    /// The local health of all tasks, for a new session, which missed the events.
    pub fn task_health(&self) -> impl Iterator<Item = (&TaskId, LocalHealth)> {
        let task_health = self.said.values().flat_map(|said| &said.task_health);
        task_health.map(|(task, report)| (task, report.health))
    }
}

#[cfg(test)]
mod tests;
