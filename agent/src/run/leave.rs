//! Told to stop: what the Swarm means by it decides what is left behind.
//!
//! Service removed: nothing. Node drained, which stops the agent along with all other tasks: the
//! agent goes on while it may, so that this node learns where its tasks moved. Otherwise another
//! agent comes: the datapath goes on meanwhile, and is adopted.

use super::Agent;
use super::datapath;
use crate::links::Changes;
use crate::sentence::causes;
use crate::sync::Feed;
use lb_core::ids::ServiceId;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How long to go on on a node that is drained: less than `stop_grace_period` in deploy/stack.yml.
const DRAINED: Duration = Duration::from_secs(25);
/// Signal and reason come by different ways, and machines are busy when nodes are drained.
const REASON: Duration = Duration::from_secs(2);

impl Agent {
    /// Goes on until it is known why the agent shall stop, and for as long as that makes it useful.
    pub(super) async fn last_turns(&mut self, feed: &mut Feed, changes: &mut Changes) {
        let told = Instant::now();
        let mut said = false;
        while self.turns.is_some() {
            let draining = draining(feed);
            if draining && !said {
                tracing::info!("this node is being drained: going on for a while");
                said = true;
            }
            let end = told + if draining { DRAINED } else { REASON };
            tokio::select! {
                wake = self.wait(feed, changes) => self.act(wake, feed).await,
                () = sleep_until(end) => return,
            }
        }
    }

    /// Was the agent's own service removed? Known from the Swarm, seconds before the signal.
    pub(super) fn removed(&self, feed: &Feed) -> bool {
        let Some(id) = self.settings.service.as_deref().filter(|id| !id.is_empty()) else {
            return false;
        };
        let snapshot = feed.snapshot.borrow();
        snapshot.complete
            && snapshot
                .services
                .get(&ServiceId::from(id))
                .is_none_or(|service| service.removed)
    }

    pub(super) fn clean(&mut self) {
        if self.turns.take().is_none() {
            return;
        }
        match datapath::clean(&self.settings.bpffs.bpffs, None) {
            Ok(()) => tracing::info!(
                "swarmlb was removed from the Swarm: nothing of it is left in the kernel"
            ),
            Err(error) => tracing::error!(
                error = causes(&error),
                "clean-up failed; run `swarmlb clean`"
            ),
        }
    }

    /// The datapath goes on without an agent, unless the whole service is going.
    pub(super) fn leave(&mut self, feed: &Feed) {
        if self.removed(feed) {
            self.clean();
        }
        if self.turns.is_some() {
            tracing::info!("stopping; the datapath goes on serving what it knows");
        }
    }
}

/// Is this node to run no tasks, and so no agent either?
fn draining(feed: &Feed) -> bool {
    let snapshot = feed.snapshot.borrow();
    let own = snapshot.nodes.get(&feed.local.borrow().id);
    own.is_some_and(|node| node.draining)
}
