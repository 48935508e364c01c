//! Connections to tasks.
//!
//! Each worker has its own. A connection of HTTP/1.1 bears one exchange at a time and is kept afterwards; a connection of
//! HTTP/2 is shared. None is kept to a task that leaves: it is closed before the task gets its signal to stop.

mod connect;
mod delivery;
mod kept;
mod lease;
mod pool;
mod streams;

pub(crate) use connect::ConnectError;
pub(crate) use delivery::Delivery;
pub(crate) use lease::Lease;

use crate::clock::Seconds;
use crate::limits::Limits;
use crate::routing::{Routing, Step};
use crate::tls::Tls;
use hashbrown::HashMap;
use http::uri::Scheme;
use lb_routes::balance::{Candidate, Ejections, Outcome, RetryBudget};
use pool::Pool;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::TcpStream;

/// What a connection leads to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Destination {
    /// Key of the task.
    pub(crate) task: u64,
    /// Its address and port.
    pub(crate) address: SocketAddr,
    /// What is spoken.
    pub(crate) transport: Transport,
}

impl Destination {
    /// The scheme of what is asked for there.
    pub(crate) fn scheme(&self) -> Scheme {
        match self.transport {
            Transport::Http1 | Transport::Http2 => Scheme::HTTP,
            Transport::Tls { .. } => Scheme::HTTPS,
        }
    }
}

/// What is spoken with a task.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Transport {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 by prior knowledge.
    Http2,
    /// TLS, and in it what both ends speak (ALPN, RFC 7301).
    Tls {
        /// The name that the task is asked for (SNI), and that its certificate is for.
        name: Arc<str>,
        /// Its certificate has to be signed by a known authority.
        verify: bool,
        /// HTTP/2 may be spoken.
        http2: bool,
    },
}

/// The connections to tasks of a worker.
pub(crate) struct Upstream {
    limits: Limits,
    pool: Rc<Pool>,
    /// Exchanges under way, by key of the task.
    loads: RefCell<HashMap<u64, Rc<Cell<u32>>>>,
    ejections: RefCell<Ejections>,
    /// By id.
    services: RefCell<HashMap<Arc<str>, Service>>,
    /// There may be tasks or services above that are gone.
    outdated: Cell<bool>,
    start: Instant,
}

/// What is kept of a service from one request to the next.
struct Service {
    /// Requests so far.
    count: u64,
    retries: RetryBudget,
}

/// An exchange that is under way at a task until this is dropped.
pub(crate) struct Load(Rc<Cell<u32>>);

impl Drop for Load {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl Upstream {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            pool: Rc::new(Pool::new(limits)),
            loads: RefCell::default(),
            ejections: RefCell::default(),
            services: RefCell::default(),
            outdated: Cell::default(),
            start: Instant::now(),
        }
    }

    /// Exchanges of this worker that are under way at a task.
    pub(crate) fn load(&self, task: u64) -> u32 {
        self.loads.borrow().get(&task).map_or(0, |load| load.get())
    }

    /// Counts an exchange at a task.
    pub(crate) fn begin(&self, task: u64) -> Load {
        let mut loads = self.loads.borrow_mut();
        let load = loads.entry(task).or_default();
        load.set(load.get().saturating_add(1));
        Load(load.clone())
    }

    /// Counts a request of a service; its number.
    pub(crate) fn count_request(&self, service: &Arc<str>) -> u64 {
        let mut services = self.services.borrow_mut();
        if !services.contains_key(service) {
            let new = Service {
                count: 0,
                retries: RetryBudget::new(self.start.elapsed()),
            };
            services.insert(service.clone(), new);
        }
        services.get_mut(service).map_or(0, |service| {
            service.count = service.count.wrapping_add(1);
            service.retries.request();
            service.count
        })
    }

    /// May a request of a service be sent to another task, as far as its budget goes?
    pub(crate) fn take_retry(&self, service: &str) -> bool {
        let mut services = self.services.borrow_mut();
        let service = services.get_mut(service);
        service.is_some_and(|service| service.retries.take(self.start.elapsed()))
    }

    /// Takes note of how an attempt at a task ended.
    pub(crate) fn ended(&self, task: u64, outcome: Outcome) {
        let now = self.start.elapsed();
        self.ejections.borrow_mut().record(task, outcome, now);
    }

    /// Takes tasks that fail again and again from those that are ready.
    pub(crate) fn eject(&self, candidates: &mut [Candidate]) {
        let now = self.start.elapsed();
        self.ejections.borrow().apply(candidates, now);
    }

    /// A connection to a task: one that is kept, if that may be, or a new one.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub(crate) async fn lease(
        &self,
        to: Destination,
        tls: &Tls,
        kept: bool,
    ) -> Result<Lease, ConnectError> {
        let taken = kept.then(|| self.pool.take(&to)).flatten();
        let reused = taken.is_some();
        let sender = match taken {
            Some(sender) => sender,
            // On the heap: each connection of a client has room for the future of an exchange, and this part is rare.
            None => Box::pin(connect::connect(&to, &self.limits, tls, &self.pool)).await?,
        };
        Ok(Lease::new(to, sender, reused, self.pool.clone()))
    }

    /// A new connection, for bytes that the router does not read.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub(crate) async fn open(&self, address: SocketAddr) -> Result<TcpStream, ConnectError> {
        connect::tcp(address, &self.limits).await
    }

    /// Connections that are kept: those that bear no exchange, and those of HTTP/2 that bear some.
    pub(crate) fn kept(&self) -> [u64; 2] {
        self.pool.count().map(|number| number as u64)
    }

    /// Exchanges of this worker that are under way at tasks which take no new ones.
    pub(crate) fn draining(&self, routing: &Routing) -> u64 {
        let (loads, tasks) = (self.loads.borrow(), routing.tasks());
        let loads = loads.iter().map(|(task, load)| (*task, load.get()));
        let draining = loads.filter(|(task, load)| *load > 0 && !tasks.stays(*task));
        draining.map(|(_, load)| u64::from(load)).sum()
    }

    /// Closes the connections to tasks that leave or are gone. What else is known of them is for [`Self::sweep`] to forget: a
    /// step comes often, and clients wait for it.
    pub(crate) fn follow(&self, step: &Step) {
        self.pool.follow(step.routing.tasks(), &step.left);
        if !step.left.is_empty() || step.removes_service {
            self.outdated.set(true);
        }
    }

    /// Closes connections that were not used for long, and forgets tasks and services that are gone.
    pub(crate) fn sweep(&self, now: Seconds, routing: &Routing) {
        self.pool.sweep(now);
        if !self.outdated.take() {
            return;
        }
        let tasks = routing.tasks();
        let mut loads = self.loads.borrow_mut();
        loads.retain(|task, load| {
            let stays = tasks.stays(*task);
            if !stays && load.get() > 0 {
                // Until its exchanges have ended.
                self.outdated.set(true);
            }
            stays || load.get() > 0
        });
        let mut ejections = self.ejections.borrow_mut();
        ejections.retain(|task| tasks.stays(task));
        let mut services = self.services.borrow_mut();
        services.retain(|service, _| routing.has_service(service));
    }
}

#[cfg(test)]
mod tests;
