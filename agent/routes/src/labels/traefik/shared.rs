//! Middlewares that routes of other services may use, too: for Traefik, the labels of all services are one name space.
//! Stacks often declare them once, on the service that was Traefik itself.

use super::{Objects, middleware};
use crate::labels::Declared;
use crate::persistent::PersistentHashMap;
use crate::route::Filter;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Middlewares by name, of one service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Middlewares(BTreeMap<String, Arc<Vec<Filter>>>);

impl Middlewares {
    /// Those that the labels of the service `name` declare. What is wrong with them is a problem of that service, which
    /// [`declared`](crate::labels::declared) names.
    #[must_use]
    pub fn of(name: &str, labels: &BTreeMap<String, String>) -> Self {
        let mut named_elsewhere = Declared::default();
        let objects = Objects::of(name, labels, &mut named_elsewhere).unwrap_or_default();
        let middlewares = objects.middlewares.iter().map(|(name, settings)| {
            let filters = middleware::filters(settings, &mut named_elsewhere);
            ((*name).to_owned(), Arc::new(filters))
        });
        Self(middlewares.collect())
    }

    /// Are there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// When a service was made, and its id: of two services that declare one name, the smaller one has it.
type Age = (u64, Arc<str>);

/// Middlewares by name, of all services: of one name, the oldest service's. A change costs what it changes.
#[derive(Clone, Debug, Default)]
pub struct SharedMiddlewares {
    by_name: PersistentHashMap<String, Declarers>,
}

/// The filters of one name, of each service that declares it.
type Declarers = Arc<BTreeMap<Age, Arc<Vec<Filter>>>>;

impl SharedMiddlewares {
    /// Puts what a service declares `now` in the place of what it declared `before`; the names that stand for other filters
    /// since, or for none.
    pub(crate) fn replace(
        &mut self,
        before: Option<(&Age, &Middlewares)>,
        now: Option<(&Age, &Middlewares)>,
    ) -> BTreeSet<String> {
        let declares = |it: Option<(&Age, &Middlewares)>, name: &str| {
            let (age, middlewares) = it?;
            let filters = middlewares.0.get(name)?;
            Some((age.clone(), Arc::clone(filters)))
        };
        let names = [before, now].into_iter().flatten();
        let names: BTreeSet<&String> = names.flat_map(|(_, it)| it.0.keys()).collect();
        let mut changed = BTreeSet::new();
        for name in names {
            let (gone, new) = (declares(before, name), declares(now, name));
            if gone == new {
                continue;
            }
            let stood_for = self.filters(name).cloned();
            self.by_name.change(name.clone(), |all| {
                let all = Arc::make_mut(all);
                if let Some((age, _)) = &gone {
                    all.remove(age);
                }
                all.extend(new);
            });
            if self.filters(name) != stood_for.as_ref() {
                changed.insert(name.clone());
            }
        }
        changed
    }

    /// The filters of a name.
    pub(super) fn get(&self, name: &str) -> Option<&[Filter]> {
        self.filters(name).map(|filters| filters.as_slice())
    }

    fn filters(&self, name: &str) -> Option<&Arc<Vec<Filter>>> {
        let (_, filters) = self.by_name.get(name)?.first_key_value()?;
        Some(filters)
    }
}
