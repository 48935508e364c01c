//! Detects an engine restart, which ends this host's tasks without an event.
//!
//! An engine that is killed leaves its containers running. When it starts again in a Swarm, it sends
//! all of them the signal to stop, and answers no request before they have ended: no event tells of
//! it, and the Swarm learns of it two seconds later. The agent's own container gets the signal too:
//! that is how it knows.

use super::LocalUpdate;
use super::docker::Docker;
use lb_core::model::ids::TaskId;
use lb_core::view::overlay::{EventKind, LocalEvent};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// An engine that is not starting answers a ping in a millisecond or two.
const PING: Duration = Duration::from_millis(100);

/// Detects the restart, and announces that the node's tasks are stopping.
#[derive(Debug)]
pub struct EngineRestart {
    pub(crate) docker: Docker,
    /// The event stream has broken off, and no event has come since.
    pub(crate) lost: watch::Receiver<bool>,
    pub(crate) local: mpsc::Sender<LocalUpdate>,
}

impl EngineRestart {
    /// The agent got a signal to stop. If the engine is restarting, sends an event for each of `tasks`
    /// that it is being stopped. Returns whether the engine is restarting.
    pub async fn announce_stopping(&self, tasks: Vec<TaskId>) -> bool {
        let lost = *self.lost.borrow();
        if !lost || !self.docker.is_unresponsive(PING).await {
            return false;
        }
        for task in tasks {
            let event = LocalEvent {
                task,
                kind: EventKind::Kill,
            };
            if self.local.send(LocalUpdate::Event(event)).await.is_err() {
                break;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::UnixListener;

    /// What is told of one task by an agent whose event stream is `lost`, if the engine takes
    /// connections, and whether it answers them.
    async fn told(lost: bool, listens: bool, answers: bool) -> bool {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("docker.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let docker = Docker::open(&path).await.unwrap();
        let serving = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                if answers {
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK";
                    stream.write_all(answer).await.unwrap();
                }
                held.push(stream);
            }
        });
        if !listens {
            serving.abort();
            let _ = serving.await;
        }
        let (_lost, lost) = watch::channel(lost);
        let (local, mut heard) = mpsc::channel(4);
        let engine_restart = EngineRestart {
            docker,
            lost,
            local,
        };
        let said = engine_restart.announce_stopping(vec!["t1".into()]).await;
        let event = LocalEvent {
            task: "t1".into(),
            kind: EventKind::Kill,
        };
        let expected = said.then_some(LocalUpdate::Event(event));
        assert_eq!(heard.try_recv().ok(), expected);
        said
    }

    #[tokio::test]
    async fn only_an_engine_that_starts_again_ends_the_tasks() {
        assert!(
            told(true, true, false).await,
            "it takes calls, and answers none"
        );
        assert!(!told(true, true, true).await, "it is back");
        assert!(!told(true, false, false).await, "it is away: tasks go on");
        assert!(!told(false, true, false).await, "it is only busy");
    }
}
