//! The sessions that this agent holds: one to each other manager's agent, for as long as
//! that node is one.

use super::peer::{Channels, Peer};
use super::peer_table::{PeerState, PeerStates};
use super::select_source::{Candidate, select_source};
use super::view_store::PublishedView;
use crate::watch::info::Info;
use lb_core::model::ids::NodeId;
use lb_core::model::snapshot::Snapshot;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// Keeps the sessions and the choice among them up to date; `states` are those of the sessions.
pub(super) async fn run(
    mut info: watch::Receiver<Arc<Info>>,
    mut views: watch::Receiver<Arc<PublishedView>>,
    mut states: watch::Receiver<PeerStates>,
    channels: Channels,
    chosen: watch::Sender<Option<NodeId>>,
) {
    let mut sessions: JoinSet<()> = JoinSet::new();
    let mut running: BTreeMap<NodeId, (String, AbortHandle)> = BTreeMap::new();
    loop {
        let now = info.borrow_and_update().clone();
        let wanted = wanted(&now, &views.borrow_and_update().snapshot);
        running.retain(|id, (host, session)| {
            let stays = wanted.get(id) == Some(host);
            if !stays {
                session.abort();
                channels.problems.set(&format!("manager {host}"), None);
                channels.table.remove(id);
            }
            stays
        });
        for (id, host) in wanted {
            if running.contains_key(&id) {
                continue;
            }
            channels.table.insert(&id, &host);
            let peer = Peer {
                id: id.clone(),
                host: host.clone(),
                chosen: chosen.subscribe(),
                channels: channels.clone(),
            };
            running.insert(id, (host, sessions.spawn(peer.keep())));
        }
        // Aborted ones are collected here.
        while sessions.try_join_next().is_some() {}

        let choice = if now.manager {
            None
        } else {
            let candidates = candidates(&states.borrow_and_update());
            select_source(&now.id, &candidates, chosen.borrow().as_ref())
        };
        chosen.send_if_modified(|chosen| {
            let news = *chosen != choice;
            if news {
                tracing::info!(
                    manager = choice.as_ref().map(NodeId::as_str),
                    "source of the view chosen"
                );
                *chosen = choice;
            }
            news
        });
        let alive = tokio::select! {
            changed = info.changed() => changed,
            changed = views.changed() => changed,
            changed = states.changed() => changed,
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

fn candidates(states: &PeerStates) -> BTreeMap<NodeId, Candidate> {
    let candidate = |(id, state): (&NodeId, &PeerState)| {
        let PeerState { up, fresh, .. } = *state;
        (id.clone(), Candidate { up, fresh })
    };
    states.iter().map(candidate).collect()
}
