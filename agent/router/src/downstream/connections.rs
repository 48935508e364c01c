//! All connections of clients of one worker: how many there are, since when they idle, and how they end.
//!
//! A sweep once a second ends those that idle for too long. It takes the place of a timer for each connection and
//! request.

use crate::clock::Seconds;
use crate::limits::Limits;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::rc::Rc;
use tokio::sync::Notify;

/// The connections of a worker.
pub(crate) struct Connections {
    limits: Limits,
    shared: Rc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    next: Cell<u64>,
    states: RefCell<HashMap<u64, Rc<State>>>,
    of_address: RefCell<HashMap<IpAddr, usize>>,
    /// Since when the router is about to end.
    draining: Cell<Option<Seconds>>,
    /// Told when the last connection is gone.
    empty: Notify,
}

/// What is known of a connection.
#[derive(Debug)]
struct State {
    opened: Seconds,
    /// Since when no request is under way.
    idle: Cell<Seconds>,
    under_way: Cell<u32>,
    served: Cell<bool>,
    /// Its requests come by HTTP/2.
    http2: Cell<bool>,
    /// When it was asked to end after the requests that are under way.
    closing: Cell<Option<Seconds>>,
    close: Notify,
    end: Notify,
    /// It was asked to give its buffers back, and has not got new ones since.
    parks: Cell<bool>,
    park: Notify,
}

/// A connection that is open until this is dropped.
#[derive(Debug)]
pub(super) struct Open {
    number: u64,
    address: IpAddr,
    state: Rc<State>,
    shared: Rc<Shared>,
}

impl Connections {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            shared: Rc::default(),
        }
    }

    /// Counts a connection in; `None` if there are too many, of all or of this address. `proxy`: it is a balancer's, which
    /// has those of all its clients.
    pub(super) fn open(&self, address: IpAddr, proxy: bool, now: Seconds) -> Option<Open> {
        let shared = &self.shared;
        if shared.states.borrow().len() >= self.limits.connections {
            return None;
        }
        let address = network(address);
        let mut of_address = shared.of_address.borrow_mut();
        let of_this = of_address.entry(address).or_default();
        if *of_this >= self.limits.connections_of_address && !proxy {
            return None;
        }
        *of_this += 1;
        let state = Rc::new(State {
            opened: now,
            idle: Cell::new(now),
            under_way: Cell::new(0),
            served: Cell::new(false),
            http2: Cell::new(false),
            closing: Cell::new(None),
            close: Notify::new(),
            end: Notify::new(),
            parks: Cell::new(false),
            park: Notify::new(),
        });
        let number = shared.next.get();
        shared.next.set(number.wrapping_add(1));
        shared.states.borrow_mut().insert(number, state.clone());
        Some(Open {
            number,
            address,
            state,
            shared: shared.clone(),
        })
    }

    /// Ends the connections that idle for too long, or are too old.
    pub(crate) fn sweep(&self, now: Seconds) {
        let draining = self.shared.draining.get();
        let over = draining.is_some_and(|since| since.is_over(self.limits.drain_idle, now));
        for state in self.shared.states.borrow().values() {
            state.check(&self.limits, now);
            if over && state.under_way.get() == 0 {
                state.close(now);
            }
        }
    }

    /// Ends all connections so that no request is lost: one of HTTP/2 is told so (GOAWAY); one of HTTP/1.1 is closed with
    /// its next answer, as a request may be on its way already, and if none comes, after a while.
    pub(crate) fn drain(&self, now: Seconds) {
        self.shared.draining.set(Some(now));
        for state in self.shared.states.borrow().values() {
            if state.http2.get() {
                state.close(now);
            }
        }
    }

    /// Waits until there is none.
    pub(crate) async fn ended(&self) {
        while !self.shared.states.borrow().is_empty() {
            self.shared.empty.notified().await;
        }
    }
}

impl State {
    fn check(&self, limits: &Limits, now: Seconds) {
        if self.under_way.get() > 0 {
            if self.opened.is_over(limits.connection_age, now) {
                self.close(now);
            }
            return;
        }
        if !self.served.get() {
            // No request to lose.
            if self.opened.is_over(limits.first_request, now) {
                self.end.notify_one();
            }
            return;
        }
        if let Some(since) = self.closing.get() {
            // It was asked to end and waits for the rest of a head, or for its client to take the last answer and close.
            let since = since.max(self.idle.get());
            if since.is_over(limits.first_request, now) {
                self.end.notify_one();
            }
        } else if self.idle.get().is_over(limits.keep_alive, now)
            || self.opened.is_over(limits.connection_age, now)
        {
            self.close(now);
        } else if self.idle.get().is_over(limits.park, now)
            && !self.http2.get()
            && !self.parks.replace(true)
        {
            self.park.notify_one();
        }
    }

    fn close(&self, now: Seconds) {
        if self.closing.get().is_none() {
            self.closing.set(Some(now));
            self.close.notify_one();
        }
    }
}

impl Open {
    /// Counts a request in.
    pub(super) fn begin(&self, http2: bool, now: Seconds) {
        let state = &self.state;
        state.served.set(true);
        state.http2.set(http2);
        state.under_way.set(state.under_way.get().saturating_add(1));
        if http2 && self.is_draining() {
            state.close(now);
        }
    }

    /// Counts in what goes on of a request beside the rest of it.
    pub(super) fn continues(&self) {
        let under_way = &self.state.under_way;
        under_way.set(under_way.get().saturating_add(1));
    }

    /// Is no request under way?
    pub(super) fn is_idle(&self) -> bool {
        self.state.under_way.get() == 0
    }

    /// Is the router about to end?
    pub(super) fn is_draining(&self) -> bool {
        self.shared.draining.get().is_some()
    }

    /// Counts a request out.
    pub(super) fn end(&self, now: Seconds) {
        let under_way = self.state.under_way.get();
        self.state.under_way.set(under_way.saturating_sub(1));
        self.state.idle.set(now);
    }

    /// Asks it to end after the requests that are under way.
    pub(super) fn close(&self, now: Seconds) {
        self.state.close(now);
    }

    /// Waits for the word to end after the requests that are under way.
    pub(super) async fn told_to_close(&self) {
        self.state.close.notified().await;
    }

    /// Waits for the word to give buffers back until the next request.
    pub(super) async fn told_to_park(&self) {
        self.state.park.notified().await;
    }

    /// It has buffers, and may be told again to give them back.
    pub(super) fn resume(&self) {
        self.state.parks.set(false);
    }

    /// Waits for the word to end at once.
    pub(super) async fn told_to_end(&self) {
        self.state.end.notified().await;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut states = self.shared.states.borrow_mut();
        states.remove(&self.number);
        if states.is_empty() {
            self.shared.empty.notify_one();
        }
        let mut of_address = self.shared.of_address.borrow_mut();
        if let Some(count) = of_address.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                of_address.remove(&self.address);
            }
        }
    }
}

/// The network by which the connections of an address are counted: 64 bits of IPv6, of which one client has as many
/// addresses as it likes (RFC 6177).
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            Ipv6Addr::from_bits(network).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Connections;
    use crate::clock::Seconds;
    use crate::limits::Limits;
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn an_address_has_so_many_connections_and_gets_room_when_one_ends() {
        let connections = Connections::new(Limits {
            connections: 3,
            connections_of_address: 2,
            ..Limits::default()
        });
        let open = |address| connections.open(address, false, Seconds::now());
        let first = open(CLIENT).unwrap();
        let _second = open(CLIENT).unwrap();
        assert!(open(CLIENT).is_none());
        let _other = open(Ipv4Addr::new(127, 0, 0, 2).into()).unwrap();
        assert!(open(Ipv4Addr::new(127, 0, 0, 3).into()).is_none(), "of all");
        drop(first);
        assert!(open(CLIENT).is_some());
    }

    #[tokio::test]
    async fn who_sends_no_request_is_ended_and_who_is_served_is_not() {
        let connections = Connections::new(Limits {
            first_request: Duration::ZERO,
            ..Limits::default()
        });
        let silent = connections.open(CLIENT, false, Seconds::now()).unwrap();
        let served = connections.open(CLIENT, false, Seconds::now()).unwrap();
        served.begin(false, Seconds::now());
        connections.sweep(Seconds::now());
        silent.told_to_end().await;
        let told = tokio::time::timeout(Duration::from_millis(10), served.told_to_end());
        assert!(told.await.is_err());
    }

    #[tokio::test]
    async fn who_was_asked_to_close_has_time_from_the_last_answer_on() {
        let connections = Connections::new(Limits::default());
        let open = connections.open(CLIENT, false, Seconds::at(0)).unwrap();
        open.begin(true, Seconds::at(0));
        connections.drain(Seconds::at(0));
        open.end(Seconds::at(20));
        connections.sweep(Seconds::at(34));
        let told = tokio::time::timeout(Duration::from_millis(10), open.told_to_end());
        assert!(told.await.is_err());
        connections.sweep(Seconds::at(35));
        open.told_to_end().await;
    }

    #[tokio::test]
    async fn who_idles_between_requests_is_asked_to_close_and_then_ended() {
        let connections = Connections::new(Limits {
            first_request: Duration::ZERO,
            keep_alive: Duration::ZERO,
            ..Limits::default()
        });
        let idle = connections.open(CLIENT, false, Seconds::now()).unwrap();
        idle.begin(false, Seconds::now());
        connections.sweep(Seconds::now());
        idle.end(Seconds::now());
        connections.sweep(Seconds::now());
        idle.told_to_close().await;
        connections.sweep(Seconds::now());
        idle.told_to_end().await;
        drop(idle);
        connections.ended().await;
    }
}
