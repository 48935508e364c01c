//! The agents that hold a session to this one, and the way to ask them something.

use lb_core::ids::NodeId;
use lb_core::report::Stats;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot, watch};

/// A question for an agent's traffic, and where its answer goes.
pub(super) type Ask = oneshot::Sender<Stats>;

/// All sessions to this agent.
#[derive(Debug)]
pub(super) struct Seats {
    taken: Mutex<BTreeMap<NodeId, (u64, mpsc::Sender<Ask>)>>,
    agents: watch::Sender<BTreeSet<NodeId>>,
}

/// One session's place; given up when dropped.
pub(super) struct Seat {
    seats: Arc<Seats>,
    node: NodeId,
    number: u64,
}

impl Seats {
    pub(super) fn new() -> (Arc<Self>, watch::Receiver<BTreeSet<NodeId>>) {
        let (agents, reader) = watch::channel(BTreeSet::new());
        let seats = Self {
            taken: Mutex::default(),
            agents,
        };
        (Arc::new(seats), reader)
    }

    /// A session of `node` begins; an older one of the same node is not asked any more.
    pub(super) fn take(self: &Arc<Self>, node: &NodeId, asks: mpsc::Sender<Ask>) -> Seat {
        let mut taken = self.lock();
        let number = taken.get(node).map_or(0, |(number, _)| number + 1);
        taken.insert(node.clone(), (number, asks));
        self.publish(&taken);
        Seat {
            seats: self.clone(),
            node: node.clone(),
            number,
        }
    }

    /// Asks everyone. The answers come when they come.
    pub(super) fn ask_all(&self) -> Vec<(NodeId, oneshot::Receiver<Stats>)> {
        self.lock()
            .iter()
            .map(|(node, (_, asks))| {
                let (ask, answer) = oneshot::channel();
                // A session that is too busy to be asked drops the question: no answer.
                let _ = asks.try_send(ask);
                (node.clone(), answer)
            })
            .collect()
    }

    fn publish(&self, taken: &BTreeMap<NodeId, (u64, mpsc::Sender<Ask>)>) {
        self.agents.send_replace(taken.keys().cloned().collect());
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, (u64, mpsc::Sender<Ask>)>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.lock();
        if taken.get(&self.node).map(|(number, _)| *number) == Some(self.number) {
            taken.remove(&self.node);
            self.seats.publish(&taken);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_ends_late_does_not_unseat_its_successor() {
        let (seats, agents) = Seats::new();
        let (asks, _first) = mpsc::channel(1);
        let first = seats.take(&"n".into(), asks);
        let (asks, _second) = mpsc::channel(1);
        let second = seats.take(&"n".into(), asks);
        drop(first);
        assert_eq!(agents.borrow().len(), 1);
        drop(second);
        assert!(agents.borrow().is_empty());
    }
}
