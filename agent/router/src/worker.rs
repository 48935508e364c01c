//! One thread of the router: accepts, serves, and keeps its own connections to tasks.

use crate::access_log::AccessLog;
use crate::clock::Seconds;
use crate::downstream::{Accepting, Connections};
use crate::exchange::Passwords;
use crate::limits::Limits;
use crate::routing::Routing;
use crate::stats::{Stats, Sums};
use crate::tls::Tls;
use crate::upstream::Upstream;
use lb_routes::heads::Policy;
use lb_routes::table::EntryPoint;
use std::cell::RefCell;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
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

/// A listening socket.
#[derive(Debug)]
pub(crate) struct Listener {
    /// The kernel's number of the socket (`SO_COOKIE`): descriptors of one socket share it.
    pub(crate) cookie: u64,
    /// What is served on it.
    pub(crate) entry_point: EntryPoint,
    /// The socket.
    pub(crate) socket: TcpListener,
}

/// What all connections of a thread share.
pub(crate) struct Worker {
    /// What does not change.
    pub(crate) settings: Serving,
    /// TLS with clients.
    pub(crate) tls: Tls,
    /// Clients' connections.
    pub(crate) connections: Connections,
    /// Connections to tasks.
    pub(crate) upstream: Upstream,
    /// Passwords that were right.
    pub(crate) passwords: Passwords,
    /// What is counted.
    pub(crate) stats: Rc<Stats>,
    routing: RefCell<Arc<Routing>>,
    random: RefCell<fastrand::Rng>,
}

/// What all workers are started with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Serving {
    /// Limits and timeouts.
    pub(crate) limits: Limits,
    /// Which fields of other proxies are kept.
    pub(crate) forwarded: Policy,
    /// Where exchanges are logged, if they are.
    pub(crate) log: Option<AccessLog>,
    /// What all workers have counted.
    pub(crate) sums: Arc<Mutex<Sums>>,
}

impl Worker {
    /// What is routed now.
    pub(crate) fn routing(&self) -> Arc<Routing> {
        self.routing.borrow().clone()
    }

    /// Adds what was counted to the sums of all workers.
    fn sum_up(&self) {
        let sums = self.settings.sums.lock();
        self.stats
            .add_to(&mut sums.unwrap_or_else(PoisonError::into_inner));
    }

    /// A random number, not for secrets.
    pub(crate) fn random(&self) -> u128 {
        self.random.borrow_mut().u128(..)
    }

    /// A random number, not for secrets.
    pub(crate) fn random_u64(&self) -> u64 {
        self.random.borrow_mut().u64(..)
    }
}

/// Runs a worker until its updates end and its last connection has, or until `grace` after it was told to drain.
pub(crate) async fn run(
    settings: Serving,
    tls: Tls,
    updates: mpsc::UnboundedReceiver<Update>,
    grace: Duration,
) {
    let worker = Rc::new(Worker {
        connections: Connections::new(settings.limits),
        upstream: Upstream::new(settings.limits),
        settings,
        tls,
        passwords: Passwords::default(),
        stats: Rc::default(),
        routing: RefCell::default(),
        random: RefCell::default(),
    });
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
                    worker.upstream.keep_only(&routing);
                    worker.routing.replace(routing);
                }
                Some(Update::Listeners(listeners)) => accepting.replace(&worker, listeners),
                Some(Update::Drain) | None => break,
            },
            _ = every_second.tick() => {
                let now = Seconds::now();
                worker.connections.sweep(now);
                worker.upstream.sweep(now);
                worker.sum_up();
            }
        }
    }
    accepting.replace(&worker, Vec::new());
    worker.connections.close_all();
    // Whoever does not end in time is cut.
    let _ = tokio::time::timeout(grace, worker.connections.ended()).await;
    worker.sum_up();
}
