//! This host's own tasks: those that run, and their addresses on `docker_gwbridge` or `docker0`.
//!
//! Attachments to those bridges cause no event, but are made before the container starts. So the bridges are read
//! after each start and each end, more often for a while after it, and at an interval.
//!
//! A task that has started is announced as ready once its address is known and it is a backend in this node's
//! kernel: from then on other nodes may send to it.

use super::docker::{Docker, DockerError};
use super::events::ContainerUpdate;
use super::{LocalUpdate, container, model};
use lb_core::model::ids::TaskId;
use lb_core::model::node::{Bridge, TaskAddress};
use lb_core::view::overlay::{EventKind, LocalEvent};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Poll interval while nothing changes: events may be lost.
const IDLE_INTERVAL: Duration = Duration::from_secs(10);
/// Poll interval after a start or an end: the engine's own lists may lag behind its events, by a little as a rule…
const SETTLE_INTERVAL: Duration = Duration::from_millis(30);
/// …or by more if it is busy, or does not answer.
const FAST_INTERVAL: Duration = Duration::from_secs(2);
const FAST_FOR: Duration = Duration::from_secs(30);

/// A running container of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Running {
    address: Option<TaskAddress>,
    health: Option<EventKind>,
    /// Its health check has no result yet.
    waits: bool,
}

impl Running {
    /// Is it ready for connections, as far as the engine knows?
    fn ready(&self) -> bool {
        self.address.is_some() && !self.waits && self.health != Some(EventKind::Unhealthy)
    }
}

/// Sends changes to `out` until its receiver is gone. `held` are the tasks that are backends in this
/// node's kernel.
pub async fn follow(
    docker: Docker,
    mut news: mpsc::Receiver<ContainerUpdate>,
    mut held: watch::Receiver<BTreeSet<TaskId>>,
    out: mpsc::Sender<LocalUpdate>,
) {
    let mut own = Own::default();
    let mut next = Instant::now();
    let mut last_activity = next;
    loop {
        let (mut updates, look, soon) = tokio::select! {
            news = news.recv() => match news {
                None => return,
                Some(ContainerUpdate::Opened) => {
                    // Their ends may have been missed.
                    own.started.clear();
                    (Vec::new(), true, true)
                }
                Some(ContainerUpdate::Event(event)) => {
                    let moves = own.note_event(&event);
                    (vec![LocalUpdate::Event(event)], moves, moves)
                }
            },
            Ok(()) = held.changed() => (Vec::new(), false, false),
            () = tokio::time::sleep_until(next) => (Vec::new(), true, false),
        };
        if look {
            let now = Instant::now();
            if soon {
                last_activity = now;
            }
            next = now + pause(soon, now - last_activity);
            match read(&docker).await {
                Ok(running) => updates.extend(own.note_reading(running)),
                Err(error) => {
                    tracing::debug!(%error, "own containers not read");
                    last_activity = now;
                    next = now + FAST_INTERVAL;
                }
            }
        }
        updates.extend(own.newly_ready(&held.borrow_and_update()));
        for update in updates {
            if out.send(update).await.is_err() {
                return;
            }
        }
    }
}

/// State of this host's tasks.
#[derive(Debug, Default)]
struct Own {
    /// Result of the last poll.
    known: BTreeMap<TaskId, Running>,
    /// Tasks that have started and were not announced as ready yet.
    started: BTreeSet<TaskId>,
    /// The addresses sent last; `None` before the first poll, when "no tasks" would be wrong.
    told: Option<BTreeMap<TaskId, TaskAddress>>,
}

impl Own {
    /// Takes in an event; returns whether it is a reason to poll now.
    fn note_event(&mut self, event: &LocalEvent) -> bool {
        match event.kind {
            EventKind::Start => self.started.insert(event.task.clone()),
            EventKind::Healthy => self.started.contains(&event.task),
            EventKind::Die => {
                self.started.remove(&event.task);
                true
            }
            _ => false,
        }
    }

    /// Takes in the result of a poll; returns changes, and events that were missed.
    fn note_reading(&mut self, running: BTreeMap<TaskId, Running>) -> Vec<LocalUpdate> {
        let mut updates: Vec<LocalUpdate> = missed(&self.known, &running)
            .map(LocalUpdate::Event)
            .collect();
        self.known = running;
        let known = self.known.iter();
        let tasks: BTreeMap<TaskId, TaskAddress> = known
            .filter_map(|(task, running)| Some((task.clone(), running.address?)))
            .collect();
        if self.told.as_ref() != Some(&tasks) {
            self.told = Some(tasks.clone());
            updates.push(LocalUpdate::Tasks(tasks));
        }
        updates
    }

    /// Tasks that have started, are ready, and are `held`; each is announced as ready once.
    fn newly_ready(&mut self, held: &BTreeSet<TaskId>) -> Vec<LocalUpdate> {
        let known = &self.known;
        self.started
            .extract_if(.., |task| {
                held.contains(task) && known.get(task).is_some_and(Running::ready)
            })
            .map(|task| {
                LocalUpdate::Event(LocalEvent {
                    task,
                    kind: EventKind::Ready,
                })
            })
            .collect()
    }
}

/// Time to the next poll: `soon` if an event came just now; the last one was `idle_for` ago.
fn pause(soon: bool, idle_for: Duration) -> Duration {
    match (soon, idle_for < FAST_FOR) {
        (true, _) => SETTLE_INTERVAL,
        (false, true) => FAST_INTERVAL,
        (false, false) => IDLE_INTERVAL,
    }
}

async fn read(docker: &Docker) -> Result<BTreeMap<TaskId, Running>, DockerError> {
    let (containers, gateway, default) = tokio::try_join!(
        docker.task_containers(),
        docker.network("docker_gwbridge"),
        docker.network("bridge")
    )?;
    Ok(running(&containers, &gateway, &default))
}

fn running(
    containers: &[model::Container],
    gateway: &model::Network,
    default: &model::Network,
) -> BTreeMap<TaskId, Running> {
    let on = |network: &model::Network, container: &str, bridge| {
        let attachment = network.containers.get(container)?;
        let address = attachment.ipv4.split('/').next()?.parse().ok()?;
        Some(TaskAddress { address, bridge })
    };
    containers
        .iter()
        .filter_map(|container| {
            let task = container::task(|label| container.labels.get(label), &container.names)?;
            let address = on(gateway, &container.id, Bridge::Gateway)
                .or_else(|| on(default, &container.id, Bridge::Default));
            let waits = container.status.ends_with("(health: starting)");
            // The list has no field for it before engine 29, only this text.
            let health = if container.status.ends_with("(unhealthy)") {
                Some(EventKind::Unhealthy)
            } else if container.status.ends_with("(healthy)") {
                Some(EventKind::Healthy)
            } else {
                None
            };
            let running = Running {
                address,
                health,
                waits,
            };
            Some((task, running))
        })
        .collect()
}

/// Events that explain the difference between two polls; most were sent already, which does no harm.
fn missed<'a>(
    before: &'a BTreeMap<TaskId, Running>,
    after: &'a BTreeMap<TaskId, Running>,
) -> impl Iterator<Item = LocalEvent> + 'a {
    let ended = before
        .keys()
        .filter(|task| !after.contains_key(task))
        .map(|task| (task, EventKind::Die));
    let health = after.iter().filter_map(|(task, now)| {
        let was = before.get(task).and_then(|running| running.health);
        Some((task, now.health.filter(|health| Some(*health) != was)?))
    });
    ended.chain(health).map(|(task, kind)| LocalEvent {
        task: task.clone(),
        kind,
    })
}

#[cfg(test)]
mod tests;
