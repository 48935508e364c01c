//! The table of all routes: which route a request belongs to.
//!
//! Routes are looked up by the host of the request, so that a request costs what the routes of its host cost, and not
//! what all routes do. Among those that match, the one with the highest rank answers.

mod hosts;
mod outcome;
mod rank;

pub use outcome::Outcome;

use crate::balance::Balancer;
use crate::route::{Balance, EntryPoints, Route, Target, Tls};
use crate::rule::{Host, Request};
use hosts::Hosts;
use rank::Rank;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

/// A route, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Id of its service.
    pub service: String,
    /// Name of its service, for people.
    pub service_name: String,
    /// When the service was made, in nanoseconds since 1970.
    pub created_ns: u64,
    /// The route.
    pub route: Arc<Route>,
    /// Chooses the tasks of its requests.
    pub balancer: Balancer,
    /// The route's rule as text, and its rank: tables are made anew often, of routes that mostly stay.
    rule: String,
    rank: Rank,
}

impl Entry {
    /// A route of the service with this id and name, made at `created_ns`.
    #[must_use]
    pub fn new(service: &str, service_name: &str, created_ns: u64, route: Route) -> Self {
        let balance = match &route.target {
            Target::Tasks(tasks) => tasks.balance.clone(),
            Target::Elsewhere(_) => Balance::LeastLoaded,
        };
        Self {
            service: service.to_owned(),
            service_name: service_name.to_owned(),
            created_ns,
            balancer: Balancer::new(service, &route.name, &balance),
            rule: route.rule.to_string(),
            rank: Rank::of(&route),
            route: Arc::new(route),
        }
    }
}

/// Two services claim one rule on one entry point: the older one keeps it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "service {younger} is not served by its route {route}: service {older}, which is older, has the rule {rule} already"
)]
pub struct Conflict {
    /// Name of the service that is served.
    pub older: String,
    /// Name of the one that is not.
    pub younger: String,
    /// The route that is not served.
    pub route: String,
    /// The rule.
    pub rule: String,
    /// The route, and whose it is.
    pub entry: Arc<Entry>,
}

/// The port on which a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryPoint {
    /// 80.
    Http,
    /// 443.
    Https,
}

/// All routes, by host.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// By falling rank: a smaller number answers before a larger one.
    entries: Vec<Arc<Entry>>,
    /// Numbers of the routes that a host is named by.
    exact: HashMap<Host, Vec<usize>>,
    /// Numbers of the routes of the hosts below one.
    below: HashMap<Host, Vec<usize>>,
    /// Numbers of all other routes.
    others: Vec<usize>,
}

impl Table {
    /// The table of these routes; and those that are not served, as others have their rules.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = impl Into<Arc<Entry>>>) -> (Self, Vec<Conflict>) {
        let mut entries: Vec<Arc<Entry>> = entries.into_iter().map(Into::into).collect();
        // Who came first keeps a rule, whatever the priorities.
        entries.sort_by(|one, other| age(one).cmp(&age(other)));
        let (mut entries, conflicts) = without_conflicts(&entries);
        // Equal ranks stay in the order of age.
        entries.sort_by_key(|entry| Reverse(entry.rank));
        let mut table = Self::default();
        for (number, entry) in entries.iter().enumerate() {
            match Hosts::of(&entry.route.rule) {
                Hosts::Some { exact, below } => {
                    for host in exact {
                        table.exact.entry(host).or_default().push(number);
                    }
                    for host in below {
                        table.below.entry(host).or_default().push(number);
                    }
                }
                Hosts::All => table.others.push(number),
            }
        }
        table.entries = entries;
        (table, conflicts)
    }

    /// The route that a request belongs to.
    #[must_use]
    pub fn find(&self, entry_point: EntryPoint, request: &Request<'_>) -> Option<&Entry> {
        let exact = self.exact.get(request.host);
        let below = self.below_parents_of(request.host);
        let lists = below.chain(exact).chain([&self.others]);
        let serves = |number: &&usize| {
            let entry = self.entries.get(**number);
            entry.is_some_and(|entry| {
                entry.route.entry_points.has(entry_point) && entry.route.rule.matches(request)
            })
        };
        // The first that matches of each list; of these, the first of all.
        let found = lists.filter_map(|list| list.iter().find(serves)).min()?;
        self.entries.get(*found).map(AsRef::as_ref)
    }

    /// Is the host named by a route, on whatever entry point?
    #[must_use]
    pub fn has_host(&self, host: &Host) -> bool {
        self.exact.contains_key(host) || self.below_parents_of(host).next().is_some()
    }

    /// The first route of a host on 443 that says anything of how TLS is spoken ([`Route::tls`]).
    #[must_use]
    pub fn tls(&self, host: &Host) -> Option<&Entry> {
        let exact = self.exact.get(host);
        let numbers = exact
            .into_iter()
            .chain(self.below_parents_of(host))
            .flatten();
        let entries = numbers.filter_map(|number| Some((number, self.entries.get(*number)?)));
        let says = |(_, entry): &(&usize, &Arc<Entry>)| {
            entry.route.entry_points.https && entry.route.tls != Tls::default()
        };
        let (_, first) = entries.filter(says).min_by_key(|(number, _)| **number)?;
        Some(first.as_ref())
    }

    /// The lists of routes of the hosts below which `host` is.
    fn below_parents_of(&self, host: &Host) -> impl Iterator<Item = &Vec<usize>> {
        // Most tables have none.
        let parents = (!self.below.is_empty()).then(|| host.parents());
        let parents = parents.into_iter().flatten();
        parents.filter_map(|parent| self.below.get(parent))
    }

    /// All routes that are served, by falling rank.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().map(AsRef::as_ref)
    }
}

impl EntryPoints {
    /// Is the route served on it?
    fn has(self, entry_point: EntryPoint) -> bool {
        match entry_point {
            EntryPoint::Http => self.http,
            EntryPoint::Https => self.https,
        }
    }
}

/// The order of services and of their routes: the same on every node.
fn age(entry: &Entry) -> (u64, &str, crate::route::Family, &str) {
    let route = &entry.route;
    (entry.created_ns, &entry.service, route.family, &route.name)
}

/// The entries whose rules no older one has on an entry point of theirs; `entries` are in the order of age.
fn without_conflicts(entries: &[Arc<Entry>]) -> (Vec<Arc<Entry>>, Vec<Conflict>) {
    let mut owners: HashMap<(&str, bool), &Entry> = HashMap::with_capacity(2 * entries.len());
    let mut conflicts = Vec::new();
    let mut kept = Vec::with_capacity(entries.len());
    for entry in entries {
        let points = entry.route.entry_points;
        let points = [(points.http, false), (points.https, true)];
        let served = points.iter().filter(|(served, _)| *served);
        let keys = served.map(|(_, tls)| (entry.rule.as_str(), *tls));
        if let Some(older) = keys.clone().find_map(|key| owners.get(&key)) {
            conflicts.push(Conflict {
                older: older.service_name.clone(),
                younger: entry.service_name.clone(),
                route: entry.route.name.clone(),
                rule: entry.rule.clone(),
                entry: Arc::clone(entry),
            });
            continue;
        }
        owners.extend(keys.map(|key| (key, entry.as_ref())));
        kept.push(Arc::clone(entry));
    }
    (kept, conflicts)
}

#[cfg(test)]
mod tests;
