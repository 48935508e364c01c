//! One thread of the router: accepts, serves, and keeps its own connections to tasks.

use crate::clock::Seconds;
use crate::downstream::{Accepting, Listener};
use crate::memory;
use crate::routing::Step;
use crate::tls::Tls;
use crate::worker::{Serving, Worker};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::runtime::LocalRuntime;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

/// Time between two looks at the memory. In that time clients can send as much as the network bears.
const LOOK_AT_MEMORY: Duration = Duration::from_millis(100);

/// What a worker is told.
#[derive(Debug)]
pub(crate) enum Update {
    /// What is routed from now on. The sender is dropped once it is in force.
    Routing(Step, mpsc::Sender<()>),
    /// The sockets to accept on, and no others.
    Listeners(Vec<Listener>),
    /// No new connections; those that are open end so that no request is lost.
    Drain,
}

/// Runs a worker until it was told to drain and its last connection has ended, or `grace` after that.
pub(crate) fn run(
    runtime: LocalRuntime,
    settings: Serving,
    tls: Tls,
    updates: mpsc::UnboundedReceiver<Update>,
    grace: Duration,
) {
    let worker = Rc::new(Worker::new(settings, tls));
    runtime.block_on(serve(worker.clone(), updates, grace));
    // What is still under way ends with its task, and is counted by then.
    drop(runtime);
    worker.sum_up();
}

async fn serve(worker: Rc<Worker>, mut updates: mpsc::UnboundedReceiver<Update>, grace: Duration) {
    let mut accepting = Accepting::default();
    let mut every_second = tokio::time::interval(Duration::from_secs(1));
    let mut memory = tokio::time::interval(LOOK_AT_MEMORY);
    memory.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // From when on the worker ends, whatever is open.
    let mut end = None;
    loop {
        tokio::select! {
            update = updates.recv() => match update {
                Some(Update::Routing(step, _in_force)) => worker.route(step),
                Some(Update::Listeners(listeners)) if end.is_none() => {
                    accepting.replace(&worker, listeners);
                }
                // Another router accepts on them now.
                Some(Update::Listeners(_)) => {}
                Some(Update::Drain) => {
                    accepting.replace(&worker, Vec::new());
                    worker.connections.drain(Seconds::now());
                    end = Some(Instant::now() + grace);
                }
                None => return,
            },
            _ = every_second.tick() => {
                let now = Seconds::now();
                worker.connections.sweep(now);
                worker.upstream.sweep(now, &worker.routing());
                worker.sum_up();
                memory::give_back();
                if end.is_some_and(|end| end <= Instant::now()) {
                    return;
                }
            }
            _ = memory.tick() => worker.connections.relieve(Seconds::now()),
            () = worker.connections.ended(), if end.is_some() => return,
        }
    }
}
