//! The sums of all workers since the router started.
//!
//! Routes that are gone for ten minutes are counted together, so that a router that serves for years knows no more names
//! than there are routes.

use super::Totals;
use crate::routing::Routing;
use lb_router_wire::stats::{Counts, NAME, RouteKey, Total};
use lb_routes::route::Route;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// So long a route that is gone has a number of its own.
const REMEMBERED: Duration = Duration::from_secs(600);

/// The sums of all workers.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    pub(super) routes: BTreeMap<RouteKey, OfRoute>,
    /// Routes that are counted together with the ended ones from the change of this number on.
    pub(super) ended: Vec<(u64, RouteKey)>,
    pub(super) totals: Totals,
    /// Grows with each change.
    changes: u64,
}

/// The sum of a route.
#[derive(Debug, Default)]
pub(super) struct OfRoute {
    pub(super) counts: Counts,
    /// Number of its last change.
    pub(super) changed: u64,
    /// Since when it is not served.
    gone: Option<Instant>,
}

/// The routes that are served.
#[derive(Debug, Default)]
pub(crate) struct Known {
    version: Option<u64>,
    keys: BTreeSet<RouteKey>,
}

impl Known {
    /// Brings it up to date.
    pub(crate) fn follow(&mut self, routing: &Routing) {
        if self.version != Some(routing.version) {
            self.version = Some(routing.version);
            let entries = routing.entries();
            self.keys = entries.map(|it| key(&it.service, &it.route)).collect();
        }
    }
}

/// A route by its names. Labels may be long: names are cut.
pub(super) fn key(service: &str, route: &Route) -> RouteKey {
    let name = route.name.as_str();
    let name = name.get(..name.floor_char_boundary(NAME)).unwrap_or(name);
    RouteKey {
        service: service.to_owned(),
        family: route.family.to_string(),
        name: name.to_owned(),
    }
}

impl Sums {
    /// Adds what a worker has counted of a route.
    pub(super) fn add(&mut self, service: &str, route: &Route, counts: &Counts) {
        self.add_key(key(service, route), counts);
    }

    fn add_key(&mut self, key: RouteKey, counts: &Counts) {
        self.changes += 1;
        let sum = self.routes.entry(key).or_default();
        sum.counts.add(counts);
        sum.changed = self.changes;
    }

    /// Adds what a worker has counted of the router as a whole.
    pub(super) fn add_totals(&mut self, totals: &Totals) {
        for (sum, number) in self.totals.0.iter_mut().zip(totals.0) {
            *sum = sum.wrapping_add(number);
        }
    }

    /// Sets a number of the router as a whole.
    pub(crate) fn set(&mut self, total: Total, number: u64) {
        if let Some(sum) = self.totals.0.get_mut(total as usize) {
            *sum = number;
        }
    }

    /// Counts the routes together that are not among the known ones for long.
    pub(crate) fn fold(&mut self, known: &Known, now: Instant) {
        let ended = RouteKey::default();
        let mut over = Vec::new();
        for (key, sum) in &mut self.routes {
            if known.keys.contains(key) || *key == ended {
                sum.gone = None;
                continue;
            }
            let since = *sum.gone.get_or_insert(now);
            if now.saturating_duration_since(since) >= REMEMBERED && sum.counts.under_way == 0 {
                over.push(key.clone());
            }
        }
        for key in over {
            if let Some(sum) = self.routes.remove(&key) {
                self.add_key(ended.clone(), &sum.counts);
                // Whoever is told later was told the sum as well.
                self.ended.push((self.changes, key));
            }
        }
    }
}
