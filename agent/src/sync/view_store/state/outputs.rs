//! The view, the facts and the source that follow from the state of the view store.

use super::State;
use crate::sync::own_report::OwnHealth;
use crate::sync::peer_table::PeerStates;
use crate::sync::view_store::{PublishedView, SourceState};
use crate::watch::LocalFacts;
use std::sync::Arc;
use std::time::Duration;

impl State {
    /// Health of this node's own tasks, for managers' agents.
    pub(in crate::sync::view_store) fn own_health(&self) -> OwnHealth {
        let task_health = self.own.task_health();
        Arc::new(
            task_health
                .map(|(task, health)| (task.clone(), health))
                .collect(),
        )
    }

    /// The view, if it has changed.
    pub(in crate::sync::view_store) fn view(
        &mut self,
        now: Duration,
    ) -> Option<Arc<PublishedView>> {
        self.own.expire(&self.base, now);
        self.dirty |= self.overlay.expire(&self.base, now);
        self.dirty |= self.readiness.expire(now);
        self.urgent = false;
        if !std::mem::take(&mut self.dirty) {
            return None;
        }
        let mut snapshot = self.base.clone();
        self.readiness.apply(&mut snapshot);
        self.overlay.apply(&mut snapshot, now);
        self.addresses
            .retain(|node, _| snapshot.nodes.contains_key(node));
        self.peer_datapaths
            .retain(|node, _| snapshot.nodes.contains_key(node));
        self.resyncs.retain(|_, resyncs| !resyncs.is_full(now));
        for (id, node) in &mut snapshot.nodes {
            let told = self.addresses.get(id).copied();
            let own = self.info.address.filter(|_| *id == self.info.id);
            node.address = node.address.or(told).or(own);
            let own_datapath = self.own_datapath.datapath.filter(|_| *id == self.info.id);
            if let Some(own_datapath) = own_datapath {
                node.datapath = Some(own_datapath.to_owned());
                node.token_keys = self.own_datapath.token_keys;
            } else if let Some(peer_datapath) = self.peer_datapaths.get(id) {
                node.datapath = Some(peer_datapath.datapath.clone());
                node.token_keys = peer_datapath.token_keys;
            }
        }
        let fresh = self.info.manager && self.engine_answers && self.base.complete;
        let same = snapshot == *self.published.snapshot;
        if same && fresh == self.published.fresh {
            return None;
        }
        let (revision, snapshot) = if same {
            (self.published.revision, self.published.snapshot.clone())
        } else {
            (self.published.revision + 1, Arc::new(snapshot))
        };
        self.published = Arc::new(PublishedView::new(revision, fresh, snapshot));
        Some(self.published.clone())
    }

    /// Facts about this node.
    pub(in crate::sync::view_store) fn facts(&self) -> LocalFacts {
        LocalFacts {
            id: self.info.id.clone(),
            hostname: self.info.hostname.clone(),
            address: self.info.address,
            manager: self.info.manager,
            member: self.info.member,
            tasks: self.tasks.clone(),
            message: self.info.message.clone(),
        }
    }

    /// Source of the view; `identity` is the problem with this node's certificate, if any.
    pub(in crate::sync::view_store) fn source(
        &self,
        peers: &PeerStates,
        port: u16,
        identity: Option<&str>,
    ) -> SourceState {
        if self.info.manager {
            return SourceState {
                name: "docker".to_owned(),
                connected: self.engine_answers,
                message: self.engine_trouble.clone(),
            };
        }
        let chosen = self.chosen.as_ref().and_then(|id| peers.get(id));
        if let Some(peer) = chosen {
            let name = format!("{}:{port}", peer.host);
            let message = (!peer.fresh)
                .then(|| format!("the manager at {name} has lost touch with its Swarm; the last view stays in force"));
            return SourceState {
                connected: peer.up && self.heard,
                name,
                message,
            };
        }
        let told = || {
            let mut troubles: Vec<&str> = peers
                .values()
                .filter_map(|peer| peer.trouble.as_deref())
                .collect();
            troubles.sort_unstable();
            if troubles.is_empty() {
                "no manager's agent answered yet: the agent must run on every manager".to_owned()
            } else {
                troubles.join("; ")
            }
        };
        let message = match (&self.info.message, identity) {
            (Some(message), _) if !self.info.member => message.clone(),
            (_, Some(identity)) => identity.to_owned(),
            _ => told(),
        };
        SourceState {
            message: Some(message),
            ..SourceState::default()
        }
    }
}
