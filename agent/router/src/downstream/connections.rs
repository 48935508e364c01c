//! All connections of clients of one worker: how many there are, since when they idle, and how they end.
//!
//! A sweep once a second ends those that idle for too long. It takes the place of a timer for each connection and
//! request. More often the memory is looked at: where it is short, connections end so that others are served.

use super::addresses::{Addresses, OfAddress};
use super::relief::{Candidate, ending};
use super::state::State;
use crate::clock::Seconds;
use crate::limits::Limits;
use crate::memory::{Memory, Pressure};
use crate::stats::Stats;
use hashbrown::HashMap;
use lb_router_wire::stats::Total;
use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use tokio::sync::Notify;

/// After so many new connections and requests the memory is looked at, besides from time to time: each may cost some 200 KiB.
const LOOK_AFTER: u32 = 64;
/// Room is short where less than one in so many of the connections is left that there may be.
const ROOM: usize = 16;
/// One client address may have one in so many of the requests that there may be.
const PART: usize = 4;

/// The connections of a worker.
pub(crate) struct Connections(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    limits: Limits,
    memory: Memory,
    stats: Rc<Stats>,
    next: Cell<u64>,
    states: RefCell<HashMap<u64, Rc<State>>>,
    addresses: Addresses,
    /// Requests under way on all of them.
    under_way: Cell<usize>,
    /// Connections and requests that have come since the memory was looked at.
    unseen: Cell<u32>,
    /// Since when the router is about to end.
    draining: Cell<Option<Seconds>>,
    /// Told when the last connection is gone.
    empty: Notify,
}

/// A connection that is open until this is dropped.
#[derive(Debug)]
pub(super) struct Open {
    number: u64,
    address: IpAddr,
    of_address: Rc<OfAddress>,
    /// The address is a balancer's.
    balancer: bool,
    state: Rc<State>,
    shared: Rc<Shared>,
}

impl Connections {
    pub(crate) fn new(limits: Limits, memory: Memory, stats: Rc<Stats>) -> Self {
        Self(Rc::new(Shared {
            limits,
            memory,
            stats,
            next: Cell::default(),
            states: RefCell::default(),
            addresses: Addresses::default(),
            under_way: Cell::default(),
            unseen: Cell::default(),
            draining: Cell::default(),
            empty: Notify::new(),
        }))
    }

    /// Counts a connection in; `None` if there are too many, of all or of this address. `balancer`: it is a balancer's, which
    /// has the connections and requests of all its clients.
    pub(super) fn open(&self, address: IpAddr, balancer: bool, now: Seconds) -> Option<Open> {
        let Self(shared) = self;
        shared.look_after(now);
        if shared.states.borrow().len() >= shared.limits.connections {
            return None;
        }
        let most = if balancer {
            usize::MAX
        } else {
            shared.limits.connections_of_address
        };
        let of_address = shared.addresses.open(address, most)?;
        let state = Rc::new(State::new(now));
        let number = shared.next.get();
        shared.next.set(number.wrapping_add(1));
        shared.states.borrow_mut().insert(number, state.clone());
        Some(Open {
            number,
            address,
            of_address,
            balancer,
            state,
            shared: shared.clone(),
        })
    }

    /// Ends the connections that idle for too long, or are too old.
    pub(crate) fn sweep(&self, now: Seconds) {
        let Self(shared) = self;
        let draining = shared.draining.get();
        let over = draining.is_some_and(|since| since.is_over(shared.limits.drain_idle, now));
        for state in shared.states.borrow().values() {
            state.check(&shared.limits, now);
            if over && state.under_way() == 0 {
                state.close(now);
            }
        }
    }

    /// Ends some connections if memory or room is short.
    pub(crate) fn relieve(&self, now: Seconds) {
        self.0.relieve(now);
    }

    /// Ends all connections so that no request is lost: one of HTTP/2 is told so (GOAWAY); one of HTTP/1.1 is closed with
    /// its next answer, as a request may be on its way already, and if none comes, after a while.
    pub(crate) fn drain(&self, now: Seconds) {
        let Self(shared) = self;
        shared.draining.set(Some(now));
        for state in shared.states.borrow().values() {
            if state.is_http2() {
                state.close(now);
            }
        }
    }

    /// Waits until there is none.
    pub(crate) async fn ended(&self) {
        let Self(shared) = self;
        while !shared.states.borrow().is_empty() {
            shared.empty.notified().await;
        }
    }
}

impl Shared {
    /// Takes note of a new connection or request.
    fn look_after(&self, now: Seconds) {
        self.unseen.set(self.unseen.get() + 1);
        if self.unseen.get() >= LOOK_AFTER {
            self.relieve(now);
        }
    }

    fn relieve(&self, now: Seconds) {
        self.unseen.set(0);
        let states = self.states.borrow();
        let most = self.limits.connections;
        let (pressure, counted) = match self.memory.pressure(now) {
            Pressure::None if states.len() >= most - most / ROOM => {
                (Pressure::Short, Total::ShedConnections)
            }
            Pressure::None => return,
            pressure => (pressure, Total::ShedMemory),
        };
        // Where memory is very short, nobody is waited for.
        let at_once = pressure == Pressure::VeryShort;
        let may_end =
            |it: &(&u64, &Rc<State>)| !it.1.has_ended() && (at_once || !it.1.is_closing());
        let all = states.iter().filter(may_end);
        let all = all.map(|(number, state)| Candidate {
            number: *number,
            under_way: state.under_way(),
            idle_since: state.idle_since(),
        });
        for number in ending(all.collect(), pressure, now) {
            let Some(state) = states.get(&number) else {
                continue;
            };
            self.stats.up(counted);
            if at_once {
                state.end();
            } else {
                state.close_idle(now);
            }
        }
    }
}

impl Open {
    /// Counts a request in.
    pub(super) fn begin(&self, http2: bool, now: Seconds) {
        let shared = &self.shared;
        shared.look_after(now);
        shared.under_way.set(shared.under_way.get() + 1);
        self.of_address.begin();
        self.state.begin(http2);
        if http2 && self.is_draining() {
            self.state.close(now);
        }
    }

    /// Counts in the body of a request, which may go on after the answer has ended.
    pub(super) fn body_begins(&self) {
        self.state.continues();
    }

    /// Counts the body of a request out.
    pub(super) fn body_ends(&self, now: Seconds) {
        self.state.over(now);
    }

    /// Is nothing under way?
    pub(super) fn is_idle(&self) -> bool {
        self.state.under_way() == 0
    }

    /// Are more requests under way than there may be, on all connections or on those of this address?
    pub(super) fn are_too_many(&self) -> bool {
        let most = self.shared.limits.requests;
        self.shared.under_way.get() > most
            || !self.balancer && self.of_address.requests() > most.div_ceil(PART)
    }

    /// Is the router about to end?
    pub(super) fn is_draining(&self) -> bool {
        self.shared.draining.get().is_some()
    }

    /// Counts a request out.
    pub(super) fn end(&self, now: Seconds) {
        let under_way = &self.shared.under_way;
        under_way.set(under_way.get().saturating_sub(1));
        self.of_address.end();
        self.state.over(now);
    }

    /// Asks it to end after the requests that are under way.
    pub(super) fn close(&self, now: Seconds) {
        self.state.close(now);
    }

    /// Waits for the word to end after the requests that are under way.
    pub(super) async fn told_to_close(&self) {
        self.state.told_to_close().await;
    }

    /// Waits for the word to give buffers back until the next request.
    pub(super) async fn told_to_park(&self) {
        self.state.told_to_park().await;
    }

    /// May it be told to give its buffers back? Once a request has come it may.
    pub(super) fn set_parkable(&self, parkable: bool) {
        self.state.set_parkable(parkable);
    }

    /// Waits for the word to end at once.
    pub(super) async fn told_to_end(&self) {
        self.state.told_to_end().await;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut states = self.shared.states.borrow_mut();
        states.remove(&self.number);
        if states.is_empty() {
            self.shared.empty.notify_one();
        }
        self.shared.addresses.close(self.address);
    }
}

#[cfg(test)]
mod tests;
