//! One thread of the router: accepts, serves, and keeps its own connections to tasks.

use crate::clock::Seconds;
use crate::downstream::{Accepting, Listener};
use crate::routing::Routing;
use crate::tls::Tls;
use crate::worker::{Serving, Worker};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

/// What a worker is told.
#[derive(Debug)]
pub(crate) enum Update {
    /// What is routed from now on. The sender is dropped once it is in force.
    Routing(Arc<Routing>, mpsc::Sender<()>),
    /// The sockets to accept on, and no others.
    Listeners(Vec<Listener>),
    /// No new connections; those that are open end with their next answer.
    Drain,
}

/// Runs a worker until its updates end and its last connection has, or until `grace` after it was told to drain.
pub(crate) async fn run(
    settings: Serving,
    tls: Tls,
    updates: mpsc::UnboundedReceiver<Update>,
    grace: Duration,
) {
    let worker = Rc::new(Worker::new(settings, tls));
    LocalSet::new()
        .run_until(serve(worker, updates, grace))
        .await;
}

async fn serve(worker: Rc<Worker>, mut updates: mpsc::UnboundedReceiver<Update>, grace: Duration) {
    let mut accepting = Accepting::default();
    let mut every_second = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            update = updates.recv() => match update {
                Some(Update::Routing(routing, _in_force)) => {
                    worker.route(routing);
                }
                Some(Update::Listeners(listeners)) => accepting.replace(&worker, listeners),
                Some(Update::Drain) | None => break,
            },
            _ = every_second.tick() => {
                let now = Seconds::now();
                worker.connections.sweep(now);
                worker.upstream.sweep(now);
            }
        }
    }
    accepting.replace(&worker, Vec::new());
    worker.connections.close_all();
    // Whoever does not end in time is cut.
    let _ = tokio::time::timeout(grace, worker.connections.ended()).await;
}
