//! A route of the table, and whose it is.

use super::rank::Rank;
use crate::balance::Balancer;
use crate::route::{Balance, Family, Route, Target};
use std::cmp::Reverse;
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
    /// The route's rule as text, and its rank, which are asked for with each change of the table.
    pub(super) rule: Arc<str>,
    rank: Rank,
}

/// The order of services and of their routes, which is one on all nodes: no two routes are alike in it.
pub(super) type Age<'a> = (u64, &'a str, Family, &'a str);

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
            rule: route.rule.to_string().into(),
            rank: Rank::of(&route),
            route: Arc::new(route),
        }
    }

    /// Of two routes with one rule, the one with the smaller age has it.
    pub(super) fn age(&self) -> Age<'_> {
        let route = &self.route;
        (self.created_ns, &self.service, route.family, &route.name)
    }

    /// Of two routes whose rules match a request, the one with the smaller precedence answers. While a route gets another rule,
    /// it is told from what it was before by the rule.
    pub(super) fn precedence(&self) -> (Reverse<Rank>, Age<'_>, &str) {
        (Reverse(self.rank), self.age(), &self.rule)
    }
}
