//! The Swarm as a manager's engine reports it.
//!
//! The view follows from three lists alone, and the ports of tasks that an update is about to replace from those read before
//! ([`lb_core::view::targets`]). Events only cause them to be read, because events can be lost and there
//! are none for tasks; [`poll_interval`] gives the time between two readings without events.

use super::docker::{Docker, DockerError};
use super::{EngineUpdate, convert, poll_interval};
use lb_core::model::snapshot::{DesiredState, Snapshot, TaskState};
use lb_core::view::targets::TaskTargets;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

/// One change often makes several events.
const GATHER: Duration = Duration::from_millis(3);

/// Sends views to `out` while this node is a `manager`, until the receiver is gone. `resync` asks for a
/// poll now.
pub async fn follow(
    docker: Docker,
    mut manager: watch::Receiver<bool>,
    resync: Arc<Notify>,
    out: mpsc::Sender<EngineUpdate>,
) {
    let mut targets = TaskTargets::default();
    loop {
        if manager.wait_for(|manager| *manager).await.is_err() {
            return;
        }
        if !read_while_manager(&docker, &mut manager, &resync, &mut targets, &out).await {
            return;
        }
    }
}

/// Returns false once the receiver is gone.
async fn read_while_manager(
    docker: &Docker,
    manager: &mut watch::Receiver<bool>,
    resync: &Notify,
    targets: &mut TaskTargets,
    out: &mpsc::Sender<EngineUpdate>,
) -> bool {
    let mut last: Option<EngineUpdate> = None;
    let mut last_activity = Instant::now();
    let mut before = Duration::MAX;
    loop {
        let started = Instant::now();
        let update = match read(docker, targets).await {
            Ok(snapshot) => EngineUpdate::View(snapshot),
            Err(error) => EngineUpdate::Trouble(message(&error)),
        };
        let read = Instant::now();
        let took = read - started;
        // The time of a poll that had to wait for a busy engine does not count.
        let cost = took.min(std::mem::replace(&mut before, took));
        if !*manager.borrow() {
            // Demoted between request and answer: the refusal is no failure.
            return true;
        }
        let unsettled = matches!(&update, EngineUpdate::View(view) if unsettled(view));
        if last.as_ref() != Some(&update) {
            last_activity = Instant::now();
            if let EngineUpdate::View(view) = &update {
                targets.keep(view);
            }
            last = Some(update.clone());
            if out.send(update).await.is_err() {
                return false;
            }
        }
        let pause = poll_interval::pause(last_activity.elapsed(), cost, unsettled);
        tokio::select! {
            () = resync.notified() => {
                last_activity = Instant::now();
                // At once after a while of calm; one after the other, reading takes a quarter of the time.
                tokio::time::sleep(GATHER).await;
                tokio::time::sleep_until(read + cost * 3).await;
            }
            () = tokio::time::sleep(pause) => {}
            changed = manager.changed() => match changed {
                Ok(()) if *manager.borrow() => {}
                Ok(()) => return true,
                Err(_) => return false,
            },
            () = out.closed() => return false,
        }
    }
}

async fn read(docker: &Docker, targets: &mut TaskTargets) -> Result<Snapshot, DockerError> {
    let (services, tasks, nodes) =
        tokio::try_join!(docker.services(), docker.tasks(), docker.nodes())?;
    let updates = convert::updates(&services, &tasks);
    let mut view = convert::snapshot(services, tasks, nodes);
    targets.note(&mut view, &updates);
    Ok(view)
}

/// Is some task starting?
fn unsettled(view: &Snapshot) -> bool {
    view.tasks.values().any(|task| {
        !task.node.as_str().is_empty()
            && task.desired == DesiredState::Running
            && matches!(task.state, TaskState::Pending | TaskState::Starting)
    })
}

fn message(error: &DockerError) -> String {
    match error {
        DockerError::Refused { message, .. } if message.contains("does not have a leader") => {
            "the Swarm has no leader, because too few managers are up: start the others; the last view stays in force".to_owned()
        }
        DockerError::Refused { message, .. } if message.contains("needs to be unlocked") => {
            "the Swarm is locked on this manager: run `docker swarm unlock`; the last view stays in force".to_owned()
        }
        other => format!("{other}; the last view stays in force"),
    }
}
