//! What the routers of this node have counted, as they say. Pure.
//!
//! Each says its own sums, and is counted once, however often it connects. What a router has counted stays when it ends. A
//! router is not trusted: its numbers are shown and decide nothing, of names there are no more than there is room for, and
//! a service that has no routes is not named.

use lb_core::report::{HttpCounts, HttpRouteStats, HttpStats, RouterNumber};
use lb_router_wire::stats::{BOUNDS_US, CLASSES, Counts, NAME, OUTCOMES, RouteKey, Stats, Total};
use std::collections::BTreeMap;

/// Routers that are told apart: those that are connected, and some that are away and may come back.
const ROUTERS: usize = 12;
/// Routes of all routers: those of ten thousand services, while one router replaces another one. 20 MB at most.
const ROUTES: usize = 20_000;
/// Longest id of a service, and longest name of a family of labels, in bytes.
const SERVICE: usize = 64;
const FAMILY: usize = 32;

/// What routers have counted.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// By the numbers that they draw.
    routers: BTreeMap<u64, OfRouter>,
    /// Those that ended long ago, together.
    ended: OfRouter,
    begun: u64,
}

/// What one router has counted.
#[derive(Debug, Default)]
struct OfRouter {
    routes: BTreeMap<RouteKey, Counts>,
    totals: Vec<u64>,
    /// Sessions that it has.
    sessions: usize,
    /// Who began first has the lowest.
    began: u64,
}

impl Counted {
    /// A router has connected.
    pub(super) fn begin(&mut self, instance: u64) {
        self.begun += 1;
        let router = self.routers.entry(instance).or_default();
        router.sessions += 1;
        router.began = self.begun;
        while self.routers.len() > ROUTERS || self.routes() > ROUTES / 2 {
            let away = self.routers.iter().filter(|(_, it)| it.sessions == 0);
            let Some(oldest) = away.min_by_key(|(_, it)| it.began).map(|(key, _)| *key) else {
                return;
            };
            if let Some(router) = self.routers.remove(&oldest) {
                self.ended.add(&router);
            }
        }
    }

    /// Names that are kept.
    fn routes(&self) -> usize {
        let routers = self.routers.values().chain([&self.ended]);
        routers.map(|router| router.routes.len()).sum()
    }

    /// A router has gone.
    pub(super) fn end(&mut self, instance: u64) {
        if let Some(router) = self.routers.get_mut(&instance) {
            router.sessions = router.sessions.saturating_sub(1);
        }
    }

    /// Takes what a router says that has begun.
    pub(super) fn take(&mut self, stats: Stats) {
        let mut room = ROUTES.saturating_sub(self.routes());
        let Some(router) = self.routers.get_mut(&stats.instance) else {
            return;
        };
        for (key, counts) in stats.routes {
            if let Some(known) = router.routes.get_mut(&key) {
                *known = counts;
            } else if room > 0 && fits(&key) {
                router.routes.insert(key, counts);
                room -= 1;
            }
        }
        for key in &stats.ended {
            router.routes.remove(key);
        }
        if !stats.totals.is_empty() {
            router.totals = stats.totals;
        }
    }

    /// The sums, on the node `hostname`. `name` is the name of a service that has routes; others are counted with the routes that
    /// are gone.
    pub(super) fn report(
        &self,
        hostname: &str,
        name: impl Fn(&str) -> Option<String>,
    ) -> HttpStats {
        let mut routes: BTreeMap<RouteKey, (String, Counts)> = BTreeMap::new();
        let mut totals = vec![0_u64; Total::ALL.len()];
        for router in self.routers.values().chain([&self.ended]) {
            for (key, counts) in &router.routes {
                let mut counts = *counts;
                if router.sessions == 0 {
                    counts.under_way = 0;
                }
                let named = name(&key.service);
                let key = named
                    .as_ref()
                    .map_or_else(RouteKey::default, |_| key.clone());
                let sum = routes.entry(key);
                let sum = sum.or_insert_with(|| (named.unwrap_or_default(), Counts::default()));
                let under_way = sum.1.under_way.saturating_add(counts.under_way);
                sum.1.add(&counts);
                sum.1.under_way = under_way;
            }
            for ((sum, number), total) in totals.iter_mut().zip(&router.totals).zip(Total::ALL) {
                if router.sessions > 0 || !is_gauge(*total) {
                    *sum = match total {
                        // While one router takes the place of another: how far the newer one is.
                        Total::TableVersion => (*sum).max(*number),
                        _ => sum.saturating_add(*number),
                    };
                }
            }
        }
        let numbers = Total::ALL.iter().zip(totals);
        let mut stats = HttpStats {
            bounds_us: BOUNDS_US.to_vec(),
            routes: routes.into_iter().map(route).collect(),
            routers: numbers.map(|it| number(hostname, it)).collect(),
        };
        stats.sort();
        stats
    }
}

impl OfRouter {
    /// Adds a router that does not come back. It has nothing under way. Where the names become too many, among them those of
    /// services that are gone, they are given up.
    fn add(&mut self, router: &Self) {
        for (key, counts) in &router.routes {
            let sum = self.routes.entry(key.clone()).or_default();
            sum.add(counts);
            sum.under_way = 0;
        }
        if self.routes.len() > ROUTES / 2 {
            let mut all = Counts::default();
            for counts in std::mem::take(&mut self.routes).values() {
                all.add(counts);
            }
            self.routes.insert(RouteKey::default(), all);
        }
        self.totals.resize(Total::ALL.len(), 0);
        for (sum, number) in self.totals.iter_mut().zip(&router.totals) {
            *sum = sum.saturating_add(*number);
        }
    }
}

/// Are its names as long as names may be?
fn fits(key: &RouteKey) -> bool {
    key.service.len() <= SERVICE && key.family.len() <= FAMILY && key.name.len() <= NAME
}

/// Does it fall, too?
fn is_gauge(total: Total) -> bool {
    !total.name().ends_with("_total")
}

fn route((key, (service_name, counts)): (RouteKey, (String, Counts))) -> HttpRouteStats {
    let named = |names: &[&str], numbers: &[u64]| {
        let pairs = names.iter().zip(numbers);
        pairs.map(|(name, it)| ((*name).to_owned(), *it)).collect()
    };
    HttpRouteStats {
        service: key.service.as_str().into(),
        service_name,
        family: key.family,
        name: key.name,
        counts: HttpCounts {
            requests: named(&CLASSES, &counts.requests),
            broken: counts.broken,
            bytes_in: counts.bytes_in,
            bytes_out: counts.bytes_out,
            latency: counts.latency.to_vec(),
            latency_us: counts.latency_us,
            upstream: counts.upstream.to_vec(),
            upstream_us: counts.upstream_us,
            tries: named(&OUTCOMES, &counts.tries),
            under_way: counts.under_way,
        },
    }
}

/// A number of the routers of this node. Each agent numbers its views by itself: those of two nodes are not added.
fn number(hostname: &str, (total, value): (&Total, u64)) -> RouterNumber {
    let of_node = (*total == Total::TableVersion).then_some(("node", hostname));
    let labels = total.labels().iter().copied().chain(of_node);
    let labels = labels.map(|(label, value)| (label.to_owned(), value.to_owned()));
    RouterNumber {
        name: total.name().to_owned(),
        labels: labels.collect(),
        value,
    }
}

#[cfg(test)]
mod tests;
