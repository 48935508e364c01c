//! The keeper of the view: takes in what the engine, the node's containers and other agents
//! tell, one thing after the other, and publishes what comes out of it.

mod state;
mod view;

pub(super) use state::{Input, Told};
pub(super) use view::View;

use super::context::{Context, OwnSigns};
use crate::watch::LocalFacts;
use lb_core::ids::NodeId;
use lb_core::overlay::LocalEvent;
use lb_core::snapshot::Snapshot;
use state::State;
use std::sync::Arc;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::Instant;

/// Where the view comes from at present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceState {
    /// `docker`, or the address of a manager's agent; empty while there is none.
    pub name: String,
    /// Whether it answers; if not, the last view stays in force.
    pub connected: bool,
    /// What is wrong, and what to do.
    pub sentence: Option<String>,
}

/// Where the keeper writes to.
pub(super) struct Outputs {
    pub(super) views: watch::Sender<Arc<View>>,
    pub(super) snapshot: watch::Sender<Arc<Snapshot>>,
    pub(super) facts: watch::Sender<Arc<LocalFacts>>,
    pub(super) source: watch::Sender<SourceState>,
    pub(super) own_signs: watch::Sender<OwnSigns>,
    pub(super) events: broadcast::Sender<LocalEvent>,
}

/// Runs until nobody sends any more.
pub(super) async fn run(
    mut context: Context,
    mut inputs: mpsc::Receiver<Input>,
    mut chosen: watch::Receiver<Option<NodeId>>,
    outputs: Outputs,
) {
    let epoch = Instant::now();
    let mut state = State::default();
    let mut batch = Vec::new();
    let mut peers = context.peers.table();
    let mut tick = tokio::time::interval(super::ALIVE_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // What is there already is taken in together: one view comes out of it.
            count = inputs.recv_many(&mut batch, 256) => if count == 0 { return },
            _ = tick.tick() => {}
            changed = context.info.changed() => if changed.is_err() { return },
            changed = chosen.changed() => if changed.is_err() { return },
            changed = peers.changed() => if changed.is_err() { return },
            _ = context.standing.changed() => {}
            changed = context.serving.changed() => if changed.is_err() { return },
        }
        let now = epoch.elapsed();
        state.info(context.info.borrow_and_update().clone());
        state.follow(chosen.borrow_and_update().clone());
        state.serving(*context.serving.borrow_and_update());
        for input in batch.drain(..) {
            if let Some(event) = state.take(input, now) {
                // The signs first: who misses the event finds its outcome there.
                outputs.own_signs.send_replace(state.own_signs());
                // Nobody listening is fine.
                let _ = outputs.events.send(event);
            }
            if state.take_nudge() {
                context.nudge.notify_one();
            }
        }
        if let Some(view) = state.view(now) {
            outputs.snapshot.send_replace(view.snapshot.clone());
            outputs.views.send_replace(view);
        }
        publish(&outputs.facts, Arc::new(state.facts()));
        let source = {
            let peers = peers.borrow_and_update();
            let standing = context.standing.borrow_and_update();
            state.source(&peers, context.port, standing.problem.as_deref())
        };
        publish(&outputs.source, source);
    }
}

/// Sends `next` if it is another one than before.
pub(super) fn publish<T: PartialEq>(out: &watch::Sender<T>, next: T) {
    out.send_if_modified(|current| {
        let news = *current != next;
        if news {
            *current = next;
        }
        news
    });
}
