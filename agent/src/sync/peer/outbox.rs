//! Messages to a manager's agent.

use super::session_end::SessionEnd;
use crate::sync::PEER_TIMEOUT;
use crate::sync::own_report::OwnReport;
use lb_wire::proto::{Up, up};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;

/// Messages under way to one manager; with more than that it does not read.
const QUEUE: usize = 64;
/// Questions of one manager that are worked on at a time.
const ANSWERS: usize = 2;

/// Sender of messages to the manager at `host`. A manager that does not read for [`PEER_TIMEOUT`] is gone.
#[derive(Clone)]
pub(super) struct Outbox {
    host: String,
    queue: mpsc::Sender<Up>,
    /// Answers that are being worked on.
    answers: Arc<Semaphore>,
}

impl Outbox {
    /// The receiver has the messages in the order in which they were sent.
    pub(super) fn new(host: &str) -> (Self, mpsc::Receiver<Up>) {
        let (queue, messages) = mpsc::channel(QUEUE);
        let outbox = Self {
            host: host.to_owned(),
            queue,
            answers: Arc::new(Semaphore::new(ANSWERS)),
        };
        (outbox, messages)
    }

    /// Permission to work on an answer until it is dropped; `None` while too many are worked on.
    pub(super) fn begin_answer(&self) -> Option<OwnedSemaphorePermit> {
        self.answers.clone().try_acquire_owned().ok()
    }

    /// Sends the report about this node. The queue has room for all of its messages, also while nobody reads yet.
    pub(super) async fn send_hellos(&self, own_report: &OwnReport) -> Result<(), SessionEnd> {
        for hello in own_report.hellos() {
            self.send(up::Kind::Hello(hello)).await?;
        }
        Ok(())
    }

    pub(super) async fn send(&self, kind: up::Kind) -> Result<(), SessionEnd> {
        match timeout(PEER_TIMEOUT, self.queue.send(Up { kind: Some(kind) })).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(SessionEnd::hung_up(&self.host)),
            Err(_) => Err(SessionEnd::silent(&self.host)),
        }
    }
}
