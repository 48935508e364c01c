//! Connections that are kept for the next exchange.

use super::Destination;
use super::delivery::Sent;
use super::kept::Kept;
use super::streams::{OfStream, Stream, Streams};
use crate::body::RequestBody;
use crate::clock::Seconds;
use crate::limits::Limits;
use crate::routing::Tasks;
use hyper::client::conn::{http1, http2};
use std::cell::RefCell;
use std::sync::Arc;

/// The kept connections of a worker.
pub(crate) struct Pool {
    limits: Limits,
    idle: RefCell<Kept<Idle>>,
    /// Connections that several exchanges share.
    shared: RefCell<Kept<Shared>>,
    /// To those that take no new requests nothing is kept.
    tasks: RefCell<Tasks>,
}

/// A connection to a task, as requests are sent by it.
pub(super) enum Sender {
    Http1(Exclusive),
    Http2(http2::SendRequest<OfStream>, Stream),
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
    sender: http2::SendRequest<OfStream>,
    streams: Streams,
    /// When it was taken last.
    since: Seconds,
}

impl Pool {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            idle: RefCell::default(),
            shared: RefCell::default(),
            tasks: RefCell::default(),
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
        // As few as possible are looked at: each is somewhere else in memory.
        for place in (0..of_task.len()).rev() {
            let sender = &of_task.get(place)?.connection.sender;
            if sender.is_ready() {
                return Some(Sender::Http1(of_task.swap_remove(place).connection));
            }
            // One that still sends a request whose answer has ended is left for later.
            if sender.is_closed() {
                of_task.swap_remove(place);
            }
        }
        None
    }

    /// Keeps a connection, if its task stays, and drops another one that is kept to the task where there are enough of them: what
    /// a connection leads to may be a client's choice (the name in TLS is the host of a request), and so the number is that of
    /// the task.
    pub(super) fn put(&self, to: Destination, connection: Exclusive) {
        if connection.sender.is_closed() || !self.tasks.borrow().stays(to.task) {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        idle.make_room(to.task, self.limits.upstream_kept);
        let since = Seconds::now();
        idle.push(to, Idle { connection, since });
    }

    /// Shares a connection of HTTP/2, in the place of another one to its task where there are enough of them. What is under way
    /// on that one goes on: an exchange holds its connection by a sender of its own.
    pub(super) fn share(
        &self,
        to: Destination,
        sender: http2::SendRequest<OfStream>,
        streams: Streams,
    ) {
        if self.tasks.borrow().stays(to.task) {
            let since = Seconds::now();
            let connection = Shared {
                sender,
                streams,
                since,
            };
            let mut shared = self.shared.borrow_mut();
            shared.make_room(to.task, self.limits.upstream_kept);
            shared.push(to, connection);
        }
    }

    /// The tasks are these from now on: closes connections to those that have `left`.
    pub(super) fn follow(&self, tasks: &Tasks, left: &[u64]) {
        for task in left {
            self.idle.borrow_mut().remove(*task);
            self.shared.borrow_mut().remove(*task);
        }
        self.tasks.replace(tasks.clone());
    }

    /// Numbers of kept connections to tasks: those that bear no exchange, and those of HTTP/2 that bear some.
    pub(super) fn count(&self) -> [usize; 2] {
        let shared = self.shared.borrow();
        let busy = shared.iter().filter(|it| it.streams.any()).count();
        let free = shared.iter().count() - busy;
        [self.idle.borrow().iter().count() + free, busy]
    }

    /// Closes what was not used for long, and forgets what is closed.
    pub(super) fn sweep(&self, now: Seconds) {
        let limit = self.limits.upstream_idle;
        let mut idle = self.idle.borrow_mut();
        idle.retain(|idle| !idle.connection.sender.is_closed() && !idle.since.is_over(limit, now));
        let mut shared = self.shared.borrow_mut();
        shared.retain(|it| {
            let used = it.streams.any() || !it.since.is_over(limit, now);
            used && !it.streams.are_retired() && !it.sender.is_closed()
        });
    }
}
