//! From the agent's messages to the next [`Routing`].

use super::{Routing, Service};
use lb_router_wire as wire;
use lb_routes::registry::{Registry, Source};
use lb_routes::table::Entry;
use std::collections::{BTreeSet, HashSet};
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

/// From what was routed to what is routed next.
#[derive(Clone, Debug)]
pub struct Step {
    /// What is routed from now on.
    pub routing: Arc<Routing>,
    /// Keys of the tasks that took requests before, and take no new ones from now on.
    pub left: Arc<[u64]>,
    /// A service is gone.
    pub removes_service: bool,
}

/// What the agent has said so far.
#[derive(Debug, Default)]
pub struct Store {
    routing: Arc<Routing>,
    /// What was routed before and may be in use. It is dropped here and not by a worker, whose clients would wait meanwhile.
    before: Vec<Arc<Routing>>,
    registry: Registry,
}

impl Store {
    /// What is routed now.
    #[must_use]
    pub fn routing(&self) -> Arc<Routing> {
        self.routing.clone()
    }

    /// The routes of a service that requests can belong to.
    pub fn served(&self, service: &str) -> impl Iterator<Item = &Entry> {
        let table = self.registry.table();
        let registration = self.registry.get(service).into_iter();
        let routes = registration.flat_map(|it| it.served());
        let served = routes.filter(move |entry| table.serves(entry));
        served.map(AsRef::as_ref)
    }

    /// Takes a whole view.
    pub fn view(&mut self, view: wire::View) -> Step {
        let ids: HashSet<&str> = view.services.iter().map(|it| it.id.as_str()).collect();
        let known = self.routing.services.keys();
        let gone: Vec<Arc<str>> = known.filter(|id| !ids.contains(&***id)).cloned().collect();
        self.next(view.version, view.services, gone)
    }

    /// Takes a change of the last view.
    ///
    /// # Errors
    /// [`Gap`]: nothing has changed.
    pub fn change(&mut self, change: wire::Change) -> Result<Step, Gap> {
        let have = self.routing.version;
        if change.from != have {
            return Err(Gap {
                from: change.from,
                have,
            });
        }
        let removed = change.removed.into_iter().map(Into::into).collect();
        Ok(self.next(change.to, change.services, removed))
    }

    /// Marks tasks as leaving, whatever the view says of them.
    pub fn leaving(&mut self, tasks: &[u64]) -> Step {
        let mut routing = Routing::clone(&self.routing);
        let services = tasks.iter().filter_map(|key| routing.tasks.service(*key));
        let services: BTreeSet<Arc<str>> = services.cloned().collect();
        let mut left = Vec::new();
        for id in services {
            let Some(service) = routing.services.get(&id) else {
                continue;
            };
            let mut service = Service::clone(service);
            for task in &mut service.tasks {
                task.leaving |= tasks.contains(&task.key);
            }
            routing.put(service, &mut left);
        }
        self.step(routing, left, false)
    }

    fn next(
        &mut self,
        version: u64,
        mut services: Vec<wire::Service>,
        removed: Vec<Arc<str>>,
    ) -> Step {
        let named = services.iter_mut().map(|service| {
            let source = Source {
                name: service.name.clone(),
                created_ns: service.created_ns,
                labels: Arc::new(std::mem::take(&mut service.labels)),
                takes_part: true,
            };
            (Arc::from(service.id.as_str()), Some(source))
        });
        let removed_first = removed.iter().map(|id| (Arc::clone(id), None));
        // Conflicts are the agent's to report: it reads the labels of all services, too.
        self.registry.update(removed_first.chain(named));
        let mut routing = Routing {
            version,
            table: Arc::clone(self.registry.table()),
            ..Routing::clone(&self.routing)
        };
        let (mut left, mut removes_service) = (Vec::new(), false);
        for id in removed {
            removes_service |= routing.remove(&id, &mut left);
        }
        for mut service in services {
            service.tasks.sort_by_key(|task| task.key);
            let service = Service {
                id: service.id.into(),
                name: service.name,
                tasks: service.tasks,
            };
            routing.put(service, &mut left);
        }
        self.step(routing, left, removes_service)
    }

    fn step(&mut self, next: Routing, mut left: Vec<u64>, removes_service: bool) -> Step {
        left.retain(|key| !next.tasks.stays(*key));
        // An exchange may hold what was routed when it began, and must not be the last to do so.
        self.before.retain(|routing| Arc::strong_count(routing) > 1);
        let before = std::mem::replace(&mut self.routing, Arc::new(next));
        self.before.push(before);
        Step {
            routing: self.routing(),
            left: left.into(),
            removes_service,
        }
    }
}

#[cfg(test)]
mod tests;
