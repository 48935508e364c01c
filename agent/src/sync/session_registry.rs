//! Registry of the agents with a session to this one, and queries to all of them.

use lb_core::model::ids::NodeId;
use lb_core::report::Stats;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot, watch};

/// A query for an agent's counters: the channel of its answer.
pub(super) type Ask = oneshot::Sender<Stats>;

/// All sessions to this agent.
#[derive(Debug)]
pub(super) struct SessionRegistry {
    registered: Mutex<BTreeMap<NodeId, Registered>>,
    agents: watch::Sender<BTreeSet<NodeId>>,
}

/// A registered session.
#[derive(Debug)]
struct Registered {
    number: u64,
    asks: mpsc::Sender<Ask>,
    /// Dropping it tells the session that a newer one has replaced it.
    _stays: oneshot::Sender<()>,
}

/// A session's registration; removed when dropped.
pub(super) struct SessionGuard {
    sessions: Arc<SessionRegistry>,
    node: NodeId,
    number: u64,
}

impl SessionRegistry {
    pub(super) fn new() -> (Arc<Self>, watch::Receiver<BTreeSet<NodeId>>) {
        let (agents, reader) = watch::channel(BTreeSet::new());
        let sessions = Self {
            registered: Mutex::default(),
            agents,
        };
        (Arc::new(sessions), reader)
    }

    /// Registers a session of `node`, which replaces an older one. The receiver is ready once this session
    /// is replaced itself.
    pub(super) fn register(
        self: &Arc<Self>,
        node: &NodeId,
        asks: mpsc::Sender<Ask>,
    ) -> (SessionGuard, oneshot::Receiver<()>) {
        let mut registered = self.lock();
        let number = registered
            .get(node)
            .map_or(0, |registered| registered.number + 1);
        let (stays, replaced) = oneshot::channel();
        let next = Registered {
            number,
            asks,
            _stays: stays,
        };
        registered.insert(node.clone(), next);
        self.publish(&registered);
        let guard = SessionGuard {
            sessions: self.clone(),
            node: node.clone(),
            number,
        };
        (guard, replaced)
    }

    /// Sends a query to every session; returns the channels of the answers.
    pub(super) fn ask_all(&self) -> Vec<(NodeId, oneshot::Receiver<Stats>)> {
        self.lock()
            .iter()
            .map(|(node, registered)| {
                let (ask, answer) = oneshot::channel();
                // A session that is too busy to be asked drops the question: no answer.
                let _ = registered.asks.try_send(ask);
                (node.clone(), answer)
            })
            .collect()
    }

    fn publish(&self, registered: &BTreeMap<NodeId, Registered>) {
        self.agents
            .send_replace(registered.keys().cloned().collect());
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Registered>> {
        self.registered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        let mut registered = self.sessions.lock();
        if registered
            .get(&self.node)
            .map(|registered| registered.number)
            == Some(self.number)
        {
            registered.remove(&self.node);
            self.sessions.publish(&registered);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_ends_late_does_not_unregister_its_successor() {
        let (sessions, agents) = SessionRegistry::new();
        let (asks, _first) = mpsc::channel(1);
        let (first, mut replaced) = sessions.register(&"n".into(), asks);
        assert!(replaced.try_recv() == Err(oneshot::error::TryRecvError::Empty));
        let (asks, _second) = mpsc::channel(1);
        let (second, mut stays) = sessions.register(&"n".into(), asks);
        assert!(replaced.try_recv() == Err(oneshot::error::TryRecvError::Closed));
        drop(first);
        assert!(stays.try_recv() == Err(oneshot::error::TryRecvError::Empty));
        assert_eq!(agents.borrow().len(), 1);
        drop(second);
        assert!(agents.borrow().is_empty());
    }
}
