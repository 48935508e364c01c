//! What is counted, once a second to the agent that takes it, and which certificates there are.

use crate::access_log::AccessLog;
use crate::routing::Store;
use crate::stats::{Feed, Sums, is_key};
use crate::tls::{Certificates, Tls};
use lb_router_wire::stats::Total;
use lb_router_wire::{ToAgent, certificates};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Time between two messages.
const EVERY: Duration = Duration::from_secs(1);

/// Tells agents what is counted, and of certificates.
pub(crate) struct Telling {
    /// Drawn when the router starts.
    instance: u64,
    sums: Arc<Mutex<Sums>>,
    log: Option<AccessLog>,
    tls: Tls,
    feed: Feed,
    /// Those that the agent was told of.
    certificates: Option<Arc<Certificates>>,
    /// `None`: the agent does not take it.
    clock: Option<Interval>,
    told: bool,
}

impl Telling {
    pub(crate) fn new(sums: Arc<Mutex<Sums>>, log: Option<AccessLog>, tls: Tls) -> Self {
        Self {
            instance: fastrand::u64(..),
            sums,
            log,
            tls,
            feed: Feed::default(),
            certificates: None,
            clock: None,
            told: false,
        }
    }

    /// Another agent, or the same one again: it is told all, if it asks.
    pub(super) fn restart(&mut self) {
        self.feed = Feed::default();
        self.certificates = None;
        self.clock = None;
        self.told = false;
    }

    /// Was the agent told something?
    pub(super) fn has_told(&self) -> bool {
        self.told
    }

    /// Does the agent take it?
    pub(super) fn asked(&mut self, takes: bool) {
        self.clock = takes.then(|| {
            let mut clock = interval(EVERY);
            clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
            clock
        });
    }

    /// Waits for the next time. Cancel-safe.
    pub(super) async fn due(&mut self) {
        match &mut self.clock {
            Some(clock) => drop(clock.tick().await),
            None => std::future::pending().await,
        }
    }

    /// Routes that the agent has sent are in force, so long after they came.
    pub(super) fn applied(&self, after: Duration) {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        sums.increase(Total::TableApplies, 1);
        let us = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        sums.increase(Total::TableApplyUs, us);
    }

    /// What the agent is told, where the routes are those of the store.
    pub(super) fn next(&mut self, store: &Store) -> Vec<ToAgent> {
        self.told = true;
        let mut messages = self.of_certificates();
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(log) = &self.log {
            sums.set(Total::LogDropped, log.dropped());
        }
        sums.set(Total::TableVersion, store.routing().version);
        sums.fold(Instant::now(), |key| {
            store
                .served(&key.service)
                .any(|entry| is_key(key, &entry.route))
        });
        let stats = self.feed.next(&mut sums, self.instance).into_iter();
        messages.extend(stats.map(ToAgent::Stats));
        messages
    }

    /// What the agent is told of certificates, if they are others than it was told of.
    fn of_certificates(&mut self) -> Vec<ToAgent> {
        let now = self.tls.certificates();
        let told = self.certificates.as_ref();
        if told.is_some_and(|told| Arc::ptr_eq(told, &now)) {
            return Vec::new();
        }
        let messages = certificates::messages(now.told().cloned());
        self.certificates = Some(now);
        messages.into_iter().map(ToAgent::Certificates).collect()
    }
}
