//! Local container events, laid over the Swarm's own view.
//!
//! The engine on a task's node knows of a start, a stop or a failed health check up to
//! seconds before the Swarm's API says so. Events may arrive twice, late or not at all:
//! each takes a task in or out *early*, and the Swarm's view decides in the end.

use crate::ids::TaskId;
use crate::snapshot::{Sign, Snapshot};
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
    Up,
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

/// What is known of tasks beyond the snapshot. Times are since any fixed moment.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    signs: BTreeMap<TaskId, (Sign, Duration)>,
}

impl Overlay {
    /// Takes an event in. Returns whether it changed anything.
    pub fn note(&mut self, event: &LocalEvent, now: Duration) -> bool {
        let before = self
            .signs
            .get(&event.task)
            .map(|(sign, _)| *sign)
            .unwrap_or_default();
        let after = match (before, event.kind) {
            // A dead container stays dead: tasks never start twice.
            (Sign::Dead, _) | (_, EventKind::Die) => Sign::Dead,
            (_, EventKind::Kill) => Sign::Stopping,
            (Sign::Stopping, _) => Sign::Stopping,
            (_, EventKind::Unhealthy) => Sign::Unhealthy,
            (_, EventKind::Up) | (Sign::Up, _) => Sign::Up,
            (_, EventKind::Healthy | EventKind::Start) => Sign::Fine,
        };
        if after == before {
            return false;
        }
        self.signs.insert(event.task.clone(), (after, now));
        true
    }

    /// Takes in a sign that another agent holds in force, in place of the events that led
    /// to it. Returns whether it changed anything.
    ///
    /// It is that agent's own task, so its word counts, but not against death.
    pub fn adopt(&mut self, task: &TaskId, sign: Sign, now: Duration) -> bool {
        let before = self.signs.get(task).map(|(sign, _)| *sign);
        let unchanged = before.unwrap_or_default() == sign;
        if unchanged || before == Some(Sign::Dead) {
            return false;
        }
        self.signs.insert(task.clone(), (sign, now));
        true
    }

    /// Forgets what is no longer of use: tasks that are gone from `snapshot`, kills that were survived,
    /// starts that the Swarm knows of by now.
    ///
    /// A task can be announced dead before the snapshot lists it; such marks are
    /// kept for [`KILL_COUNTS_FOR`]. Returns whether anything was forgotten.
    pub fn expire(&mut self, snapshot: &Snapshot, now: Duration) -> bool {
        let before = self.signs.len();
        self.signs.retain(|task, (sign, since)| {
            let fresh = now.saturating_sub(*since) < KILL_COUNTS_FOR;
            match (snapshot.tasks.get(task), *sign) {
                (Some(task), Sign::Up) => task.on_its_way(),
                (Some(_), Sign::Fine | Sign::Unhealthy | Sign::Dead) => true,
                (None, _) | (_, Sign::Stopping) => fresh,
            }
        });
        self.signs.len() != before
    }

    /// Writes what is known into `snapshot`, and forgets what is no longer of use.
    ///
    /// Tasks that nothing is known of keep the sign that the snapshot's sender gave them.
    pub fn apply(&mut self, snapshot: &mut Snapshot, now: Duration) {
        self.expire(snapshot, now);
        for (id, (sign, _)) in &self.signs {
            if let Some(task) = snapshot.tasks.get_mut(id) {
                task.sign = *sign;
            }
        }
    }

    /// Did its node say that it is up?
    #[must_use]
    pub fn is_up(&self, task: &TaskId) -> bool {
        matches!(self.signs.get(task), Some((Sign::Up, _)))
    }

    /// The signs now in force, for a newcomer who missed the events.
    pub fn signs(&self) -> impl Iterator<Item = (&TaskId, Sign)> {
        self.signs.iter().map(|(task, (sign, _))| (task, *sign))
    }
}

#[cfg(test)]
mod tests;
