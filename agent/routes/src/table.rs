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
use std::collections::{BTreeMap, HashMap};
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
    pub entry: Box<Entry>,
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
    entries: Vec<Entry>,
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
    pub fn new(entries: impl IntoIterator<Item = Entry>) -> (Self, Vec<Conflict>) {
        let mut entries: Vec<Entry> = entries.into_iter().collect();
        // Who came first keeps a rule, whatever the priorities.
        entries.sort_by(|one, other| age(one).cmp(&age(other)));
        let (entries, conflicts) = without_conflicts(entries);
        let mut ranked: Vec<(Rank, Entry)> = entries
            .into_iter()
            .map(|entry| (Rank::of(&entry.route), entry))
            .collect();
        // Equal ranks stay in the order of age.
        ranked.sort_by(|(one, _), (other, _)| other.cmp(one));
        let mut table = Self::default();
        for (number, (_, entry)) in ranked.into_iter().enumerate() {
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
            table.entries.push(entry);
        }
        (table, conflicts)
    }

    /// The route that a request belongs to.
    #[must_use]
    pub fn find(&self, entry_point: EntryPoint, request: &Request<'_>) -> Option<&Entry> {
        let exact = self.exact.get(request.host).map(Vec::as_slice);
        let below = request
            .host
            .parents()
            .filter_map(|host| self.below.get(&host));
        let below: Vec<&[usize]> = below.map(Vec::as_slice).collect();
        let lists = below
            .into_iter()
            .chain(exact)
            .chain([self.others.as_slice()]);
        let serves = |number: &&usize| {
            let entry = self.entries.get(**number);
            entry.is_some_and(|entry| {
                entry.route.entry_points.has(entry_point) && entry.route.rule.matches(request)
            })
        };
        // The first that matches of each list; of these, the first of all.
        let found = lists.filter_map(|list| list.iter().find(serves)).min()?;
        self.entries.get(*found)
    }

    /// Is the host named by a route, on whatever entry point?
    #[must_use]
    pub fn has_host(&self, host: &Host) -> bool {
        self.exact.contains_key(host) || host.parents().any(|host| self.below.contains_key(&host))
    }

    /// The first route of a host on 443 that says anything of how TLS is spoken ([`Route::tls`]).
    #[must_use]
    pub fn tls(&self, host: &Host) -> Option<&Entry> {
        let below = host.parents().filter_map(|parent| self.below.get(&parent));
        let exact = self.exact.get(host);
        let numbers = exact.into_iter().chain(below).flatten();
        let entries = numbers.filter_map(|number| Some((number, self.entries.get(*number)?)));
        let says = |(_, entry): &(&usize, &Entry)| {
            entry.route.entry_points.https && entry.route.tls != Tls::default()
        };
        let first = entries.filter(says).min_by_key(|(number, _)| **number)?;
        Some(first.1)
    }

    /// All routes that are served, by falling rank.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
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

/// The entries whose rules no older one has on an entry point of theirs.
fn without_conflicts(entries: Vec<Entry>) -> (Vec<Entry>, Vec<Conflict>) {
    let mut owners: BTreeMap<(String, bool), String> = BTreeMap::new();
    let mut conflicts = Vec::new();
    let mut kept = Vec::new();
    for entry in entries {
        let rule = entry.route.rule.to_string();
        let points = entry.route.entry_points;
        let points = [(points.http, false), (points.https, true)];
        let keys = points
            .iter()
            .filter(|(served, _)| *served)
            .map(|(_, tls)| (rule.clone(), *tls));
        let keys: Vec<(String, bool)> = keys.collect();
        if let Some(older) = keys.iter().find_map(|key| owners.get(key)) {
            conflicts.push(Conflict {
                older: older.clone(),
                younger: entry.service_name.clone(),
                route: entry.route.name.clone(),
                rule,
                entry: Box::new(entry),
            });
            continue;
        }
        for key in keys {
            owners.insert(key, entry.service_name.clone());
        }
        kept.push(entry);
    }
    (kept, conflicts)
}

#[cfg(test)]
mod tests;
