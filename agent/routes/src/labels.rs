//! From a service's labels to its routes. A label that is not served is named, and the rest of the service is served;
//! but where a label keeps clients out (authentication, an allow-list) and is not understood, its route is closed.

mod interlock;
mod problem;
mod traefik;
mod values;

pub use problem::{LabelError, LabelProblem};
pub use traefik::{Middlewares, SharedMiddlewares};

use crate::route::Route;
use std::collections::{BTreeMap, BTreeSet};

/// Largest number of routes of one service: each has a rule that is compiled, and looked at with requests of its host.
pub const ROUTES: usize = 128;

/// Is it a label of a family that declares routes, as [`declared`] reads it?
#[must_use]
pub fn is_route_label(label: &str) -> bool {
    label.starts_with(interlock::PREFIX) || traefik::without_prefix(label).is_some()
}

/// What the labels of a service declare.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// Its routes, by family and name.
    pub routes: Vec<Route>,
    /// Labels that are not served, and labels that are missing.
    pub problems: Vec<LabelProblem>,
    /// Names of middlewares that were looked for among those of all services, whether they are there or not.
    pub looked_up: BTreeSet<String>,
}

impl Declared {
    fn problem(&mut self, label: impl Into<String>, error: LabelError) {
        self.problems.push(LabelProblem {
            label: label.into(),
            error,
        });
    }
}

/// The routes that the labels of the service `name` declare, if no other service declares anything.
#[must_use]
pub fn declared(name: &str, labels: &BTreeMap<String, String>) -> Declared {
    declared_among(name, labels, &SharedMiddlewares::default())
}

/// The routes that the labels of the service `name` declare, where `others` are the middlewares of all services. Its own ones
/// come before those.
#[must_use]
pub fn declared_among(
    name: &str,
    labels: &BTreeMap<String, String>,
    others: &SharedMiddlewares,
) -> Declared {
    let mut all = Declared::default();
    interlock::declare(labels, &mut all);
    traefik::declare(name, labels, others, &mut all);
    // A name stands for one route: by names, all nodes bring routes into one order.
    let mut names = BTreeSet::new();
    for route in std::mem::take(&mut all.routes) {
        if names.insert((route.family, route.name.clone())) {
            all.routes.push(route);
        } else {
            let label = format!("{}.… ({})", route.family, route.name);
            all.problem(label, LabelError::Twice);
        }
    }
    for route in all.routes.split_off(all.routes.len().min(ROUTES)) {
        let label = format!("{}.… ({})", route.family, route.name);
        all.problem(label, LabelError::TooMany);
    }
    all.problems
        .sort_by(|one, other| one.label.cmp(&other.label));
    all
}

#[cfg(test)]
mod tests;
