//! Connections that are kept for the next exchange.

use super::Destination;
use super::delivery::Sent;
use crate::body::RequestBody;
use crate::clock::Seconds;
use crate::limits::Limits;
use hyper::client::conn::{http1, http2};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

/// The kept connections of a worker, by what they lead to.
pub(crate) struct Pool {
    limits: Limits,
    idle: RefCell<HashMap<Destination, Vec<Idle>>>,
    /// Connections that several exchanges share.
    shared: RefCell<HashMap<Destination, Vec<Shared>>>,
    /// Keys of the tasks that take new requests: to others nothing is kept.
    staying: RefCell<HashSet<u64>>,
}

/// A connection to a task, as requests are sent by it.
pub(super) enum Sender {
    Http1(Exclusive),
    Http2(
        http2::SendRequest<RequestBody>,
        #[expect(dead_code, reason = "counted until it is dropped")] Stream,
    ),
}

/// A connection of HTTP/1.1: it bears one exchange at a time.
pub(super) struct Exclusive {
    pub(super) sender: http1::SendRequest<RequestBody>,
    /// What was sent by it.
    pub(super) sent: Arc<Sent>,
}

/// A connection of HTTP/1.1 that nobody uses.
struct Idle {
    connection: Exclusive,
    since: Seconds,
}

/// A connection of HTTP/2.
struct Shared {
    sender: http2::SendRequest<RequestBody>,
    streams: Streams,
    /// When it was taken last.
    since: Seconds,
}

/// The exchanges of a connection of HTTP/2.
#[derive(Clone)]
pub(super) struct Streams(Rc<Counts>);

struct Counts {
    open: Cell<usize>,
    /// How many may be open at a time, as the task says now.
    most: Box<dyn Fn() -> usize>,
}

/// One of them, until this is dropped.
pub(super) struct Stream(Streams);

impl Streams {
    /// None yet, and as many at a time as `most` says.
    pub(super) fn new(most: impl Fn() -> usize + 'static) -> Self {
        let (open, most) = (Cell::default(), Box::new(most));
        Self(Rc::new(Counts { open, most }))
    }

    /// One more.
    pub(super) fn begin(&self) -> Stream {
        let open = &self.0.open;
        open.set(open.get().saturating_add(1));
        Stream(self.clone())
    }

    fn any(&self) -> bool {
        self.0.open.get() > 0
    }

    fn have_room(&self) -> bool {
        self.0.open.get() < (self.0.most)()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let Self(Streams(counts)) = self;
        counts.open.set(counts.open.get().saturating_sub(1));
    }
}

impl Pool {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            idle: RefCell::default(),
            shared: RefCell::default(),
            staying: RefCell::default(),
        }
    }

    /// A kept connection: a shared one that has room, or the one that was used last.
    pub(super) fn take(&self, to: &Destination) -> Option<Sender> {
        let mut shared = self.shared.borrow_mut();
        let mut of_task = shared.get_mut(to).into_iter().flatten();
        let has_room = |it: &&mut Shared| !it.sender.is_closed() && it.streams.have_room();
        if let Some(found) = of_task.find(has_room) {
            found.since = Seconds::now();
            let stream = found.streams.begin();
            return Some(Sender::Http2(found.sender.clone(), stream));
        }
        let mut idle = self.idle.borrow_mut();
        let of_task = idle.get_mut(to)?;
        of_task.retain(|idle| !idle.connection.sender.is_closed());
        // One that still sends a request whose answer has ended is left for later.
        let ready = of_task
            .iter()
            .rposition(|idle| idle.connection.sender.is_ready())?;
        Some(Sender::Http1(of_task.swap_remove(ready).connection))
    }

    /// Keeps a connection, if its task stays and has not enough of them.
    pub(super) fn put(&self, to: Destination, connection: Exclusive) {
        if connection.sender.is_closed() || !self.staying.borrow().contains(&to.task) {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        let of_task = idle.entry(to).or_default();
        if of_task.len() < self.limits.upstream_kept {
            let since = Seconds::now();
            of_task.push(Idle { connection, since });
        }
    }

    /// Shares a connection of HTTP/2.
    pub(super) fn share(
        &self,
        to: Destination,
        sender: http2::SendRequest<RequestBody>,
        streams: Streams,
    ) {
        if self.staying.borrow().contains(&to.task) {
            let mut shared = self.shared.borrow_mut();
            shared.entry(to).or_default().push(Shared {
                sender,
                streams,
                since: Seconds::now(),
            });
        }
    }

    /// Keeps connections to these tasks only, now and from now on.
    pub(super) fn keep_only(&self, staying: &HashSet<u64>) {
        let stays = |to: &Destination| staying.contains(&to.task);
        self.idle.borrow_mut().retain(|to, _| stays(to));
        self.shared.borrow_mut().retain(|to, _| stays(to));
        self.staying.replace(staying.clone());
    }

    /// Closes what was not used for long, and forgets what is closed.
    pub(super) fn sweep(&self, now: Seconds) {
        let limit = self.limits.upstream_idle;
        self.idle.borrow_mut().retain(|_, of_task| {
            of_task.retain(|idle| {
                !idle.connection.sender.is_closed() && !idle.since.is_over(limit, now)
            });
            !of_task.is_empty()
        });
        let mut shared = self.shared.borrow_mut();
        shared.retain(|_, of_task| {
            of_task.retain(|it| {
                let used = it.streams.any() || !it.since.is_over(limit, now);
                used && !it.sender.is_closed()
            });
            !of_task.is_empty()
        });
    }
}
