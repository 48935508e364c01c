//! Connections to tasks.
//!
//! Each worker has its own. A connection of HTTP/1.1 bears one exchange at a time and is kept afterwards; a connection of
//! HTTP/2 is shared. None is kept to a task that leaves: it is closed before the task gets its signal to stop.

mod connect;
mod lease;
mod pool;

pub(crate) use connect::ConnectError;
pub(crate) use lease::Lease;

use crate::clock::Seconds;
use crate::limits::Limits;
use crate::routing::Routing;
use lb_router_wire::Task;
use pool::Pool;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::rc::Rc;

/// What a connection leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Destination {
    /// Key of the task.
    pub(crate) task: u64,
    /// Its address and port.
    pub(crate) address: SocketAddr,
    /// What is spoken.
    pub(crate) protocol: Protocol,
}

/// What is spoken with a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 by prior knowledge.
    Http2,
}

/// The connections to tasks of a worker.
pub(crate) struct Upstream {
    limits: Limits,
    pool: Rc<Pool>,
    /// Exchanges under way, by key of the task.
    loads: RefCell<HashMap<u64, Rc<Cell<u32>>>>,
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

    /// A connection to a task: one that is kept, or a new one.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub(crate) async fn lease(&self, to: Destination) -> Result<Lease, ConnectError> {
        if let Some(kept) = self.pool.take(&to) {
            return Ok(kept);
        }
        connect::connect(to, &self.limits, self.pool.clone()).await
    }

    /// Closes the connections to tasks that leave or are gone, and forgets these tasks.
    pub(crate) fn keep_only(&self, routing: &Routing) {
        let stays = |task: &&Task| !task.leaving;
        let staying: HashSet<u64> = routing.tasks().filter(stays).map(|task| task.key).collect();
        self.pool.keep_only(&staying);
        let mut loads = self.loads.borrow_mut();
        loads.retain(|task, load| load.get() > 0 || staying.contains(task));
    }

    /// Closes connections that were not used for long.
    pub(crate) fn sweep(&self, now: Seconds) {
        self.pool.sweep(now);
    }
}
