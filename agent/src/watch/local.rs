//! This host's own tasks: which run, and where on `docker_gwbridge` or `docker0`.
//!
//! No event tells of an attachment to those bridges, but it is made before the container
//! starts; so they are inspected after each start and each end, more often for a while after
//! it, and now and then.
//!
//! A task that has started is said to be up once a look found its address and this node's kernel
//! brings connections to it: from then on other nodes may send to it.

use super::docker::{Docker, DockerError};
use super::events::ContainerNews;
use super::{LocalUpdate, model};
use lb_core::ids::TaskId;
use lb_core::node::{Bridge, TaskAddress};
use lb_core::overlay::{EventKind, LocalEvent};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// From one look to the next, when nothing happens: events may be lost.
const CALM: Duration = Duration::from_secs(10);
/// After a start or an end: the engine's own lists may lag behind its events, by a little as a rule…
const AGAIN: Duration = Duration::from_millis(30);
/// …by more where it is busy, or does not answer.
const BRISK: Duration = Duration::from_secs(2);
const BRISK_FOR: Duration = Duration::from_secs(30);

const TASK_ID: &str = "com.docker.swarm.task.id";

/// A running container of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Running {
    address: Option<TaskAddress>,
    health: Option<EventKind>,
    /// Its health check has not said anything yet.
    waits: bool,
}

impl Running {
    /// Does it take connections, as far as the engine knows?
    fn ready(&self) -> bool {
        self.address.is_some() && !self.waits && self.health != Some(EventKind::Unhealthy)
    }
}

/// Sends changes to `out` until nobody listens. `held` are the tasks that this node's kernel
/// brings connections to.
pub async fn follow(
    docker: Docker,
    mut news: mpsc::Receiver<ContainerNews>,
    mut held: watch::Receiver<BTreeSet<TaskId>>,
    out: mpsc::Sender<LocalUpdate>,
) {
    let mut own = Own::default();
    let mut next = Instant::now();
    let mut stirred = next;
    loop {
        let (mut updates, look, soon) = tokio::select! {
            news = news.recv() => match news {
                None => return,
                Some(ContainerNews::Opened) => {
                    // Their ends may have been missed.
                    own.started.clear();
                    (Vec::new(), true, true)
                }
                Some(ContainerNews::Event(event)) => {
                    let moves = own.heard(&event);
                    (vec![LocalUpdate::Event(event)], moves, moves)
                }
            },
            Ok(()) = held.changed() => (Vec::new(), false, false),
            () = tokio::time::sleep_until(next) => (Vec::new(), true, false),
        };
        if look {
            let now = Instant::now();
            if soon {
                stirred = now;
            }
            next = now + pause(soon, now - stirred);
            match read(&docker).await {
                Ok(running) => updates.extend(own.saw(running)),
                Err(error) => {
                    tracing::debug!(%error, "own containers not read");
                    stirred = now;
                    next = now + BRISK;
                }
            }
        }
        updates.extend(own.up(&held.borrow_and_update()));
        for update in updates {
            if out.send(update).await.is_err() {
                return;
            }
        }
    }
}

/// This host's tasks, as far as they are known.
#[derive(Debug, Default)]
struct Own {
    /// What the last look found.
    known: BTreeMap<TaskId, Running>,
    /// Started, and not said to be up yet.
    started: BTreeSet<TaskId>,
    /// Nothing is said before something was read: "no tasks" would be wrong.
    told: Option<BTreeMap<TaskId, TaskAddress>>,
}

impl Own {
    /// Takes note of an event; returns whether it is a reason to look.
    fn heard(&mut self, event: &LocalEvent) -> bool {
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

    /// Takes note of a look; returns what is new, and what the events missed.
    fn saw(&mut self, running: BTreeMap<TaskId, Running>) -> Vec<LocalUpdate> {
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

    /// Those who started, are ready, and are among the `held`; each is said to be up once.
    fn up(&mut self, held: &BTreeSet<TaskId>) -> Vec<LocalUpdate> {
        let known = &self.known;
        self.started
            .extract_if(.., |task| {
                held.contains(task) && known.get(task).is_some_and(Running::ready)
            })
            .map(|task| {
                LocalUpdate::Event(LocalEvent {
                    task,
                    kind: EventKind::Up,
                })
            })
            .collect()
    }
}

/// Time to the next look: `soon` if something happened just now, and `quiet` since it last did.
fn pause(soon: bool, quiet: Duration) -> Duration {
    match (soon, quiet < BRISK_FOR) {
        (true, _) => AGAIN,
        (false, true) => BRISK,
        (false, false) => CALM,
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
            let task = container.labels.get(TASK_ID).filter(|id| !id.is_empty())?;
            let address = on(gateway, &container.id, Bridge::Gateway)
                .or_else(|| on(default, &container.id, Bridge::Default));
            let waits = container.status.ends_with("(health: starting)");
            // The list has no field for it before engine 29, only this sentence.
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
            Some((TaskId(task.clone()), running))
        })
        .collect()
}

/// Events that explain how one look became the next; most were told already, which does no harm.
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
