//! The table of all routes: which route a request belongs to.
//!
//! Routes are looked up by the host of the request, so that a request costs what the routes of its host cost, and not
//! what all routes do. Among those that match, the one with the highest rank answers.
//!
//! A table changes by the routes of some services, at the cost of those and not of all; its copies share what stays.

mod by_host;
mod claims;
mod entry;
mod hosts;
mod outcome;
mod rank;

pub use claims::Conflict;
pub use entry::Entry;
pub use outcome::Outcome;

use crate::persistent::PersistentHashMap;
use crate::route::{EntryPoints, Tls};
use crate::rule::{Host, Request};
use by_host::ByHost;
use claims::Claims;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The port on which a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryPoint {
    /// 80.
    Http,
    /// 443.
    Https,
}

/// All routes, by host. Equal to a table that is made of its routes at once, whatever has changed since it was made.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The routes that there are, by the texts of their rules. All else follows from them.
    claims: PersistentHashMap<Arc<str>, Claims>,
    by_host: ByHost,
    /// Routes that are served whose services speak TLS themselves.
    passing_tls: usize,
}

/// What a change of a table does to routes that are not served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConflictChanges {
    /// Conflicts that there are no more.
    pub gone: Vec<Conflict>,
    /// Conflicts that there were not.
    pub new: Vec<Conflict>,
}

/// Routes with one rule that go, and that come.
type Change<'a> = (Vec<&'a Entry>, Vec<&'a Arc<Entry>>);

impl Table {
    /// The table of these routes; and those that are not served, as others have their rules.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = impl Into<Arc<Entry>>>) -> (Self, Vec<Conflict>) {
        let entries: Vec<Arc<Entry>> = entries.into_iter().map(Into::into).collect();
        let mut table = Self::default();
        let mut conflicts = table.replace(&[], &entries).new;
        sort(&mut conflicts);
        (table, conflicts)
    }

    /// Puts the routes `now` in the place of the routes `before`, as a change of some services' labels does. The costs are those of
    /// the routes with the rules and the hosts that are named there.
    ///
    /// A service has no two routes of one family and name.
    pub fn replace(&mut self, before: &[Arc<Entry>], now: &[Arc<Entry>]) -> ConflictChanges {
        let mut by_rule: BTreeMap<&Arc<str>, Change<'_>> = BTreeMap::new();
        for entry in before {
            by_rule.entry(&entry.rule).or_default().0.push(entry);
        }
        for entry in now {
            by_rule.entry(&entry.rule).or_default().1.push(entry);
        }
        let mut conflicts = ConflictChanges::default();
        for (rule, (gone, new)) in by_rule {
            self.replace_with_rule(rule, &gone, &new, &mut conflicts);
        }
        conflicts
    }

    fn replace_with_rule(
        &mut self,
        rule: &Arc<str>,
        gone: &[&Entry],
        new: &[&Arc<Entry>],
        conflicts: &mut ConflictChanges,
    ) {
        let before = self.claims.remove(&**rule).unwrap_or_default();
        let mut now = before.clone();
        for entry in gone {
            now.remove(entry);
        }
        for entry in new {
            now.insert(Arc::clone(entry));
        }
        for entry in before.served().filter(|it| !now.serves(it)) {
            self.by_host.remove(entry);
            self.passing_tls -= usize::from(entry.route.tls.passthrough);
        }
        for entry in now.served().filter(|it| !before.serves(it)) {
            self.by_host.insert(entry);
            self.passing_tls += usize::from(entry.route.tls.passthrough);
        }
        let (mut gone, mut new) = (before.conflicts(), now.conflicts());
        sort(&mut gone);
        sort(&mut new);
        conflicts.gone.extend(without(&gone, &new));
        conflicts.new.extend(without(&new, &gone));
        if now != Claims::default() {
            self.claims.insert(Arc::clone(rule), now);
        }
    }

    /// The route that a request belongs to.
    #[must_use]
    pub fn find(&self, entry_point: EntryPoint, request: &Request<'_>) -> Option<&Entry> {
        let serves = |entry: &&Arc<Entry>| {
            entry.route.entry_points.has(entry_point) && entry.route.rule.matches(request)
        };
        let lists = self.by_host.lists(request.host);
        // The first that matches of each list; of these, the first of all.
        let found = lists.filter_map(|list| list.iter().find(serves));
        let first = found.min_by(|one, other| one.precedence().cmp(&other.precedence()))?;
        Some(first.as_ref())
    }

    /// Is the host named by a route, on whatever entry point?
    #[must_use]
    pub fn has_host(&self, host: &Host) -> bool {
        self.by_host.naming(host).next().is_some()
    }

    /// The route that says how TLS is spoken with the clients of a host ([`Route::tls`](crate::route::Route::tls)); `None`: as
    /// with those of every host.
    ///
    /// One service says it: of those with routes on 443 whose rules name the host, the oldest one; where there is none, of those
    /// whose rules name the hosts below the nearest one above it. Paths and priorities have no part in it, as a handshake has none,
    /// and so no younger service takes over what an older one answers.
    #[must_use]
    pub fn tls(&self, host: &Host) -> Option<&Entry> {
        let on_https = |entry: &&Arc<Entry>| entry.route.entry_points.https;
        let (list, owner) = self.by_host.naming(host).find_map(|list| {
            let routes = list.iter().filter(on_https);
            let oldest = routes.min_by(|one, other| one.age().cmp(&other.age()))?;
            Some((list, oldest))
        })?;
        let mut routes = list.iter().filter(on_https);
        let first = routes
            .find(|entry| entry.service == owner.service && entry.route.tls != Tls::default())?;
        Some(first.as_ref())
    }

    /// Is there any route whose service speaks TLS itself?
    #[must_use]
    pub fn passes_tls(&self) -> bool {
        self.passing_tls > 0
    }

    /// Is this route, which the table has, served: has no older service its rule?
    #[must_use]
    pub fn serves(&self, entry: &Arc<Entry>) -> bool {
        let claims = self.claims.get(&*entry.rule);
        claims.is_some_and(|claims| claims.serves(entry))
    }

    /// All routes that are served, by falling rank. They are put into this order for each caller.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        let served = self.claims.values().flat_map(Claims::served);
        let mut served: Vec<&Entry> = served.map(AsRef::as_ref).collect();
        served.sort_by(|one, other| one.precedence().cmp(&other.precedence()));
        served.into_iter()
    }

    /// All routes that are not served, by age.
    #[must_use]
    pub fn conflicts(&self) -> Vec<Conflict> {
        let claims = self.claims.values();
        let mut conflicts: Vec<Conflict> = claims.flat_map(Claims::conflicts).collect();
        sort(&mut conflicts);
        conflicts
    }
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        self.claims == other.claims
    }
}

impl Eq for Table {}

/// Brings conflicts into the order of the routes that are not served.
fn sort(conflicts: &mut [Conflict]) {
    conflicts.sort_by(|one, other| one.younger.age().cmp(&other.younger.age()));
}

/// The conflicts of `some` that `others` lacks. Both are sorted.
fn without(some: &[Conflict], others: &[Conflict]) -> impl Iterator<Item = Conflict> {
    let is_there = move |conflict: &Conflict| {
        let age = conflict.younger.age();
        let found = others.binary_search_by(|other| other.younger.age().cmp(&age));
        found.is_ok_and(|at| others.get(at) == Some(conflict))
    };
    some.iter().filter(move |it| !is_there(it)).cloned()
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

#[cfg(test)]
mod tests;
