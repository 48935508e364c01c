//! What the keeper knows, and what follows from it. No I/O, no clock.

use super::{SourceState, View};
use crate::sync::context::OwnSigns;
use crate::sync::peers::PeerState;
use crate::watch::info::Info;
use crate::watch::{EngineUpdate, LocalFacts, LocalUpdate};
use lb_core::arrivals::Arrivals;
use lb_core::ids::{NodeId, TaskId};
use lb_core::inbox::{Inbox, Stamp};
use lb_core::node::TaskAddress;
use lb_core::overlay::{EventKind, LocalEvent, Overlay};
use lb_core::snapshot::{Sign, Snapshot, carry_over};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

/// What the keeper is told.
#[derive(Debug)]
pub(in crate::sync) enum Input {
    /// By this host's engine, about the Swarm.
    Engine(EngineUpdate),
    /// By this host's engine, about its own containers.
    Local(LocalUpdate),
    /// By another agent, about its node's containers.
    Event(NodeId, LocalEvent),
    /// By another agent, at the start of a session.
    Hello(NodeId, Told),
    /// By a manager's agent, about the Swarm.
    Upstream(NodeId, Stamp, Snapshot),
}

/// What an agent says of its own node.
#[derive(Debug, Default)]
pub(in crate::sync) struct Told {
    /// Where other nodes reach it.
    pub(in crate::sync) address: Option<Ipv4Addr>,
    /// By what it serves.
    pub(in crate::sync) datapath: Option<String>,
    /// What is held against its tasks.
    pub(in crate::sync) signs: Vec<(TaskId, Sign)>,
}

#[derive(Default)]
pub(super) struct State {
    info: Arc<Info>,
    /// The view as its source gave it.
    base: Snapshot,
    /// What is known of tasks beyond it.
    overlay: Overlay,
    /// Who is not taken for running before its node has spoken.
    arrivals: Arrivals,
    /// The part of what is known of tasks that this node's own engine told.
    own: Overlay,
    /// Addresses that agents told of their own nodes.
    addresses: BTreeMap<NodeId, Ipv4Addr>,
    /// By what they told that they serve.
    datapaths: BTreeMap<NodeId, String>,
    /// By what this node serves; empty: not yet.
    serving: &'static str,
    /// Own tasks on docker_gwbridge.
    tasks: BTreeMap<TaskId, TaskAddress>,
    inbox: Inbox,
    chosen: Option<NodeId>,
    /// Whether anything came from the chosen source yet.
    heard: bool,
    engine_answers: bool,
    engine_trouble: Option<String>,
    published: Arc<View>,
    dirty: bool,
    nudge: bool,
}

impl State {
    pub(super) fn info(&mut self, info: Arc<Info>) {
        if info.manager != self.info.manager {
            // The view stays; only who may replace it changes.
            self.engine_answers = false;
            self.engine_trouble = None;
            self.heard = false;
        }
        self.dirty |= info != self.info;
        self.info = info;
    }

    pub(super) fn follow(&mut self, chosen: Option<NodeId>) {
        if chosen != self.chosen {
            self.heard = false;
            self.inbox.follow(chosen.clone());
            self.chosen = chosen;
        }
    }

    /// Takes `input` in. An event of this node's own is given back, to be passed on.
    pub(super) fn take(&mut self, input: Input, now: Duration) -> Option<LocalEvent> {
        match input {
            Input::Engine(EngineUpdate::View(view)) if self.info.manager => {
                let up = |task: &TaskId| self.overlay.is_up(task);
                self.arrivals.note(&self.base, &view, up, now);
                self.replace(view);
                self.engine_answers = true;
                self.engine_trouble = None;
            }
            Input::Engine(EngineUpdate::Trouble(sentence)) if self.info.manager => {
                self.dirty |= self.engine_answers;
                self.engine_answers = false;
                self.engine_trouble = Some(sentence);
            }
            // Said before a demotion, arrived after it.
            Input::Engine(_) => {}
            Input::Upstream(from, stamp, view) => {
                if !self.info.manager && self.inbox.take(&from, stamp, view.complete) {
                    self.replace(view);
                    self.heard = true;
                }
            }
            Input::Local(LocalUpdate::Tasks(tasks)) => self.tasks = tasks,
            Input::Local(LocalUpdate::Event(event)) => {
                self.own.note(&event, now);
                self.note(&event, now);
                return Some(event);
            }
            Input::Event(node, event) => {
                self.nudge = true;
                if self.may_speak(&node, &event.task) {
                    self.note(&event, now);
                }
            }
            Input::Hello(node, told) => {
                self.nudge = true;
                for (task, sign) in told.signs {
                    if self.may_speak(&node, &task) {
                        self.dirty |= self.overlay.adopt(&task, sign, now);
                        self.dirty |= sign == Sign::Up && self.arrivals.end(&task);
                    }
                }
                if let Some(datapath) = told.datapath {
                    let before = self.datapaths.insert(node.clone(), datapath.clone());
                    self.dirty |= before != Some(datapath);
                }
                if let Some(address) = told.address {
                    self.dirty |= self.addresses.insert(node, address) != Some(address);
                }
            }
        }
        None
    }

    /// This node serves by `datapath`; empty: not yet.
    pub(super) fn serving(&mut self, datapath: &'static str) {
        self.dirty |= self.serving != datapath;
        self.serving = datapath;
    }

    /// Should the Swarm's lists be read again? Asked once per answer.
    pub(super) fn take_nudge(&mut self) -> bool {
        std::mem::take(&mut self.nudge)
    }

    pub(super) fn own_signs(&self) -> OwnSigns {
        let signs = self.own.signs();
        Arc::new(signs.map(|(task, sign)| (task.clone(), sign)).collect())
    }

    /// The view, if it is another one than before.
    pub(super) fn view(&mut self, now: Duration) -> Option<Arc<View>> {
        self.own.expire(&self.base, now);
        self.dirty |= self.overlay.expire(&self.base, now);
        self.dirty |= self.arrivals.expire(now);
        if !std::mem::take(&mut self.dirty) {
            return None;
        }
        let mut snapshot = self.base.clone();
        self.arrivals.apply(&mut snapshot);
        self.overlay.apply(&mut snapshot, now);
        self.addresses
            .retain(|node, _| snapshot.nodes.contains_key(node));
        self.datapaths
            .retain(|node, _| snapshot.nodes.contains_key(node));
        for (id, node) in &mut snapshot.nodes {
            let told = self.addresses.get(id).copied();
            let own = self.info.address.filter(|_| *id == self.info.id);
            node.address = node.address.or(told).or(own);
            let told = self.datapaths.get(id).map(String::as_str);
            let own = Some(self.serving).filter(|name| *id == self.info.id && !name.is_empty());
            if let Some(datapath) = own.or(told) {
                node.datapath = Some(datapath.to_owned());
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
        self.published = Arc::new(View::new(revision, fresh, snapshot));
        Some(self.published.clone())
    }

    pub(super) fn facts(&self) -> LocalFacts {
        LocalFacts {
            id: self.info.id.clone(),
            hostname: self.info.hostname.clone(),
            address: self.info.address,
            manager: self.info.manager,
            member: self.info.member,
            tasks: self.tasks.clone(),
            sentence: self.info.sentence.clone(),
        }
    }

    /// Where the view comes from; `identity` is what keeps this node from proving who it is.
    pub(super) fn source(
        &self,
        peers: &BTreeMap<NodeId, PeerState>,
        port: u16,
        identity: Option<&str>,
    ) -> SourceState {
        if self.info.manager {
            return SourceState {
                name: "docker".to_owned(),
                connected: self.engine_answers,
                sentence: self.engine_trouble.clone(),
            };
        }
        let chosen = self.chosen.as_ref().and_then(|id| peers.get(id));
        if let Some(peer) = chosen {
            let name = format!("{}:{port}", peer.host);
            let sentence = (!peer.fresh)
                .then(|| format!("the manager at {name} has lost touch with its Swarm; the last view stays in force"));
            return SourceState {
                connected: peer.up && self.heard,
                name,
                sentence,
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
        let sentence = match (&self.info.sentence, identity) {
            (Some(sentence), _) if !self.info.member => sentence.clone(),
            (_, Some(identity)) => identity.to_owned(),
            _ => told(),
        };
        SourceState {
            sentence: Some(sentence),
            ..SourceState::default()
        }
    }

    fn note(&mut self, event: &LocalEvent, now: Duration) {
        self.dirty |= self.overlay.note(event, now);
        if event.kind == EventKind::Up {
            self.dirty |= self.arrivals.end(&event.task);
        }
    }

    fn replace(&mut self, mut view: Snapshot) {
        carry_over(&self.base, &mut view);
        self.dirty |= view != self.base || !self.engine_answers;
        self.base = view.descending(&self.base);
    }

    /// A node may speak of its own tasks, and of those that are not listed yet.
    fn may_speak(&self, node: &NodeId, task: &TaskId) -> bool {
        let listed = self.base.tasks.get(task);
        listed.is_none_or(|task| task.node == *node || task.node.0.is_empty())
    }
}

#[cfg(test)]
mod tests;
