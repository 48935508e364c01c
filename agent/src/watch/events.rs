//! The engine's event stream: one per agent, for containers and for the Swarm.
//!
//! A stream that breaks is opened again from where it broke off, and its readers are told
//! to read everything anew: the engine remembers only so many events.

use super::container;
use super::docker::Docker;
use super::signals;
use bollard::models::{EventMessage, EventMessageTypeEnum};
use futures_util::StreamExt;
use lb_core::retry::Backoff;
use lb_core::view::overlay::{EventKind, LocalEvent};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, mpsc, watch};

pub(crate) const TYPES: [&str; 3] = ["container", "service", "node"];
/// Health checks run commands in containers; their `exec_*` events are not asked for.
pub(crate) const ACTIONS: [&str; 7] = [
    "start",
    "kill",
    "die",
    "health_status",
    "create",
    "update",
    "remove",
];

/// News about containers from the event stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerUpdate {
    /// The stream was opened, for the first time or again: look at everything.
    Opened,
    /// Something happened to a task's container.
    Event(LocalEvent),
}

/// Meaning of one message of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Meaning {
    Task(LocalEvent),
    Swarm,
    Nothing,
}

/// Reads events until the receiver of `containers` is gone. Events of containers go to `containers`; every event
/// notifies `swarm`. `lost` is true from the end of a stream to the first event of the next one.
pub async fn follow(
    docker: Docker,
    containers: mpsc::Sender<ContainerUpdate>,
    swarm: Arc<Notify>,
    lost: watch::Sender<bool>,
) {
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
    let mut since = now();
    loop {
        let opened = tokio::time::Instant::now();
        let mut stream = std::pin::pin!(docker.events(&TYPES, &ACTIONS, timestamp(since)));
        if containers.send(ContainerUpdate::Opened).await.is_err() {
            return;
        }
        swarm.notify_one();
        let broken = loop {
            let message = tokio::select! {
                message = stream.next() => message,
                () = containers.closed() => return,
            };
            let message = match message {
                Some(Ok(message)) => message,
                Some(Err(error)) => break error.to_string(),
                None => break "the engine closed it".to_owned(),
            };
            lost.send_if_modified(|lost| std::mem::replace(lost, false));
            if let Some(time) = message
                .time_nano
                .and_then(|nanos| u64::try_from(nanos).ok())
            {
                since = Duration::from_nanos(time);
            }
            match meaning(&message) {
                Meaning::Task(event) => {
                    tracing::debug!(task = %event.task, kind = ?event.kind, "container event");
                    swarm.notify_one();
                    if containers
                        .send(ContainerUpdate::Event(event))
                        .await
                        .is_err()
                    {
                        return;
                    }
                }
                Meaning::Swarm => swarm.notify_one(),
                Meaning::Nothing => {}
            }
        };
        let lasted = backoff.worked(opened.elapsed());
        let pause = backoff.failed(super::poll_interval::random());
        let retry_ms = pause.as_millis();
        // An engine that restarts is news once, not at each try.
        lost.send_replace(true);
        if lasted {
            tracing::warn!(reason = broken, retry_ms, "event stream broke off");
        } else {
            tracing::debug!(reason = broken, retry_ms, "event stream not opened");
        }
        tokio::time::sleep(pause).await;
    }
}

fn meaning(message: &EventMessage) -> Meaning {
    let action = message.action.as_deref().unwrap_or_default();
    match message.typ {
        Some(EventMessageTypeEnum::SERVICE | EventMessageTypeEnum::NODE) => return Meaning::Swarm,
        Some(EventMessageTypeEnum::CONTAINER) => {}
        _ => return Meaning::Nothing,
    }
    let Some(attributes) = message
        .actor
        .as_ref()
        .and_then(|actor| actor.attributes.as_ref())
    else {
        return Meaning::Nothing;
    };
    // The engine's own attribute: a label of that name is not seen beside it.
    let name = attributes.get("name");
    let Some(task) = container::task(|label| attributes.get(label), name) else {
        return Meaning::Nothing;
    };
    let kind = match action {
        "start" => EventKind::Start,
        "die" => EventKind::Die,
        "kill"
            if attributes
                .get("signal")
                .is_some_and(|signal| signals::stops(signal)) =>
        {
            EventKind::Kill
        }
        "health_status: healthy" => EventKind::Healthy,
        "health_status: unhealthy" => EventKind::Unhealthy,
        _ => return Meaning::Nothing,
    };
    Meaning::Task(LocalEvent { task, kind })
}

fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

fn timestamp(since: Duration) -> String {
    format!("{}.{:09}", since.as_secs(), since.subsec_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Meaning {
        meaning(&serde_json::from_str(json).unwrap())
    }

    fn container(action: &str, more: &str) -> Meaning {
        read(&format!(
            r#"{{"Type":"container","Action":"{action}","Actor":{{"ID":"c","Attributes":{{
            "com.docker.swarm.task":"","com.docker.swarm.task.id":"t","com.docker.swarm.task.name":"vote.1.t","name":"vote.1.t"{more}}}}},
            "scope":"local","time":1700000000,"timeNano":1700000000123456789}}"#
        ))
    }

    fn task(kind: EventKind) -> Meaning {
        Meaning::Task(LocalEvent {
            task: "t".into(),
            kind,
        })
    }

    #[test]
    fn containers_of_tasks_are_understood() {
        assert_eq!(container("start", ""), task(EventKind::Start));
        assert_eq!(container("die", r#","exitCode":"0""#), task(EventKind::Die));
        assert_eq!(
            container("kill", r#","signal":"15""#),
            task(EventKind::Kill)
        );
        assert_eq!(
            container("kill", r#","signal":"SIGQUIT""#),
            task(EventKind::Kill)
        );
        assert_eq!(container("kill", r#","signal":"1""#), Meaning::Nothing);
        assert_eq!(container("kill", ""), Meaning::Nothing);
        assert_eq!(
            container("health_status: unhealthy", ""),
            task(EventKind::Unhealthy)
        );
        assert_eq!(
            container("health_status: healthy", ""),
            task(EventKind::Healthy)
        );
        assert_eq!(container("create", ""), Meaning::Nothing);
    }

    #[test]
    fn a_container_of_an_image_with_a_tasks_label_is_not_that_task() {
        for name in ["", r#","name":"bold_curie""#, r#","name":"t""#] {
            let label = r#""com.docker.swarm.task.id":"t","com.docker.swarm.task.name":"vote.1.t""#;
            let told = read(&format!(
                r#"{{"Type":"container","Action":"die","Actor":{{"ID":"c","Attributes":{{{label}{name}}}}}}}"#
            ));
            assert_eq!(told, Meaning::Nothing, "{name}");
        }
    }

    #[test]
    fn other_containers_are_nobodys_business() {
        assert_eq!(
            read(
                r#"{"Type":"container","Action":"die","Actor":{"ID":"c","Attributes":{"name":"x"}}}"#
            ),
            Meaning::Nothing
        );
        assert_eq!(
            read(r#"{"Type":"container","Action":"die"}"#),
            Meaning::Nothing
        );
    }

    #[test]
    fn the_swarms_own_events_only_say_that_something_changed() {
        for kind in ["service", "node"] {
            assert_eq!(
                read(&format!(
                    r#"{{"Type":"{kind}","Action":"update","scope":"swarm","Actor":{{"ID":"x"}}}}"#
                )),
                Meaning::Swarm
            );
        }
    }

    #[test]
    fn the_engine_wants_nine_decimals() {
        assert_eq!(timestamp(Duration::new(5, 7)), "5.000000007");
    }
}
