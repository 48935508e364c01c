//! What all connections of one thread share.

use crate::access_log::AccessLog;
use crate::downstream::Connections;
use crate::limits::Limits;
use crate::memory::Memory;
use crate::passwords::Passwords;
use crate::routing::{Routing, Step};
use crate::stats::{Stats, Sums};
use crate::tls::Tls;
use crate::upstream::Upstream;
use ipnet::IpNet;
use lb_router_wire::stats::Total;
use lb_routes::heads::Policy;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

/// A routing that all workers share. Each counts for itself which requests hold it: those of two threads would meet in one
/// cache line.
pub(crate) type Held = Rc<Arc<Routing>>;

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
    routing: RefCell<Held>,
    random: RefCell<fastrand::Rng>,
}

/// What all workers are started with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Serving {
    /// Limits and timeouts.
    pub(crate) limits: Limits,
    /// Bytes that the process may hold.
    pub(crate) memory: Option<u64>,
    /// Which fields of other proxies are kept.
    pub(crate) forwarded: Policy,
    /// Networks of balancers whose connections begin with a header of the PROXY protocol.
    pub(crate) proxy_protocol: Vec<IpNet>,
    /// Where exchanges are logged, if they are.
    pub(crate) log: Option<AccessLog>,
    /// What all workers have counted.
    pub(crate) sums: Arc<Mutex<Sums>>,
}

impl Worker {
    pub(crate) fn new(settings: Serving, tls: Tls) -> Self {
        let stats = Rc::<Stats>::default();
        let memory = Memory::new(settings.memory);
        Self {
            connections: Connections::new(settings.limits, memory, stats.clone()),
            upstream: Upstream::new(settings.limits),
            settings,
            tls,
            passwords: Passwords::default(),
            stats,
            routing: RefCell::default(),
            random: RefCell::default(),
        }
    }

    /// This is routed from now on.
    pub(crate) fn route(&self, step: Step) {
        self.upstream.follow(&step);
        self.routing.replace(Rc::new(step.routing));
    }

    /// What is routed now.
    pub(crate) fn routing(&self) -> Held {
        self.routing.borrow().clone()
    }

    /// Adds what was counted to the sums of all workers.
    pub(crate) fn sum_up(&self) {
        let [idle, shared] = self.upstream.kept();
        self.stats.set(Total::PoolIdle, idle);
        self.stats.set(Total::PoolShared, shared);
        let draining = self.upstream.draining(&self.routing());
        self.stats.set(Total::DrainingRequests, draining);
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
