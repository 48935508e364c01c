//! States of the sessions that this agent holds to managers' agents.

use super::tls::Client;
use lb_core::model::ids::NodeId;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// State of one session.
#[derive(Clone, Debug, Default)]
pub(super) struct PeerState {
    /// Host of the manager.
    pub(super) host: String,
    /// A heartbeat has come.
    pub(super) up: bool,
    /// The manager's view is complete and its engine answers.
    pub(super) fresh: bool,
    /// Why the session is not up.
    pub(super) trouble: Option<String>,
    /// For calls beside the session.
    pub(super) client: Option<Client>,
}

/// States of all sessions.
pub(super) type PeerStates = BTreeMap<NodeId, PeerState>;

/// Writer of the states of all sessions.
#[derive(Clone, Debug)]
pub(super) struct PeerTable(Arc<watch::Sender<PeerStates>>);

impl PeerTable {
    pub(super) fn new() -> (Self, watch::Receiver<PeerStates>) {
        let (table, reader) = watch::channel(PeerStates::new());
        (Self(Arc::new(table)), reader)
    }

    /// Adds the manager `id` at `host`, whose session is not up yet.
    pub(super) fn insert(&self, id: &NodeId, host: &str) {
        let state = PeerState {
            host: host.to_owned(),
            ..PeerState::default()
        };
        self.0.send_modify(|table| {
            table.insert(id.clone(), state);
        });
    }

    pub(super) fn remove(&self, id: &NodeId) {
        self.0.send_modify(|table| {
            table.remove(id);
        });
    }

    /// Changes the state of `id`, if there is one; `change` returns whether the readers are to be notified, as
    /// does this.
    pub(super) fn update(&self, id: &NodeId, change: impl FnOnce(&mut PeerState) -> bool) -> bool {
        self.0
            .send_if_modified(|table| table.get_mut(id).is_some_and(change))
    }
}
