//! The agent's half of the HTTP router, which is an unprivileged process of its own on each node: gives it listening
//! sockets and the services that declare routes, and knows how it stands.
//!
//! ```text
//! Desired::routed ── publish ──> RoutedView ── feed ──> View, Leaving, Change ──┐
//! listeners ── sockets of ports 80 and 443 ─────────────────────────────────────┴─ session ──> router
//! ```
//!
//! Whatever a router does, and whether there is one, the rest of the agent goes on. The sockets are held from the first
//! router on until the agent ends, and come back with the routers when the next agent starts.

mod accept;
mod certificates;
mod connection;
mod feed;
mod listeners;
mod session;
mod stats;

use certificates::Told;
use feed::{Routed, RoutedView};
use lb_core::backend::TaskAddresses;
use lb_core::model::ids::ServiceId;
use lb_core::report::certificates::{expiries, expiring};
use lb_core::report::{HttpStats, Problem, RouterCertificate, RouterReport, RouterStatus};
use listeners::Listeners;
use stats::Counted;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// What failed is tried again after this time.
const RETRY: Duration = Duration::from_secs(5);
/// A router is missed after this time without one.
const MISSED_AFTER: Duration = Duration::from_secs(30);

/// Settings of the agent's half.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Socket on which routers are answered.
    pub socket: PathBuf,
    /// Number of the user as whom routers run.
    pub user: u32,
    /// Host name of the node.
    pub hostname: String,
    /// Ports of the entry points: without TLS, and by TLS.
    pub ports: [u16; 2],
}

/// Serves routers until it is dropped.
#[derive(Debug)]
pub struct Router {
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

/// What all sessions share.
#[derive(Debug)]
struct Shared {
    hostname: String,
    /// The newest view; `None` before the first one.
    view: watch::Sender<Option<Arc<RoutedView>>>,
    listeners: Mutex<Listeners>,
    /// Grows whenever `listeners` has new sockets.
    sockets_changed: watch::Sender<u64>,
    /// Routers that are connected, by the number of their session.
    routers: Mutex<BTreeMap<u64, RouterReport>>,
    sessions: AtomicU64,
    /// What routers have counted.
    counted: Mutex<Counted>,
    /// What routers have said of their certificates.
    certificates: Mutex<Told>,
    /// Since when no router was connected, if none is.
    alone_since: Mutex<Instant>,
    /// Why no router can connect.
    failure: Mutex<Option<String>>,
    /// The agent is about to end.
    ending: AtomicBool,
}

impl Router {
    /// Begins to serve. Needs a tokio runtime.
    #[must_use]
    pub fn start(settings: Settings) -> Self {
        let Settings {
            socket,
            user,
            hostname,
            ports,
        } = settings;
        let shared = Arc::new(Shared::new(hostname, ports));
        let accepting = {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move { accept::serve(&socket, user, shared).await })
        };
        Self { shared, accepting }
    }

    /// Tells routers of the tasks that are not active among `next`, before the datapath follows.
    pub fn prepare(&self, next: &Routed) {
        self.shared.view.send_if_modified(|view| {
            let ahead = view.as_ref().and_then(|view| view.ahead_of(next));
            let changed = ahead.is_some();
            if let Some(ahead) = ahead {
                *view = Some(Arc::new(ahead));
            }
            changed
        });
    }

    /// Gives routers these services, whose tasks have these addresses. The datapath has them.
    pub fn publish(&self, next: &Routed, addresses: &TaskAddresses) {
        self.shared.view.send_if_modified(|view| {
            let after = match view {
                Some(view) => view.followed_by(next, addresses),
                None => RoutedView::first(next, addresses),
            };
            let before = view.replace(Arc::new(after));
            before.is_none_or(|before| Some(before.version) != view.as_ref().map(|it| it.version))
        });
    }

    /// The agent is about to end: sockets on which no router accepts are closed. Clients are refused, and not left waiting for
    /// the agent's end; another agent, which may run already, makes new ones.
    pub fn shut_down(&self) {
        self.shared.ending.store(true, Ordering::Relaxed);
        self.shared.close_if_alone();
    }

    /// The routers that are connected.
    #[must_use]
    pub fn status(&self) -> RouterStatus {
        let view = self.shared.view.borrow();
        RouterStatus {
            view: view.as_ref().map(|view| view.version),
            connected: lock(&self.shared.routers).values().cloned().collect(),
        }
    }

    /// What routers have counted, by the services that have routes now.
    #[must_use]
    pub fn stats(&self) -> HttpStats {
        let view = self.shared.view.borrow().clone();
        let counted = lock(&self.shared.counted);
        let mut stats = counted.report(&self.shared.hostname, |service| {
            let services = &view.as_ref()?.services;
            let service = services.get(&ServiceId::from(service))?;
            Some(service.name.clone())
        });
        drop(counted);
        let certificates = self.certificates().unwrap_or_default();
        stats.routers.extend(expiries(&certificates));
        stats
    }

    /// The certificates that the router of this node can show; `None` where no router has said it.
    #[must_use]
    pub fn certificates(&self) -> Option<Arc<[RouterCertificate]>> {
        lock(&self.shared.certificates).newest()
    }

    /// Why routes are not served, or not on all ports, which certificates end, and what to do.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = self.shared.problems(Instant::now());
        let certificates = self.certificates().unwrap_or_default();
        problems.extend(expiring(&certificates, seconds_since_1970()));
        problems
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    fn new(hostname: String, ports: [u16; 2]) -> Self {
        Self {
            hostname,
            view: watch::Sender::new(None),
            listeners: Mutex::new(Listeners::new(ports)),
            sockets_changed: watch::Sender::new(0),
            routers: Mutex::default(),
            sessions: AtomicU64::new(0),
            counted: Mutex::default(),
            certificates: Mutex::default(),
            alone_since: Mutex::new(Instant::now()),
            failure: Mutex::default(),
            ending: AtomicBool::new(false),
        }
    }

    /// Changes the sockets, and lets all sessions know if there are new ones.
    fn change_listeners(&self, change: impl FnOnce(&mut Listeners) -> bool) {
        if change(&mut lock(&self.listeners)) {
            self.sockets_changed.send_modify(|changes| *changes += 1);
        }
    }

    fn next_number(&self) -> u64 {
        self.sessions.fetch_add(1, Ordering::Relaxed)
    }

    /// A session has ended.
    fn note_end(&self) {
        *lock(&self.alone_since) = Instant::now();
        self.close_if_alone();
    }

    /// Closes the sockets where the agent is about to end, and no router has them.
    fn close_if_alone(&self) {
        if self.ending.load(Ordering::Relaxed) && lock(&self.routers).is_empty() {
            lock(&self.listeners).close();
        }
    }

    fn note_failure(&self, failure: Option<String>) {
        *lock(&self.failure) = failure;
    }

    fn problems(&self, now: Instant) -> Vec<Problem> {
        let problem = |message: String| Problem {
            object: "router".to_owned(),
            message,
        };
        let mut problems = lock(&self.listeners).problems();
        if let Some(failure) = lock(&self.failure).clone() {
            problems.push(problem(format!(
                "no HTTP router can connect to this agent: {failure}; it is tried again every few seconds"
            )));
        } else if lock(&self.routers).is_empty()
            && now.saturating_duration_since(*lock(&self.alone_since)) >= MISSED_AFTER
        {
            problems.push(problem(
                "no HTTP router is connected to this agent, so HTTP routes are not served on this node; deploy it beside \
                 the agents (deploy/router.yml), and see `docker service ps` and `docker service logs` of it"
                    .to_owned(),
            ));
        }
        problems
    }
}

/// The time of day. A clock before 1970 is wrong anyway.
#[must_use]
pub fn seconds_since_1970() -> u64 {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH);
    passed.unwrap_or_default().as_secs()
}

/// A panic ends the process, so a poisoned lock is ignored.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
