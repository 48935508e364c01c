//! This host's own tasks: which run, and where on `docker_gwbridge` or `docker0`.
//!
//! No event tells of an attachment to those bridges, but it is made before the container
//! starts; so they are inspected after each start and each end, and now and then.

use super::docker::{Docker, DockerError};
use super::events::ContainerNews;
use super::{LocalUpdate, model};
use lb_core::ids::TaskId;
use lb_core::node::{Bridge, TaskAddress};
use lb_core::overlay::{EventKind, LocalEvent};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

const POLL: Duration = Duration::from_secs(2);
/// After a start or an end: the engine's own lists may lag behind its events by a little.
const AGAIN: Duration = Duration::from_millis(100);

const TASK_ID: &str = "com.docker.swarm.task.id";

/// A running container of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Running {
    address: Option<TaskAddress>,
    health: Option<EventKind>,
}

/// Sends changes to `out` until nobody listens.
pub async fn follow(
    docker: Docker,
    mut news: mpsc::Receiver<ContainerNews>,
    out: mpsc::Sender<LocalUpdate>,
) {
    let mut known = BTreeMap::new();
    let mut next = Instant::now();
    // Nothing is said before something was read: "no tasks" would be wrong.
    let mut told: Option<BTreeMap<TaskId, TaskAddress>> = None;
    loop {
        let (look, soon) = tokio::select! {
            news = news.recv() => match news {
                None => return,
                Some(ContainerNews::Opened) => (true, true),
                Some(ContainerNews::Event(event)) => {
                    let moves = matches!(event.kind, EventKind::Start | EventKind::Die);
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
        next = Instant::now() + if soon { AGAIN } else { POLL };
        let running = match read(&docker).await {
            Ok(running) => running,
            Err(error) => {
                tracing::debug!(%error, "own containers not read");
                continue;
            }
        };
        for event in missed(&known, &running) {
            if out.send(LocalUpdate::Event(event)).await.is_err() {
                return;
            }
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
            // The list has no field for it before engine 29, only this sentence.
            let health = if container.status.ends_with("(unhealthy)") {
                Some(EventKind::Unhealthy)
            } else if container.status.ends_with("(healthy)") {
                Some(EventKind::Healthy)
            } else {
                None
            };
            Some((TaskId(task.clone()), Running { address, health }))
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
mod tests {
    use super::*;

    fn containers() -> Vec<model::Container> {
        serde_json::from_str(
            r#"[{"Id":"c1","Labels":{"com.docker.swarm.task":"","com.docker.swarm.task.id":"t1"},"Status":"Up 3 seconds (healthy)"},
                {"Id":"c2","Labels":{"com.docker.swarm.task.id":"t2"},"Status":"Up 3 seconds (unhealthy)"},
                {"Id":"c3","Labels":{"com.docker.swarm.task.id":"t3"},"Status":"Up 1 second (health: starting)"},
                {"Id":"c4","Labels":null,"Status":"Up 1 second"}]"#,
        )
        .unwrap()
    }

    fn default() -> model::Network {
        serde_json::from_str(
            r#"{"Name":"bridge","Containers":{"c1":{"IPv4Address":"172.17.0.9/16"},
                "c3":{"Name":"task3","IPv4Address":"172.17.0.2/16","IPv6Address":""}}}"#,
        )
        .unwrap()
    }

    fn gateway() -> model::Network {
        serde_json::from_str(
            r#"{"Name":"docker_gwbridge","Containers":{"ingress-sbox":{"IPv4Address":"172.18.0.2/16"},
                "c1":{"Name":"gateway_abc","IPv4Address":"172.18.0.3/16","IPv6Address":""},"c2":{"IPv4Address":""}}}"#,
        )
        .unwrap()
    }

    #[test]
    fn addresses_come_from_the_bridges_and_health_from_the_list() {
        let running = running(&containers(), &gateway(), &default());
        assert_eq!(running.len(), 3);
        let at = |address: [u8; 4], bridge| {
            let address = address.into();
            Some(TaskAddress { address, bridge })
        };
        assert_eq!(
            running[&"t1".into()].address,
            at([172, 18, 0, 3], Bridge::Gateway)
        );
        assert_eq!(running[&"t1".into()].health, Some(EventKind::Healthy));
        assert_eq!(running[&"t2".into()].address, None);
        assert_eq!(running[&"t2".into()].health, Some(EventKind::Unhealthy));
        assert_eq!(
            running[&"t3".into()],
            Running {
                address: at([172, 17, 0, 2], Bridge::Default),
                health: None
            }
        );
    }

    #[test]
    fn what_the_stream_missed_is_made_up_for() {
        let before = running(&containers(), &gateway(), &default());
        let mut later = containers();
        later.remove(0);
        later[0].status = "Up 9 seconds (healthy)".into();
        let after = running(&later, &gateway(), &default());
        let events: Vec<_> = missed(&before, &after)
            .map(|e| (e.task.0, e.kind))
            .collect();
        assert_eq!(
            events,
            [
                ("t1".to_owned(), EventKind::Die),
                ("t2".to_owned(), EventKind::Healthy)
            ]
        );
        assert_eq!(missed(&after, &after).count(), 0);
    }
}
