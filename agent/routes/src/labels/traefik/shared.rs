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
pub struct Middlewares {
    /// The service's name.
    service: Arc<str>,
    by_name: BTreeMap<String, Arc<Vec<Filter>>>,
}

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
        Self {
            service: name.into(),
            by_name: middlewares.collect(),
        }
    }

    /// Are there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

/// When a service was made, and its id.
type Age = (u64, Arc<str>);

/// Middlewares by name, of all services. A name that services declare differently stands for nothing: none of them may take
/// from the others' routes what keeps strangers out. A change costs what it changes.
#[derive(Clone, Debug, Default)]
pub struct SharedMiddlewares {
    by_name: PersistentHashMap<String, Declarers>,
}

/// The services that declare one name.
type Declarers = Arc<BTreeMap<Age, Declarer>>;

/// A service that declares a name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Declarer {
    /// Its name.
    service: Arc<str>,
    /// What it declares.
    filters: Arc<Vec<Filter>>,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// These filters.
    Filters(Arc<Vec<Filter>>),
    /// Nothing: these two services declare it differently. The oldest one comes first.
    Disputed([Arc<str>; 2]),
}

impl SharedMiddlewares {
    /// Puts what a service declares `now` in the place of what it declared `before`; the names that stand for something
    /// else since, or for nothing.
    pub(crate) fn replace(
        &mut self,
        before: Option<(&Age, &Middlewares)>,
        now: Option<(&Age, &Middlewares)>,
    ) -> BTreeSet<String> {
        let declares = |it: Option<(&Age, &Middlewares)>, name: &str| {
            let (age, middlewares) = it?;
            let filters = Arc::clone(middlewares.by_name.get(name)?);
            let service = Arc::clone(&middlewares.service);
            Some((age.clone(), Declarer { service, filters }))
        };
        let names = [before, now].into_iter().flatten();
        let names: BTreeSet<&String> = names.flat_map(|(_, it)| it.by_name.keys()).collect();
        let mut changed = BTreeSet::new();
        for name in names {
            let (gone, new) = (declares(before, name), declares(now, name));
            if gone == new {
                continue;
            }
            let stood_for = self.get(name);
            self.by_name.change(name.clone(), |all| {
                let all = Arc::make_mut(all);
                if let Some((age, _)) = &gone {
                    all.remove(age);
                }
                all.extend(new);
            });
            if self.get(name) != stood_for {
                changed.insert(name.clone());
            }
        }
        changed
    }

    /// What a name stands for; `None` if nobody declares it.
    pub(super) fn get(&self, name: &str) -> Option<Meaning> {
        let all = self.by_name.get(name)?;
        let (_, oldest) = all.first_key_value()?;
        let other = all.values().find(|it| it.filters != oldest.filters);
        Some(match other {
            None => Meaning::Filters(Arc::clone(&oldest.filters)),
            Some(other) => Meaning::Disputed([oldest, other].map(|it| Arc::clone(&it.service))),
        })
    }
}
