//! Middlewares that routes of other services may use, too: for Traefik, the labels of all services are one name space.
//! Stacks often declare them once, on the service that was Traefik itself.

use super::{Objects, middleware};
use crate::labels::Declared;
use crate::route::Filter;
use std::collections::BTreeMap;

/// Middlewares by name, of one service or of several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Middlewares(BTreeMap<String, Vec<Filter>>);

impl Middlewares {
    /// Those that the labels of the service `name` declare. What is wrong with them is a problem of that service, which
    /// [`declared`](crate::labels::declared) names.
    #[must_use]
    pub fn of(name: &str, labels: &BTreeMap<String, String>) -> Self {
        let mut named_elsewhere = Declared::default();
        let objects = Objects::of(name, labels, &mut named_elsewhere).unwrap_or_default();
        let middlewares = objects.middlewares.iter().map(|(name, settings)| {
            let filters = middleware::filters(settings, &mut named_elsewhere);
            ((*name).to_owned(), filters)
        });
        Self(middlewares.collect())
    }

    /// Those of all services, of each of which is said when it was made, and its id: of one name, the oldest service's.
    #[must_use]
    pub fn of_all<'a>(services: impl IntoIterator<Item = (u64, &'a str, &'a Self)>) -> Self {
        let mut services: Vec<_> = services
            .into_iter()
            .filter(|(.., it)| !it.is_empty())
            .collect();
        services.sort_by_key(|(created_ns, id, _)| (*created_ns, *id));
        let mut all = BTreeMap::new();
        for (.., of_service) in services {
            for (name, filters) in &of_service.0 {
                let known = all.entry(name.clone());
                known.or_insert_with(|| filters.clone());
            }
        }
        Self(all)
    }

    /// Are there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Vec<Filter>> {
        self.0.get(name)
    }
}
