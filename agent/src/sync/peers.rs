//! The sessions that this agent holds: one to each other manager's agent, for as long as
//! that node is one.

use super::context::Context;
use super::peer;
use super::select_source::{Candidate, select_source};
use super::tls::Client;
use crate::watch::info::Info;
use lb_core::ids::NodeId;
use lb_core::snapshot::Snapshot;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// State of one session.
#[derive(Clone, Debug, Default)]
pub(super) struct PeerState {
    /// Its host.
    pub(super) host: String,
    /// A heartbeat has come.
    pub(super) up: bool,
    /// The manager's view is complete and its engine answers.
    pub(super) fresh: bool,
    /// Why it is not up.
    pub(super) trouble: Option<String>,
    /// For calls beside the session.
    pub(super) client: Option<Client>,
}

/// States of all sessions.
#[derive(Clone, Debug)]
pub(super) struct Peers(Arc<watch::Sender<BTreeMap<NodeId, PeerState>>>);

impl Peers {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(BTreeMap::new())))
    }

    pub(super) fn table(&self) -> watch::Receiver<BTreeMap<NodeId, PeerState>> {
        self.0.subscribe()
    }

    /// Changes what is known of `peer`, if it is still one.
    pub(super) fn update(&self, peer: &NodeId, change: impl FnOnce(&mut PeerState)) {
        self.0.send_modify(|table| {
            if let Some(state) = table.get_mut(peer) {
                change(state);
            }
        });
    }
}

/// Keeps the sessions and the choice among them up to date.
pub(super) async fn run(mut context: Context, chosen: watch::Sender<Option<NodeId>>) {
    let mut sessions: JoinSet<()> = JoinSet::new();
    let mut running: BTreeMap<NodeId, (String, AbortHandle)> = BTreeMap::new();
    let mut table = context.peers.table();
    loop {
        let info = context.info.borrow_and_update().clone();
        let wanted = wanted(&info, &context.views.borrow_and_update().snapshot);
        running.retain(|id, (host, session)| {
            let stays = wanted.get(id) == Some(host);
            if !stays {
                session.abort();
                context.problems.set(&format!("manager {host}"), None);
                context.peers.0.send_modify(|table| {
                    table.remove(id);
                });
            }
            stays
        });
        for (id, host) in wanted {
            if running.contains_key(&id) {
                continue;
            }
            context.peers.0.send_modify(|table| {
                let host = host.clone();
                table.insert(
                    id.clone(),
                    PeerState {
                        host,
                        ..PeerState::default()
                    },
                );
            });
            let session = peer::keep(
                context.clone(),
                id.clone(),
                host.clone(),
                chosen.subscribe(),
            );
            running.insert(id, (host, sessions.spawn(session)));
        }
        // Aborted ones are collected here.
        while sessions.try_join_next().is_some() {}

        let choice = if info.manager {
            None
        } else {
            let candidates = candidates(&table.borrow_and_update());
            select_source(&info.id, &candidates, chosen.borrow().as_ref())
        };
        chosen.send_if_modified(|chosen| {
            let news = *chosen != choice;
            if news {
                tracing::info!(
                    manager = choice.as_ref().map(|id| id.0.as_str()),
                    "source of the view chosen"
                );
                *chosen = choice;
            }
            news
        });
        let alive = tokio::select! {
            changed = context.info.changed() => changed,
            changed = context.views.changed() => changed,
            changed = table.changed() => changed,
        };
        if alive.is_err() {
            return;
        }
    }
}

/// Other managers and their hosts. On managers the list of nodes is newer than what the engine
/// uses for itself.
fn wanted(info: &Info, view: &Snapshot) -> BTreeMap<NodeId, String> {
    if !info.member {
        return BTreeMap::new();
    }
    let mut wanted = info.managers.clone();
    if info.manager {
        for (id, node) in &view.nodes {
            if let Some(address) = node.address.filter(|_| node.manager && *id != info.id) {
                wanted
                    .entry(id.clone())
                    .or_insert_with(|| address.to_string());
            }
        }
    }
    wanted
}

fn candidates(table: &BTreeMap<NodeId, PeerState>) -> BTreeMap<NodeId, Candidate> {
    let candidate = |(id, state): (&NodeId, &PeerState)| {
        let PeerState { up, fresh, .. } = *state;
        (id.clone(), Candidate { up, fresh })
    };
    table.iter().map(candidate).collect()
}
