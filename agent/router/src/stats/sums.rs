//! The sums of all workers since the router started.
//!
//! Routes that are gone for ten minutes are counted together, so that a router that serves for years knows no more names
//! than there are routes.

use super::Totals;
use lb_router_wire::stats::{Counts, NAME, RouteKey, Total};
use lb_routes::route::Route;
use std::collections::BTreeMap;
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

/// A route by its names.
pub(super) fn key(service: &str, route: &Route) -> RouteKey {
    RouteKey {
        service: service.to_owned(),
        family: route.family.as_str().to_owned(),
        name: name(route).to_owned(),
    }
}

/// Is it the key of this route of its service?
pub(crate) fn is_key(key: &RouteKey, route: &Route) -> bool {
    key.family == route.family.as_str() && key.name == name(route)
}

/// The name of a route. Labels may be long: it is cut.
fn name(route: &Route) -> &str {
    let name = route.name.as_str();
    name.get(..name.floor_char_boundary(NAME)).unwrap_or(name)
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

    /// Adds to a number of the router as a whole.
    pub(crate) fn increase(&mut self, total: Total, by: u64) {
        if let Some(sum) = self.totals.0.get_mut(total as usize) {
            *sum = sum.wrapping_add(by);
        }
    }

    /// Counts the routes together that are not served for long.
    pub(crate) fn fold(&mut self, now: Instant, is_served: impl Fn(&RouteKey) -> bool) {
        let ended = RouteKey::default();
        let mut over = Vec::new();
        for (key, sum) in &mut self.routes {
            if *key == ended || is_served(key) {
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
