//! The routes that are served, by the hosts of their requests.

use super::entry::Entry;
use super::hosts::Hosts;
use crate::persistent::PersistentHashMap;
use crate::rule::Host;
use std::sync::Arc;

/// Routes by precedence: the first whose rule matches is the one of the list that answers.
type List = Vec<Arc<Entry>>;

/// Routes by host.
#[derive(Clone, Debug, Default)]
pub(super) struct ByHost {
    /// Those of rules that name a host.
    exact: PersistentHashMap<Host, List>,
    /// Those of rules that name the hosts below one.
    below: PersistentHashMap<Host, List>,
    /// All others.
    others: Arc<List>,
}

impl ByHost {
    /// Adds a route.
    pub(super) fn insert(&mut self, entry: &Arc<Entry>) {
        self.change(entry, |list| {
            if let Err(at) = find(list, entry) {
                list.insert(at, Arc::clone(entry));
            }
        });
    }

    /// Removes a route.
    pub(super) fn remove(&mut self, entry: &Entry) {
        self.change(entry, |list| {
            if let Ok(at) = find(list, entry) {
                list.remove(at);
            }
        });
    }

    /// Changes the lists in which a route is, or has to be.
    fn change(&mut self, entry: &Entry, change: impl Fn(&mut List)) {
        match Hosts::of(&entry.route.rule) {
            Hosts::Some { exact, below } => {
                for host in exact {
                    self.exact.change(host, &change);
                }
                for host in below {
                    self.below.change(host, &change);
                }
            }
            Hosts::All => change(Arc::make_mut(&mut self.others)),
        }
    }

    /// The lists in which routes of a host may be.
    pub(super) fn lists(&self, host: &Host) -> impl Iterator<Item = &List> {
        self.naming(host).chain([&*self.others])
    }

    /// The lists of routes whose rules name the host, or hosts among which it is: its own one first, then those of the hosts that
    /// it is below of, from the nearest one on.
    pub(super) fn naming(&self, host: &Host) -> impl Iterator<Item = &List> {
        // Most tables have no names of hosts below others.
        let parents = (!self.below.is_empty()).then(|| host.parents());
        let parents = parents.into_iter().flatten();
        let below = parents.filter_map(|parent| self.below.get(parent));
        self.exact.get(host).into_iter().chain(below)
    }
}

/// The place of a route in a list, or where it would be.
fn find(list: &[Arc<Entry>], entry: &Entry) -> Result<usize, usize> {
    let place = entry.precedence();
    list.binary_search_by(|known| known.precedence().cmp(&place))
}
