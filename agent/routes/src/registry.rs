//! The routes of all services, as their labels declare them, kept up to date service by service.
//!
//! ```text
//! labels of a service ──┬── its middlewares ──> SharedMiddlewares ──┐
//!                       └── its routes ─────────────────────────────┴──> Table
//! ```
//!
//! A change costs what it changes: the services concerned are read again, which are those whose labels are others, and those
//! that use a middleware which is another one. Agent and router both read labels by it, and so serve and tell of one table.

use crate::labels::{LabelProblem, Middlewares, SharedMiddlewares, declared_among};
use crate::persistent::PersistentHashMap;
use crate::table::{ConflictChanges, Entry, Table};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A service, by which its labels are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// When it was made, in nanoseconds since 1970.
    pub created_ns: u64,
    /// Its labels.
    pub labels: Arc<BTreeMap<String, String>>,
    /// Its routes are in the table, and others use its middlewares; or it is only told what its labels declare.
    pub takes_part: bool,
}

/// A service, and what its labels declare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The service.
    pub source: Source,
    /// Its routes.
    pub entries: Vec<Arc<Entry>>,
    /// Labels that are not served.
    pub problems: Vec<LabelProblem>,
    /// Its middlewares, for routes of all services.
    middlewares: Middlewares,
    /// Names of middlewares that its routes use, and that it has not itself.
    looked_up: BTreeSet<String>,
}

/// What has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Ids of the services whose registrations are others, or are gone.
    pub services: BTreeSet<Arc<str>>,
    /// Routes that older services keep out.
    pub conflicts: ConflictChanges,
}

/// The routes of all services. Copies share what has not changed since.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    /// By id.
    services: PersistentHashMap<Arc<str>, Arc<Registration>>,
    middlewares: SharedMiddlewares,
    /// Ids of the services that have looked up a middleware, by its name.
    users: PersistentHashMap<String, Arc<BTreeSet<Arc<str>>>>,
    table: Arc<Table>,
}

impl Registration {
    /// Its routes in the table.
    #[must_use]
    pub fn served(&self) -> &[Arc<Entry>] {
        if self.source.takes_part {
            &self.entries
        } else {
            &[]
        }
    }

    /// Does it declare middlewares that others may use?
    #[must_use]
    pub fn has_middlewares(&self) -> bool {
        !self.middlewares.is_empty()
    }

    /// A service whose routes have not been read.
    fn unread(source: Source) -> Self {
        let middlewares = if source.takes_part {
            Middlewares::of(&source.name, &source.labels)
        } else {
            Middlewares::default()
        };
        Self {
            source,
            entries: Vec::new(),
            problems: Vec::new(),
            middlewares,
            looked_up: BTreeSet::new(),
        }
    }

    /// The service of this id with its routes, where `shared` are the middlewares of all services.
    fn read(&self, id: &str, shared: &SharedMiddlewares) -> Self {
        let source = self.source.clone();
        let declared = declared_among(&source.name, &source.labels, shared);
        let entry = |route| Arc::new(Entry::new(id, &source.name, source.created_ns, route));
        Self {
            entries: declared.routes.into_iter().map(entry).collect(),
            problems: declared.problems,
            middlewares: self.middlewares.clone(),
            looked_up: declared.looked_up,
            source,
        }
    }
}

impl Registry {
    /// What the labels of a service declare.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<Registration>> {
        self.services.get(id)
    }

    /// The table of all routes. It stays the same one as long as no route changes.
    #[must_use]
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// Takes services as they are now, by id; `None`: there is none.
    pub fn update(
        &mut self,
        services: impl IntoIterator<Item = (Arc<str>, Option<Source>)>,
    ) -> Changes {
        let mut before = BTreeMap::new();
        for id in self.take(services, &mut before) {
            let known = || self.services.get(&id).cloned();
            before.entry(id.clone()).or_insert_with(known);
        }
        let mut changes = Changes::default();
        let (mut gone, mut new) = (Vec::new(), Vec::new());
        for (id, before) in before {
            let now = self.services.get(&id);
            let now = now.map(|it| Arc::new(it.read(&id, &self.middlewares)));
            let same = now == before;
            let now = if same { before.clone() } else { now };
            if let Some(now) = &now {
                self.services.insert(id.clone(), Arc::clone(now));
            }
            if same {
                continue;
            }
            self.note_looked_up(&id, before.as_deref(), now.as_deref());
            gone.extend_from_slice(before.as_deref().map_or(&[][..], Registration::served));
            new.extend_from_slice(now.as_deref().map_or(&[][..], Registration::served));
            changes.services.insert(id);
        }
        if !gone.is_empty() || !new.is_empty() {
            changes.conflicts = Arc::make_mut(&mut self.table).replace(&gone, &new);
        }
        changes
    }

    /// Takes services with their middlewares, and notes in `before` what was known of those that are others now. Those that
    /// use a middleware that is another one since.
    fn take(
        &mut self,
        services: impl IntoIterator<Item = (Arc<str>, Option<Source>)>,
        before: &mut BTreeMap<Arc<str>, Option<Arc<Registration>>>,
    ) -> BTreeSet<Arc<str>> {
        let mut names = BTreeSet::new();
        for (id, source) in services {
            let known = self.services.get(&id).cloned();
            if known.as_ref().map(|it| &it.source) == source.as_ref() {
                continue;
            }
            let now = source.map(Registration::unread);
            let ages = [known.as_deref(), now.as_ref()]
                .map(|it| Some((it?.source.created_ns, Arc::clone(&id))));
            let [was, is] = &ages;
            names.extend(self.middlewares.replace(
                was.as_ref().zip(known.as_ref().map(|it| &it.middlewares)),
                is.as_ref().zip(now.as_ref().map(|it| &it.middlewares)),
            ));
            match now {
                Some(now) => drop(self.services.insert(id.clone(), Arc::new(now))),
                None => drop(self.services.remove(&id)),
            }
            before.entry(id).or_insert(known);
        }
        let users = names.iter().filter_map(|name| self.users.get(name));
        users.flat_map(|ids| ids.iter().cloned()).collect()
    }

    /// Keeps up which names of middlewares a service has looked up.
    fn note_looked_up(
        &mut self,
        id: &Arc<str>,
        before: Option<&Registration>,
        now: Option<&Registration>,
    ) {
        let none = BTreeSet::new();
        let before = before.map_or(&none, |it| &it.looked_up);
        let now = now.map_or(&none, |it| &it.looked_up);
        for name in before.difference(now) {
            self.users.change(name.clone(), |users| {
                Arc::make_mut(users).remove(id);
            });
        }
        for name in now.difference(before) {
            self.users.change(name.clone(), |users| {
                Arc::make_mut(users).insert(Arc::clone(id));
            });
        }
    }
}

impl PartialEq for Registry {
    fn eq(&self, other: &Self) -> bool {
        // All else follows from these.
        self.services == other.services && self.table == other.table
    }
}

impl Eq for Registry {}

#[cfg(test)]
mod tests;
