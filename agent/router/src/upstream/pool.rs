//! Connections that are kept for the next exchange.

use super::Destination;
use super::streams::{OfStream, Stream, Streams};
use crate::body::RequestBody;
use crate::clock::Seconds;
use crate::limits::Limits;
use hyper::client::conn::{http1, http2};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

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
    Http1(http1::SendRequest<RequestBody>),
    Http2(http2::SendRequest<OfStream>, Stream),
}

/// A connection of HTTP/1.1 that nobody uses.
struct Idle {
    sender: http1::SendRequest<RequestBody>,
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
        // As few as possible are looked at: each is somewhere else in memory.
        for place in (0..of_task.len()).rev() {
            let sender = &of_task.get(place)?.sender;
            if sender.is_ready() {
                return Some(Sender::Http1(of_task.swap_remove(place).sender));
            }
            // One that still sends a request whose answer has ended is left for later.
            if sender.is_closed() {
                of_task.swap_remove(place);
            }
        }
        None
    }

    /// Keeps a connection, if its task stays and has not enough of them.
    pub(super) fn put(&self, to: Destination, sender: http1::SendRequest<RequestBody>) {
        if sender.is_closed() || !self.staying.borrow().contains(&to.task) {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        let of_task = idle.entry(to).or_default();
        if of_task.len() < self.limits.upstream_kept {
            let since = Seconds::now();
            of_task.push(Idle { sender, since });
        }
    }

    /// Shares a connection of HTTP/2.
    pub(super) fn share(
        &self,
        to: Destination,
        sender: http2::SendRequest<OfStream>,
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
            of_task.retain(|idle| !idle.sender.is_closed() && !idle.since.is_over(limit, now));
            !of_task.is_empty()
        });
        let mut shared = self.shared.borrow_mut();
        shared.retain(|_, of_task| {
            of_task.retain(|it| {
                let used = it.streams.any() || !it.since.is_over(limit, now);
                used && !it.streams.are_retired() && !it.sender.is_closed()
            });
            !of_task.is_empty()
        });
    }
}
