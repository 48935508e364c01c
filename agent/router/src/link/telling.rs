//! What is counted, once a second to the agent that takes it.

use crate::access_log::AccessLog;
use crate::routing::Store;
use crate::stats::{Feed, Sums, is_key};
use lb_router_wire::stats::{Stats, Total};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Time between two messages.
const EVERY: Duration = Duration::from_secs(1);

/// Tells agents what is counted.
pub(crate) struct Telling {
    /// Drawn when the router starts.
    instance: u64,
    sums: Arc<Mutex<Sums>>,
    log: Option<AccessLog>,
    feed: Feed,
    /// `None`: the agent does not take it.
    clock: Option<Interval>,
    told: bool,
}

impl Telling {
    pub(crate) fn new(sums: Arc<Mutex<Sums>>, log: Option<AccessLog>) -> Self {
        Self {
            instance: fastrand::u64(..),
            sums,
            log,
            feed: Feed::default(),
            clock: None,
            told: false,
        }
    }

    /// Another agent, or the same one again: it is told all, if it asks.
    pub(super) fn restart(&mut self) {
        self.feed = Feed::default();
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
    pub(super) fn next(&mut self, store: &Store) -> Vec<Stats> {
        self.told = true;
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
        self.feed.next(&mut sums, self.instance)
    }
}
