//! Ports that tasks listen on, where their service has others by now.
//!
//! Swarm replaces the tasks of a service whose ports have changed, one after the other; until then old tasks listen on the
//! port in the containers that the service had when they were made. The engine's API does not tell which that is. It
//! follows from what was listed before: a task that ran already when the service changed is an old one, unless it was made
//! after the update began, and the list of tasks was newer than that of services. Of tasks that are
//! seen for the first time, as after a start of the agent, the times at which they were made and at which the update began
//! tell the old ones, which have the ports of the spec before.
//!
//! Where the service publishes the port no more, or is gone, in the middle of an update, the old tasks still have connections at
//! their own port, until they end.
//!
//! Ports that a label publishes are none of these: a changed label replaces no task, so it holds for all of them at once.

use crate::model::ids::{ServiceId, TaskId};
use crate::model::port::{PublishMode, PublishedPort};
use crate::model::snapshot::{DesiredState, Service, Snapshot, Task, TaskState};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A manager marks the beginning of an update at about the time at which it makes tasks that the same change of the service
/// asks for in addition: tasks that are not older than this are new ones.
const ABOUT: Duration = Duration::from_secs(1);

/// What the managers tell of updates of services.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Updates {
    /// The last update of each service that had one.
    pub services: BTreeMap<ServiceId, Update>,
    /// When tasks of services that are being updated were made, in nanoseconds since 1970.
    pub created: BTreeMap<TaskId, u64>,
}

/// The last update of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// It is complete: all tasks that shall run are as the service says now.
    pub complete: bool,
    /// When it began, in nanoseconds since 1970; 0 where it has not, or that is not known.
    pub began: u64,
    /// Ports of the service before it.
    pub before: Vec<PublishedPort>,
}

impl Update {
    /// Is it under way, and is a task that was made at this time, in nanoseconds since 1970, one that it has made?
    fn has_made(&self, created: u64) -> bool {
        !self.complete && self.began != 0 && created >= self.began
    }

    /// Does it change the port in the containers of a port that `service` publishes?
    #[must_use]
    pub fn retargets(&self, service: &Service) -> bool {
        !self.complete && retargeted(&self.before, &service.ports)
    }
}

/// Ports of tasks that are older than an update of their service, by the views so far.
#[derive(Clone, Debug, Default)]
pub struct TaskTargets {
    before: Snapshot,
    /// Services some of whose tasks have other ports in `before`.
    differing: BTreeSet<ServiceId>,
}

impl TaskTargets {
    /// Writes into `next`, which follows on the views so far, the ports of tasks that differ from their service's.
    pub fn note(&mut self, next: &mut Snapshot, updates: &Updates) {
        let mut concerned = std::mem::take(&mut self.differing);
        for change in next.services.changes(&self.before.services) {
            if let (Some(now), Some(before)) = (change.now(), change.before())
                && retargeted(&before.ports, &now.ports)
            {
                concerned.insert(change.key().clone());
            }
        }
        for (id, update) in &updates.services {
            let service = next.services.get(id);
            if service.is_some_and(|service| update.retargets(service)) {
                concerned.insert(id.clone());
            }
        }
        if !concerned.is_empty() {
            let tasks = next.tasks.iter();
            let tasks = tasks.filter(|(_, task)| concerned.contains(&task.service));
            let differing: Vec<(TaskId, Vec<PublishedPort>)> = tasks
                .map(|(id, task)| (id.clone(), self.targets(id, task, next, updates)))
                .filter(|(_, targets)| !targets.is_empty())
                .collect();
            for (id, targets) in differing {
                if let Some(task) = next.tasks.get_mut(&id) {
                    self.differing.insert(task.service.clone());
                    task.targets = targets.into();
                }
            }
        }
    }

    /// Takes `view`, in which [`Self::note`] has written, for the one that the next follows on. Not needed where it equals the
    /// one before.
    pub fn keep(&mut self, view: &Snapshot) {
        self.before = view.clone();
    }

    /// The ports of `task` that differ from those that its service has in `next`, or had last, where it has them no more.
    fn targets(
        &self,
        id: &TaskId,
        task: &Task,
        next: &Snapshot,
        updates: &Updates,
    ) -> Vec<PublishedPort> {
        let known = self.before.tasks.get(id);
        let Some(service) = next.services.get(&task.service) else {
            let targets = known.map(|known| known.targets.to_vec());
            return targets.unwrap_or_default();
        };
        let update = updates.services.get(&task.service);
        let shall_run = task.desired != DesiredState::Ended;
        if shall_run && update.is_some_and(|update| update.complete) {
            return Vec::new();
        }
        // The lists are read at once, and not at one moment: a new task may be listed before the new service is, and where that
        // takes long, as one that runs already. An update in turn, or a way back, begins later than that.
        let created = updates.created.get(id).copied();
        if update.is_some_and(|update| created.is_some_and(|created| update.has_made(created))) {
            return Vec::new();
        }
        let known = known.filter(|known| known.state != TaskState::Pending);
        let made: Vec<&PublishedPort> = match known.zip(self.before.services.get(&task.service)) {
            Some((known, before)) => known.targets.iter().chain(&before.ports).collect(),
            None => {
                let created = created.unwrap_or(u64::MAX);
                let about = u64::try_from(ABOUT.as_nanos()).unwrap_or(u64::MAX);
                let older = |update: &&Update| created.saturating_add(about) < update.began;
                let before = update.filter(older).map(|update| &update.before);
                before.into_iter().flatten().collect()
            }
        };
        let differing = balanced(&service.ports).filter_map(|port| {
            let target = target(made.iter().copied(), port)?;
            (target != port.target).then_some(PublishedPort { target, ..*port })
        });
        let own = known.into_iter().flat_map(|known| known.targets.iter());
        let withdrawn = own.filter(|port| target(balanced(&service.ports), port).is_none());
        differing.chain(withdrawn.copied()).collect()
    }
}

/// The ports that every node answers.
fn balanced(ports: &[PublishedPort]) -> impl Iterator<Item = &PublishedPort> {
    let ports = ports.iter();
    ports.filter(|port| port.mode == PublishMode::Ingress && port.published != 0)
}

/// The port in the containers that the first of `ports` with the number of `port` on the nodes has.
fn target<'a>(
    mut ports: impl Iterator<Item = &'a PublishedPort>,
    port: &PublishedPort,
) -> Option<u16> {
    let number = |port: &PublishedPort| (port.published, port.proto, port.mode);
    let same = ports.find(|other| number(other) == number(port))?;
    Some(same.target)
}

/// Has one of the ports `now` another port in the containers than it had `before`?
fn retargeted(before: &[PublishedPort], now: &[PublishedPort]) -> bool {
    balanced(now).any(|port| {
        let was = target(before.iter(), port);
        was.is_some_and(|was| was != port.target)
    })
}

#[cfg(test)]
mod tests;
