//! State of the view store: takes inputs. No I/O, no clock.

mod outputs;

use super::PublishedView;
use crate::sync::own_report::OwnDatapath;
use crate::watch::info::Info;
use crate::watch::{EngineUpdate, LocalUpdate};
use lb_core::model::ids::{NodeId, TaskId};
use lb_core::model::node::TaskAddress;
use lb_core::model::snapshot::{LocalHealth, Snapshot, Task, carry_over};
use lb_core::model::token::TokenKeys;
use lb_core::rate::Bucket;
use lb_core::view::overlay::{EventKind, LocalEvent, Overlay};
use lb_core::view::readiness::ReadinessGate;
use lb_core::view::version_filter::{SnapshotVersion, VersionFilter};
use lb_wire::PeerReport;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

/// An input of the view store.
#[derive(Debug)]
pub(in crate::sync) enum Input {
    /// From this host's engine, about the Swarm.
    Engine(EngineUpdate),
    /// From this host's engine, about its own containers.
    Local(LocalUpdate),
    /// From another agent, about its node's containers.
    Event(NodeId, LocalEvent),
    /// From another agent, at the start of a session.
    Hello(NodeId, PeerReport),
    /// From a manager's agent, about the Swarm.
    Upstream(NodeId, SnapshotVersion, Snapshot),
}

/// Datapath and token keys of another node, as its agent announced them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PeerDatapath {
    datapath: String,
    token_keys: Option<TokenKeys>,
}

/// Rate at which one node may cause resyncs. Each makes the lists be read often for a second; changes that
/// last longer show in the lists.
const RESYNCS: Bucket = Bucket::new(20, Duration::from_secs(5));

#[derive(Default)]
pub(super) struct State {
    info: Arc<Info>,
    /// The view as its source gave it.
    base: Snapshot,
    /// Local events of tasks, laid over it.
    overlay: Overlay,
    /// Tasks that count as starting until their own node confirms them.
    readiness: ReadinessGate,
    /// The part of the overlay that this node's own engine reported.
    own: Overlay,
    /// Addresses that agents reported for their own nodes.
    addresses: BTreeMap<NodeId, Ipv4Addr>,
    /// Datapaths that agents announced for their own nodes.
    peer_datapaths: BTreeMap<NodeId, PeerDatapath>,
    /// This node's datapath and token keys.
    own_datapath: OwnDatapath,
    /// Own tasks on docker_gwbridge.
    tasks: BTreeMap<TaskId, TaskAddress>,
    version_filter: VersionFilter,
    chosen: Option<NodeId>,
    /// The selected source has sent a view.
    heard: bool,
    engine_answers: bool,
    engine_trouble: Option<String>,
    published: Arc<PublishedView>,
    dirty: bool,
    /// An event of this node's own tasks made it dirty.
    urgent: bool,
    /// Resync budgets of other nodes.
    resyncs: BTreeMap<NodeId, Bucket>,
    resync: bool,
}

impl State {
    pub(super) fn info(&mut self, info: Arc<Info>) {
        if info.manager != self.info.manager {
            // The view stays; only who may replace it changes.
            self.engine_answers = false;
            self.engine_trouble = None;
            self.heard = false;
            // The source is another one now, which may not know all nodes' datapaths yet.
            carry_over_datapaths(&self.published.snapshot, &mut self.base);
            self.peer_datapaths.clear();
        }
        if info.id != self.info.id && self.info.id.as_str().is_empty() {
            for overlay in [&mut self.overlay, &mut self.own] {
                overlay.rename(&self.info.id, &info.id);
            }
        }
        self.dirty |= info != self.info;
        self.info = info;
    }

    pub(super) fn follow(&mut self, chosen: Option<NodeId>) {
        if chosen != self.chosen {
            self.heard = false;
            self.version_filter.follow(chosen.clone());
            self.chosen = chosen;
        }
    }

    /// Handles `input`. Returns an event of this node's own tasks, for the other agents.
    pub(super) fn take(&mut self, input: Input, now: Duration) -> Option<LocalEvent> {
        match input {
            Input::Engine(EngineUpdate::View(view)) if self.info.manager => {
                let up = |id: &TaskId, task: &Task| self.overlay.is_up(id, task);
                self.readiness.note(&self.base, &view, up, now);
                self.replace(view);
                self.engine_answers = true;
                self.engine_trouble = None;
            }
            Input::Engine(EngineUpdate::Trouble(message)) if self.info.manager => {
                self.dirty |= self.engine_answers;
                self.engine_answers = false;
                self.engine_trouble = Some(message);
            }
            // Sent before a demotion, received after it.
            Input::Engine(_) => {}
            Input::Upstream(from, version, view) => {
                if !self.info.manager && self.version_filter.take(&from, version, view.complete) {
                    self.replace(view);
                    self.heard = true;
                }
            }
            Input::Local(LocalUpdate::Tasks(tasks)) => self.tasks = tasks,
            Input::Local(LocalUpdate::Event(event)) => {
                let node = self.info.id.clone();
                self.own.note(&self.base, &node, &event, now);
                self.note(&node, &event, now);
                self.urgent |= self.dirty;
                return Some(event);
            }
            Input::Event(node, event) => {
                // A node may report only its own tasks.
                if self.may_speak(&node, &event.task) {
                    self.resync |= self.may_resync(&node, now);
                    self.note(&node, &event, now);
                }
            }
            Input::Hello(node, told) => {
                self.resync |= self.may_resync(&node, now);
                for (task, health) in told.task_health {
                    self.dirty |= self.overlay.adopt(&self.base, &node, &task, health, now);
                    self.dirty |= health == LocalHealth::Ready
                        && self.has(&node, &task)
                        && self.readiness.end(&task);
                }
                // An agent that does not serve yet announces no datapath: its last one holds.
                if let Some(datapath) = told.datapath {
                    let peer_datapath = PeerDatapath {
                        datapath,
                        token_keys: told.token_keys,
                    };
                    let before = self
                        .peer_datapaths
                        .insert(node.clone(), peer_datapath.clone());
                    self.dirty |= before != Some(peer_datapath);
                }
                if let Some(address) = told.address {
                    self.dirty |= self.addresses.insert(node, address) != Some(address);
                }
            }
        }
        None
    }

    /// Takes in this node's datapath and token keys.
    pub(super) fn own_datapath(&mut self, own_datapath: OwnDatapath) {
        self.dirty |= self.own_datapath != own_datapath;
        self.own_datapath = own_datapath;
    }

    /// Are the Swarm's lists to be read again? Resets the request.
    pub(super) fn take_resync(&mut self) -> bool {
        std::mem::take(&mut self.resync)
    }

    /// Does the next view have an event of this node's own tasks? Such a view is never delayed.
    pub(super) fn is_urgent(&self) -> bool {
        self.urgent
    }

    fn note(&mut self, node: &NodeId, event: &LocalEvent, now: Duration) {
        self.dirty |= self.overlay.note(&self.base, node, event, now);
        if event.kind == EventKind::Ready && self.has(node, &event.task) {
            self.dirty |= self.readiness.end(&event.task);
        }
    }

    fn may_resync(&mut self, node: &NodeId, now: Duration) -> bool {
        let resyncs = self.resyncs.entry(node.clone());
        resyncs.or_insert(RESYNCS).take(1, now)
    }

    /// Is `task` listed as one of `node`?
    fn has(&self, node: &NodeId, task: &TaskId) -> bool {
        let listed = self.base.tasks.get(task);
        listed.is_some_and(|task| task.node == *node)
    }

    fn replace(&mut self, mut view: Snapshot) {
        carry_over(&self.base, &mut view);
        carry_over_datapaths(&self.published.snapshot, &mut view);
        self.dirty |= view != self.base || !self.engine_answers;
        self.base = view.reusing(&self.base);
    }

    /// A node may report its own tasks, and tasks that are not listed yet.
    fn may_speak(&self, node: &NodeId, task: &TaskId) -> bool {
        let listed = self.base.tasks.get(task);
        listed.is_none_or(|task| task.node == *node || task.node.as_str().is_empty())
    }
}

/// Keeps the datapaths and token keys of nodes for which `next` has none: its sender, if it has just
/// started, does not know them yet.
fn carry_over_datapaths(previous: &Snapshot, next: &mut Snapshot) {
    for (id, node) in &mut next.nodes {
        let known = previous.nodes.get(id).filter(|_| node.datapath.is_none());
        if let Some(known) = known {
            node.datapath.clone_from(&known.datapath);
            node.token_keys = known.token_keys;
        }
    }
}

#[cfg(test)]
mod tests;
