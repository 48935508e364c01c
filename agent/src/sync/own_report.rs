//! Reports of this agent about its own node, which managers' agents receive as [`lb_wire::PeerReport`].

use crate::watch::info::Info;
use lb_core::model::ids::TaskId;
use lb_core::model::snapshot::LocalHealth;
use lb_core::model::token::TokenKeys;
use lb_core::view::overlay::LocalEvent;
use lb_wire::proto::Hello;
use std::sync::Arc;
use tokio::sync::{broadcast, watch};

/// Local health of this node's own tasks.
pub(super) type OwnHealth = Arc<Vec<(TaskId, LocalHealth)>>;

/// Datapath and token keys of this node, as announced to other agents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OwnDatapath {
    /// Name of the datapath, as `--datapath` has it; `None` until it is loaded.
    pub(super) datapath: Option<&'static str>,
    /// Keys of this node's tunnel tokens.
    pub(super) token_keys: Option<TokenKeys>,
}

/// Sources of the reports.
#[derive(Clone)]
pub(super) struct OwnReport {
    /// This host's place in the Swarm.
    pub(super) info: watch::Receiver<Arc<Info>>,
    /// This node's datapath and token keys.
    pub(super) datapath: watch::Receiver<OwnDatapath>,
    /// Health of this node's own tasks after all events that were sent to `events`, or newer.
    pub(super) health: watch::Receiver<OwnHealth>,
    /// Events of this node's own containers.
    pub(super) events: broadcast::Sender<LocalEvent>,
}

impl OwnReport {
    /// The report of this moment; several messages if this node has many tasks.
    pub(super) fn hellos(&self) -> Vec<Hello> {
        let info = self.info.borrow();
        let datapath = *self.datapath.borrow();
        let portions = lb_wire::task_health_out(&self.health.borrow());
        let hello = |task_health| Hello {
            node_id: info.id.to_string(),
            address: info.address.map(|a| a.to_string()).unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            datapath: datapath.datapath.unwrap_or_default().to_owned(),
            token_keys: datapath.token_keys.as_ref().map(lb_wire::keys_out),
            task_health,
        };
        portions.into_iter().map(hello).collect()
    }
}
