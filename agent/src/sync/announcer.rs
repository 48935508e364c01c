//! Announcements of this agent about its own node, to the agents of all other nodes.

use super::own_report::OwnDatapath;
use super::view_store::publish;
use crate::watch::LocalFacts;
use crate::watch::engine_restart::EngineRestart;
use lb_core::model::ids::TaskId;
use lb_core::model::token::TokenKeys;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::watch;

/// Announces facts about this node.
pub struct Announcer {
    pub(super) own_datapath: watch::Sender<OwnDatapath>,
    pub(super) held: watch::Sender<BTreeSet<TaskId>>,
    pub(super) engine_restart: EngineRestart,
    /// This node, with its tasks.
    pub(super) local: watch::Receiver<Arc<LocalFacts>>,
}

impl Announcer {
    /// Announces this node's datapath, as `--datapath` names it.
    pub fn advertise_datapath(&self, datapath: &'static str) {
        self.announce(|own_datapath| own_datapath.datapath = Some(datapath));
    }

    /// Announces the keys of what this node puts into the tunnel. Call it before [`Announcer::advertise_datapath`]:
    /// a node that has announced its datapath and no keys has none.
    pub fn advertise_token_keys(&self, keys: TokenKeys) {
        self.announce(|own_datapath| own_datapath.token_keys = Some(keys));
    }

    fn announce(&self, change: impl FnOnce(&mut OwnDatapath)) {
        let mut next = *self.own_datapath.borrow();
        change(&mut next);
        publish(&self.own_datapath, next);
    }

    /// Announces which of this node's tasks are backends in its kernel.
    pub fn advertise_local_tasks(&self, tasks: BTreeSet<TaskId>) {
        publish(&self.held, tasks);
    }

    /// The agent got a signal to stop. If the reason is an engine that restarts, which ends all of this
    /// node's tasks, announces that they are stopping.
    pub async fn announce_shutdown(&self) {
        let tasks = self.local.borrow().tasks.keys().cloned().collect();
        if self.engine_restart.announce_stopping(tasks).await {
            tracing::info!("the engine restarts and ends this node's tasks");
        }
    }
}
