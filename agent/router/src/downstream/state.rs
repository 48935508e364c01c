//! What is known of one connection of a client, and how it is told to end.

use crate::clock::Seconds;
use crate::limits::Limits;
use std::cell::Cell;
use tokio::sync::Notify;

/// What is known of a connection.
#[derive(Debug)]
pub(super) struct State {
    opened: Seconds,
    /// Since when no request is under way.
    idle: Cell<Seconds>,
    under_way: Cell<u32>,
    served: Cell<bool>,
    /// Its requests come by HTTP/2.
    http2: Cell<bool>,
    /// When it was asked to end after the requests that are under way.
    closing: Cell<Option<Seconds>>,
    /// It was told to end at once.
    ended: Cell<bool>,
    /// It has served a request since it got its buffers, and was not asked to give them back.
    parkable: Cell<bool>,
    close: Notify,
    park: Notify,
    end: Notify,
}

impl State {
    pub(super) fn new(now: Seconds) -> Self {
        Self {
            opened: now,
            idle: Cell::new(now),
            under_way: Cell::new(0),
            served: Cell::new(false),
            http2: Cell::new(false),
            closing: Cell::new(None),
            ended: Cell::new(false),
            parkable: Cell::new(false),
            close: Notify::new(),
            park: Notify::new(),
            end: Notify::new(),
        }
    }

    /// Requests that are under way, and bodies of requests.
    pub(super) fn under_way(&self) -> u32 {
        self.under_way.get()
    }

    /// Since when none is.
    pub(super) fn idle_since(&self) -> Seconds {
        self.idle.get()
    }

    /// Do its requests come by HTTP/2?
    pub(super) fn is_http2(&self) -> bool {
        self.http2.get()
    }

    /// Was it told to end at once?
    pub(super) fn has_ended(&self) -> bool {
        self.ended.get()
    }

    /// Was it told to end, at once or after the requests that are under way?
    pub(super) fn is_closing(&self) -> bool {
        self.has_ended() || self.closing.get().is_some()
    }

    /// A request has come.
    pub(super) fn begin(&self, http2: bool) {
        self.served.set(true);
        self.http2.set(http2);
        self.parkable.set(true);
        self.under_way.set(self.under_way.get().saturating_add(1));
    }

    /// The body of a request may go on after the answer.
    pub(super) fn continues(&self) {
        self.under_way.set(self.under_way.get().saturating_add(1));
    }

    /// A request is over, or its body.
    pub(super) fn over(&self, now: Seconds) {
        self.under_way.set(self.under_way.get().saturating_sub(1));
        self.idle.set(now);
    }

    /// Ends it if it idles for too long, or is too old.
    pub(super) fn check(&self, limits: &Limits, now: Seconds) {
        if self.under_way.get() > 0 {
            if self.opened.is_over(limits.connection_age, now) {
                self.close(now);
            }
            return;
        }
        if !self.served.get() {
            // No request to lose.
            if self.opened.is_over(limits.first_request, now) {
                self.end();
            }
            return;
        }
        if let Some(since) = self.closing.get() {
            // It was asked to end and waits for the rest of a head, or for its client to take the last answer and close.
            let since = since.max(self.idle.get());
            if since.is_over(limits.first_request, now) {
                self.end();
            }
        } else if self.idle.get().is_over(limits.keep_alive, now)
            || self.opened.is_over(limits.connection_age, now)
        {
            self.close(now);
        } else if self.idle.get().is_over(limits.park, now)
            && !self.http2.get()
            && self.parkable.replace(false)
        {
            self.park.notify_one();
        }
    }

    /// May it be asked to give its buffers back? Once a request has come it may.
    pub(super) fn set_parkable(&self, parkable: bool) {
        self.parkable.set(parkable);
    }

    /// Ends it while no request is under way. A client that was served may have sent the next one.
    pub(super) fn close_idle(&self, now: Seconds) {
        if self.served.get() {
            self.close(now);
        } else {
            self.end();
        }
    }

    /// Asks it to end after the requests that are under way.
    pub(super) fn close(&self, now: Seconds) {
        if self.closing.get().is_none() {
            self.closing.set(Some(now));
            self.close.notify_one();
        }
    }

    /// Ends it at once.
    pub(super) fn end(&self) {
        self.ended.set(true);
        self.end.notify_one();
    }

    /// Waits for the word to end after the requests that are under way.
    pub(super) async fn told_to_close(&self) {
        self.close.notified().await;
    }

    /// Waits for the word to give buffers back until the next request.
    pub(super) async fn told_to_park(&self) {
        self.park.notified().await;
    }

    /// Waits for the word to end at once.
    pub(super) async fn told_to_end(&self) {
        self.end.notified().await;
    }
}
