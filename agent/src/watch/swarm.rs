//! The Swarm as a manager's engine tells it.
//!
//! The three lists are the truth. Events only say when to read them, because they can be
//! lost and there are none for tasks; [`pace`] says how often to read anyway.

use super::docker::{Docker, DockerError};
use super::{EngineUpdate, convert, pace};
use lb_core::snapshot::{DesiredState, Snapshot, TaskState};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

/// One change often makes several events.
const GATHER: Duration = Duration::from_millis(3);

/// Sends views to `out` while `manager` holds, until nobody listens. `nudge` says that
/// something happened.
pub async fn follow(
    docker: Docker,
    mut manager: watch::Receiver<bool>,
    nudge: Arc<Notify>,
    out: mpsc::Sender<EngineUpdate>,
) {
    loop {
        if manager.wait_for(|manager| *manager).await.is_err() {
            return;
        }
        if !read_while_manager(&docker, &mut manager, &nudge, &out).await {
            return;
        }
    }
}

/// False when nobody listens any more.
async fn read_while_manager(
    docker: &Docker,
    manager: &mut watch::Receiver<bool>,
    nudge: &Notify,
    out: &mpsc::Sender<EngineUpdate>,
) -> bool {
    let mut last: Option<EngineUpdate> = None;
    let mut stirred = Instant::now();
    let mut before = Duration::MAX;
    loop {
        let started = Instant::now();
        let update = match read(docker).await {
            Ok(snapshot) => EngineUpdate::View(snapshot),
            Err(error) => EngineUpdate::Trouble(sentence(&error)),
        };
        let took = started.elapsed();
        // One that had to wait for a busy engine says nothing about the next.
        let cost = took.min(std::mem::replace(&mut before, took));
        if !*manager.borrow() {
            // Asked as a manager, answered as none: its refusal means nothing.
            return true;
        }
        let unsettled = matches!(&update, EngineUpdate::View(view) if unsettled(view));
        if last.as_ref() != Some(&update) {
            stirred = Instant::now();
            last = Some(update.clone());
            if out.send(update).await.is_err() {
                return false;
            }
        }
        let pause = pace::pause(stirred.elapsed(), cost, unsettled);
        tokio::select! {
            () = nudge.notified() => {
                stirred = Instant::now();
                tokio::time::sleep(GATHER.max(cost)).await;
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

async fn read(docker: &Docker) -> Result<Snapshot, DockerError> {
    let (services, tasks, nodes) =
        tokio::try_join!(docker.services(), docker.tasks(), docker.nodes())?;
    Ok(convert::snapshot(services, tasks, nodes))
}

/// Is some task on its way up?
fn unsettled(view: &Snapshot) -> bool {
    view.tasks.values().any(|task| {
        !task.node.0.is_empty()
            && task.desired == DesiredState::Running
            && matches!(task.state, TaskState::Pending | TaskState::Starting)
    })
}

fn sentence(error: &DockerError) -> String {
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
