//! Ranks of routes: which of those that match a request answers.

use crate::route::Route;
use crate::rule::{HostPattern, Matcher};

/// The rank of a route: the higher one answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// [`Route::effective_priority`].
    priority: i64,
    /// Of equal ones, a host before the hosts below one, and these before those of an expression.
    host: u8,
}

impl Rank {
    pub(super) fn of(route: &Route) -> Self {
        let hosts = route.rule.matchers().filter_map(|matcher| match matcher {
            Matcher::Host(HostPattern::Exact(_)) => Some(3),
            Matcher::Host(HostPattern::Below(_)) => Some(2),
            Matcher::Host(HostPattern::Regex(_)) => Some(1),
            _ => None,
        });
        Self {
            priority: route.effective_priority(),
            host: hosts.max().unwrap_or_default(),
        }
    }
}
