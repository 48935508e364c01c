//! From the agent's messages to the next [`Routing`].

use super::{Routing, Service};
use lb_router_wire as wire;
use lb_routes::labels::{self, Middlewares};
use lb_routes::table::{Entry, Table};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// A change that does not follow the view that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a change of view {from}, where view {have} is known")]
pub struct Gap {
    /// The view that it changes.
    pub from: u64,
    /// The view that is known.
    pub have: u64,
}

/// What the agent has said so far.
#[derive(Debug, Default)]
pub struct Store {
    routing: Arc<Routing>,
    /// What was routed before. It is dropped here and not by a worker, whose clients would wait meanwhile.
    before: Arc<Routing>,
    /// What each service's labels declare, by its id.
    declared: HashMap<Arc<str>, Declared>,
    /// Those of all services.
    middlewares: Middlewares,
}

/// The labels of a service, and what they declare.
#[derive(Debug)]
struct Declared {
    name: String,
    created_ns: u64,
    labels: BTreeMap<String, String>,
    middlewares: Middlewares,
    /// `None`: to be made.
    entries: Option<Vec<Arc<Entry>>>,
}

impl Declared {
    fn of(service: &wire::Service) -> Self {
        Self {
            name: service.name.clone(),
            created_ns: service.created_ns,
            labels: service.labels.clone(),
            middlewares: Middlewares::of(&service.name, &service.labels),
            entries: None,
        }
    }

    /// Its routes, where `all` are the middlewares of all services.
    fn entries(&mut self, id: &str, all: &Middlewares) -> Vec<Arc<Entry>> {
        let make = || {
            let routes = labels::declared_among(&self.name, &self.labels, all).routes;
            let entry = |route| Arc::new(Entry::new(id, &self.name, self.created_ns, route));
            routes.into_iter().map(entry).collect()
        };
        self.entries.get_or_insert_with(make).clone()
    }

    /// Does it follow from this service, too?
    fn is_of(&self, service: &wire::Service) -> bool {
        self.name == service.name
            && self.created_ns == service.created_ns
            && self.labels == service.labels
    }
}

impl Store {
    /// What is routed now.
    #[must_use]
    pub fn routing(&self) -> Arc<Routing> {
        self.routing.clone()
    }

    /// Takes a whole view.
    pub fn view(&mut self, view: wire::View) -> Arc<Routing> {
        let ids: HashSet<&str> = view.services.iter().map(|it| it.id.as_str()).collect();
        let known = self.declared.keys();
        let gone: Vec<Arc<str>> = known.filter(|id| !ids.contains(&***id)).cloned().collect();
        self.next(view.version, view.services, gone.iter().map(AsRef::as_ref))
    }

    /// Takes a change of the last view.
    ///
    /// # Errors
    /// [`Gap`]: nothing has changed.
    pub fn change(&mut self, change: wire::Change) -> Result<Arc<Routing>, Gap> {
        let have = self.routing.version;
        if change.from != have {
            return Err(Gap {
                from: change.from,
                have,
            });
        }
        let removed = change.removed.iter().map(String::as_str);
        Ok(self.next(change.to, change.services, removed))
    }

    /// Marks tasks as leaving, whatever the view says of them.
    pub fn leaving(&mut self, tasks: &[u64]) -> Arc<Routing> {
        let leaves = |task: &wire::Task| !task.leaving && tasks.contains(&task.key);
        let mut services = self.routing.services.clone();
        for service in services.values_mut() {
            if service.tasks.iter().any(leaves) {
                let mut changed = Service::clone(service);
                for task in &mut changed.tasks {
                    task.leaving |= tasks.contains(&task.key);
                }
                *service = Arc::new(changed);
            }
        }
        self.routing = Arc::new(Routing {
            services,
            ..Routing::clone(&self.routing)
        });
        self.routing()
    }

    fn next<'a>(
        &mut self,
        version: u64,
        services: Vec<wire::Service>,
        removed: impl Iterator<Item = &'a str>,
    ) -> Arc<Routing> {
        let mut routing = Routing {
            version,
            ..Routing::clone(&self.routing)
        };
        let mut routes_changed = false;
        for id in removed {
            routing.services.remove(id);
            routes_changed |= self.declared.remove(id).is_some();
        }
        for mut service in services {
            let id: Arc<str> = service.id.as_str().into();
            let known = self.declared.get(&id);
            if !known.is_some_and(|known| known.is_of(&service)) {
                self.declared.insert(id.clone(), Declared::of(&service));
                routes_changed = true;
            }
            service.tasks.sort_by_key(|task| task.key);
            let service = Service {
                id: id.clone(),
                name: service.name,
                tasks: service.tasks,
            };
            routing.services.insert(id, Arc::new(service));
        }
        if routes_changed {
            self.share_middlewares();
            let middlewares = &self.middlewares;
            let declared = self.declared.iter_mut();
            let entries = declared.flat_map(|(id, it)| it.entries(id, middlewares));
            // Conflicts are the agent's to report: it reads the labels of all services, too.
            let table = Table::new(entries).0;
            routing.passes_tls = table.entries().any(|it| it.route.tls.passthrough);
            routing.table = Arc::new(table);
        }
        self.before = std::mem::replace(&mut self.routing, Arc::new(routing));
        self.routing()
    }

    /// Brings the middlewares of all services up to date; all routes are made anew if any has changed.
    fn share_middlewares(&mut self) {
        let services = self.declared.iter();
        let all =
            Middlewares::of_all(services.map(|(id, it)| (it.created_ns, &**id, &it.middlewares)));
        if all != self.middlewares {
            self.middlewares = all;
            for it in self.declared.values_mut() {
                it.entries = None;
            }
        }
    }
}

#[cfg(test)]
mod tests;
