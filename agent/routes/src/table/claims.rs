//! The routes that claim one rule: which of them are served. Who came first has the rule, on the entry points of its route;
//! a younger route is served where none of its entry points is taken.

use super::entry::Entry;
use std::sync::Arc;

/// A route that is not served, as an older service has its rule on one of its entry points.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "service {} is not served by its route {}: service {}, which is older, has the rule {} already",
    .younger.service_name, .younger.route.name, .older.service_name, .younger.rule
)]
pub struct Conflict {
    /// The route that is served.
    pub older: Arc<Entry>,
    /// The one that is not.
    pub younger: Arc<Entry>,
}

/// The entry points of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Points {
    None,
    Http,
    Https,
    Both,
}

impl Points {
    fn of(entry: &Entry) -> Self {
        let points = entry.route.entry_points;
        match (points.http, points.https) {
            (false, false) => Self::None,
            (true, false) => Self::Http,
            (false, true) => Self::Https,
            (true, true) => Self::Both,
        }
    }
}

/// Routes with one rule: by their entry points, and by age among those with the same ones. So the oldest of each kind, by
/// which all is decided, is found without a look at the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Claims(Vec<Arc<Entry>>);

/// The routes that have a rule, by entry point.
#[derive(Clone, Copy, Debug)]
struct Owners<'a> {
    http: Option<&'a Arc<Entry>>,
    https: Option<&'a Arc<Entry>>,
}

impl Claims {
    /// One more.
    pub(super) fn insert(&mut self, entry: Arc<Entry>) {
        match self.find(&entry) {
            Ok(at) => {
                if let Some(known) = self.0.get_mut(at) {
                    *known = entry;
                }
            }
            Err(at) => self.0.insert(at, entry),
        }
    }

    /// One less.
    pub(super) fn remove(&mut self, entry: &Entry) {
        if let Ok(at) = self.find(entry) {
            self.0.remove(at);
        }
    }

    /// The place of a route, or where it would be.
    fn find(&self, entry: &Entry) -> Result<usize, usize> {
        let place = (Points::of(entry), entry.age());
        self.0
            .binary_search_by(|known| (Points::of(known), known.age()).cmp(&place))
    }

    /// The routes that are served: two at most.
    pub(super) fn served(&self) -> impl Iterator<Item = &Arc<Entry>> {
        let Owners { http, https } = self.owners();
        let twice = |it: &&Arc<Entry>| http.is_some_and(|http| Arc::ptr_eq(http, it));
        let https = https.filter(|it| !twice(it));
        http.into_iter().chain(https)
    }

    /// Is this very route served?
    pub(super) fn serves(&self, entry: &Arc<Entry>) -> bool {
        self.served().any(|served| Arc::ptr_eq(served, entry))
    }

    /// The routes that are not served, each with the one that keeps it out.
    pub(super) fn conflicts(&self) -> Vec<Conflict> {
        let owners = self.owners();
        let conflicts = self.0.iter().filter_map(|younger| {
            let older = owners.keeping_out(younger)?;
            Some(Conflict {
                older: Arc::clone(older),
                younger: Arc::clone(younger),
            })
        });
        conflicts.collect()
    }

    fn owners(&self) -> Owners<'_> {
        let (http, https) = (self.first(Points::Http), self.first(Points::Https));
        let both = self.first(Points::Both);
        let is_before = |one: &Entry| both.is_none_or(|both| one.age() < both.age());
        // One that takes both leaves nothing to the others. Before it, one of each is served, whichever of them is older:
        // both are on one entry point only.
        if [http, https].into_iter().flatten().any(|it| is_before(it)) {
            Owners { http, https }
        } else {
            Owners {
                http: both,
                https: both,
            }
        }
    }

    /// The oldest of those with these entry points.
    fn first(&self, points: Points) -> Option<&Arc<Entry>> {
        let at = self.0.partition_point(|it| Points::of(it) < points);
        self.0.get(at).filter(|it| Points::of(it) == points)
    }
}

impl<'a> Owners<'a> {
    /// The older route by which a route is not served.
    fn keeping_out(self, younger: &Entry) -> Option<&'a Arc<Entry>> {
        let points = younger.route.entry_points;
        let http = self.http.filter(|_| points.http);
        let https = self.https.filter(|_| points.https);
        let mut owners = http.into_iter().chain(https);
        owners.find(|owner| owner.age() < younger.age())
    }
}
