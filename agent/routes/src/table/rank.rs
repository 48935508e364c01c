//! Ranks of routes: which of those that match a request answers.

use crate::route::Route;
use crate::rule::{HostPattern, Matcher};

/// The rank of a route: the higher one answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// The route's priority; by itself the length of its rule, as Traefik has it: who says more means less.
    priority: i64,
    /// Of equal ones, a host before the hosts below one, and these before those of an expression.
    host: u8,
}

impl Rank {
    pub(super) fn of(route: &Route) -> Self {
        let length = route.rule.to_string().len();
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        let hosts = route.rule.matchers().filter_map(|matcher| match matcher {
            Matcher::Host(HostPattern::Exact(_)) => Some(3),
            Matcher::Host(HostPattern::Below(_)) => Some(2),
            Matcher::Host(HostPattern::Regex(_)) => Some(1),
            _ => None,
        });
        Self {
            priority: route.priority.unwrap_or(length),
            host: hosts.max().unwrap_or_default(),
        }
    }
}
