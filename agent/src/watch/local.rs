//! This host's own tasks: which run, and where on `docker_gwbridge` or `docker0`.
//!
//! No event tells of an attachment to those bridges, but it is made before the container
//! starts; so they are inspected after each start and each end, more often for a while after
//! it, and now and then.
//!
//! A task that has started is said to be up by the look after the one that found its address: by
//! then its own node serves it, and other nodes may send to it.

use super::docker::{Docker, DockerError};
use super::events::ContainerNews;
use super::{LocalUpdate, model};
use lb_core::ids::TaskId;
use lb_core::node::{Bridge, TaskAddress};
use lb_core::overlay::{EventKind, LocalEvent};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::mpsc;
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
    /// Does it take connections, and are they brought to it?
    fn reached(&self) -> bool {
        self.address.is_some() && !self.waits && self.health != Some(EventKind::Unhealthy)
    }
}

/// Sends changes to `out` until nobody listens.
pub async fn follow(
    docker: Docker,
    mut news: mpsc::Receiver<ContainerNews>,
    out: mpsc::Sender<LocalUpdate>,
) {
    let mut known = BTreeMap::new();
    // Started, and not said to be up yet.
    let mut started = BTreeSet::new();
    let mut next = Instant::now();
    let mut stirred = next;
    // Nothing is said before something was read: "no tasks" would be wrong.
    let mut told: Option<BTreeMap<TaskId, TaskAddress>> = None;
    loop {
        let (look, soon) = tokio::select! {
            news = news.recv() => match news {
                None => return,
                Some(ContainerNews::Opened) => {
                    // Their ends may have been missed.
                    started.clear();
                    (true, true)
                }
                Some(ContainerNews::Event(event)) => {
                    let moves = match event.kind {
                        EventKind::Start => started.insert(event.task.clone()),
                        EventKind::Healthy => started.contains(&event.task),
                        EventKind::Die => {
                            started.remove(&event.task);
                            true
                        }
                        _ => false,
                    };
                    if out.send(LocalUpdate::Event(event)).await.is_err() {
                        return;
                    }
                    (moves, moves)
                }
            },
            () = tokio::time::sleep_until(next) => (true, false),
        };
        if !look {
            continue;
        }
        let now = Instant::now();
        if soon {
            stirred = now;
        }
        next = now + pause(soon, now - stirred);
        let running = match read(&docker).await {
            Ok(running) => running,
            Err(error) => {
                tracing::debug!(%error, "own containers not read");
                stirred = now;
                next = now + BRISK;
                continue;
            }
        };
        let up = up(&mut started, &known, &running);
        for event in missed(&known, &running).chain(up) {
            if out.send(LocalUpdate::Event(event)).await.is_err() {
                return;
            }
        }
        if started
            .iter()
            .any(|task| running.get(task).is_some_and(Running::reached))
        {
            next = Instant::now() + AGAIN;
        }
        known = running;
        let tasks: BTreeMap<TaskId, TaskAddress> = known
            .iter()
            .filter_map(|(task, running)| Some((task.clone(), running.address?)))
            .collect();
        if told.as_ref() != Some(&tasks) {
            told = Some(tasks.clone());
            if out.send(LocalUpdate::Tasks(tasks)).await.is_err() {
                return;
            }
        }
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

/// The `started` that two looks in a row found where they are reached; they are said to be up once.
fn up(
    started: &mut BTreeSet<TaskId>,
    before: &BTreeMap<TaskId, Running>,
    after: &BTreeMap<TaskId, Running>,
) -> Vec<LocalEvent> {
    let looks = [before, after];
    started
        .extract_if(.., |task| {
            let mut found = looks.iter().map(|look| look.get(task));
            found.all(|running| running.is_some_and(Running::reached))
        })
        .map(|task| LocalEvent {
            task,
            kind: EventKind::Up,
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
