//! The view store: takes inputs from the engine, the node's containers and other agents, one at a
//! time, and publishes the view that follows from them.

mod state;
mod view;

pub(super) use state::Input;
pub(super) use view::PublishedView;

use super::own_report::{OwnDatapath, OwnHealth};
use super::peer_table::PeerStates;
use crate::certs::CertificateState;
use crate::watch::LocalFacts;
use crate::watch::info::Info;
use lb_core::model::ids::NodeId;
use lb_core::model::snapshot::Snapshot;
use lb_core::rate::Bucket;
use lb_core::view::overlay::LocalEvent;
use state::State;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio::time::{Instant, sleep_until};

/// Source of the view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceState {
    /// `docker`, or the address of a manager's agent; empty while there is none.
    pub name: String,
    /// Whether it answers; if not, the last view stays in force.
    pub connected: bool,
    /// The problem with the source and what to do, if there is one.
    pub message: Option<String>,
}

/// Channels from which the store takes its inputs.
pub(super) struct Inputs {
    /// From the engine, this node's containers and other agents.
    pub(super) messages: mpsc::Receiver<Input>,
    /// This host's place in the Swarm.
    pub(super) info: watch::Receiver<Arc<Info>>,
    /// The manager from which this node gets its view.
    pub(super) chosen: watch::Receiver<Option<NodeId>>,
    /// States of the sessions to managers' agents.
    pub(super) peers: watch::Receiver<PeerStates>,
    /// This node's certificate.
    pub(super) certificate: watch::Receiver<CertificateState>,
    /// This node's datapath and token keys.
    pub(super) own_datapath: watch::Receiver<OwnDatapath>,
}

/// Channels to which the store publishes.
pub(super) struct Outputs {
    pub(super) views: watch::Sender<Arc<PublishedView>>,
    pub(super) snapshot: watch::Sender<Arc<Snapshot>>,
    pub(super) facts: watch::Sender<Arc<LocalFacts>>,
    pub(super) source: watch::Sender<SourceState>,
    pub(super) own_health: watch::Sender<OwnHealth>,
    pub(super) events: broadcast::Sender<LocalEvent>,
    /// Asks for the Swarm's lists to be read again.
    pub(super) resync: Arc<Notify>,
}

/// Rate of new views, for this node's datapath and for all workers. A change takes effect at once; only
/// under an unending stream of changes are they put together, so that a node which invents changes delays
/// the others by 50 ms and no more.
const VIEWS: Bucket = Bucket::new(40, Duration::from_millis(50));

/// Runs until all senders of messages are gone. `port` is the TCP port of all agents.
pub(super) async fn run(port: u16, inputs: Inputs, outputs: Outputs) {
    let Inputs {
        mut messages,
        mut info,
        mut chosen,
        mut peers,
        mut certificate,
        mut own_datapath,
    } = inputs;
    let epoch = Instant::now();
    let mut state = State::default();
    let mut batch = Vec::new();
    let mut pace = VIEWS;
    let mut waits = false;
    let mut tick = tokio::time::interval(super::HEARTBEAT_INTERVAL);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // Waiting inputs are handled together and give one view.
            count = messages.recv_many(&mut batch, 256) => if count == 0 { return },
            _ = tick.tick() => {}
            changed = info.changed() => if changed.is_err() { return },
            changed = chosen.changed() => if changed.is_err() { return },
            changed = peers.changed() => if changed.is_err() { return },
            _ = certificate.changed() => {}
            Ok(()) = own_datapath.changed() => {}
            // A view that was held back.
            () = sleep_until(epoch + pace.ready()), if waits => {}
        }
        let now = epoch.elapsed();
        state.info(info.borrow_and_update().clone());
        state.follow(chosen.borrow_and_update().clone());
        state.own_datapath(*own_datapath.borrow_and_update());
        for input in batch.drain(..) {
            if let Some(event) = state.take(input, now) {
                // The tasks' health first: a session that misses the event finds its effect there.
                outputs.own_health.send_replace(state.own_health());
                // Without a session there is no receiver.
                let _ = outputs.events.send(event);
            }
            if state.take_resync() {
                outputs.resync.notify_one();
            }
        }
        waits = !state.is_urgent() && pace.ready() > now;
        if !waits && let Some(view) = state.view(now) {
            pace.spend(1, now);
            outputs.snapshot.send_replace(view.snapshot.clone());
            outputs.views.send_replace(view);
        }
        publish(&outputs.facts, Arc::new(state.facts()));
        let source = {
            let peers = peers.borrow_and_update();
            let certificate = certificate.borrow_and_update();
            state.source(&peers, port, certificate.problem.as_deref())
        };
        publish(&outputs.source, source);
    }
}

/// Sends `next` if it differs from the current value.
pub(super) fn publish<T: PartialEq>(out: &watch::Sender<T>, next: T) {
    out.send_if_modified(|current| {
        let news = *current != next;
        if news {
            *current = next;
        }
        news
    });
}
