//! HTTP routes that services declare by their labels, for the router of the node and for people.
//!
//! Labels are read as the router reads them (`lb_router::routing::Store`): the middlewares of all services first, then each
//! service's routes among them. They are read when a service's labels change, or the middlewares of all do, and not in each
//! pass. The routes of a service that is removed answer nobody, and its middlewares are gone; its tasks stay in the datapath
//! for the connections that they have.

mod declaration;

pub use declaration::Declaration;

use super::model::{self, RoutedTask};
use crate::model::config::{Config, ROUTER_PORTS};
use crate::model::ids::{Key, ServiceId, TaskId};
use crate::model::labels::short;
use crate::model::port::{Proto, PublishedPort};
use crate::model::snapshot::{Service, Snapshot, Task};
use crate::persistent::PersistentMap;
use crate::report::{Problem, build::hostname};
use declaration::TOLD;
use lb_routes::labels::Middlewares;
use lb_routes::table::{Conflict, Entry, Table};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the labels of all services declare. Cheap to copy; none while the router is off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declarations {
    by_service: PersistentMap<ServiceId, Arc<Declaration>>,
    /// Those of all services.
    middlewares: Arc<Middlewares>,
    conflicts: Arc<Vec<Problem>>,
}

impl Declarations {
    /// What the services of `next` declare, of which this is what those of `before` did.
    pub(super) fn update(mut self, next: &Snapshot, before: &Snapshot, config: &Config) -> Self {
        if !config.router {
            return Self::default();
        }
        let mut changed = false;
        // Services whose labels are to be read.
        let mut unread = BTreeSet::new();
        for change in next.services.changes(&before.services) {
            let id = change.key();
            let same = |now: &Service, before: &Service| {
                // By which labels are read, and routes are claimed.
                now.labels == before.labels
                    && now.name == before.name
                    && now.created == before.created
                    && now.removed == before.removed
            };
            if let (Some(now), Some(before)) = (change.now(), change.before())
                && same(now, before)
            {
                continue;
            }
            changed = true;
            match change
                .now()
                .filter(|now| now.options().enabled)
                .and_then(Declaration::of)
            {
                Some(declaration) => {
                    self.by_service.insert(id.clone(), Arc::new(declaration));
                    unread.insert(id.clone());
                }
                None => drop(self.by_service.remove(id)),
            }
        }
        if changed {
            let middlewares = self.middlewares_among(next);
            if middlewares != *self.middlewares {
                self.middlewares = Arc::new(middlewares);
                unread = self.by_service.keys().cloned().collect();
            }
            self.read(&unread, next);
            self.conflicts = Arc::new(self.conflicts_among(next));
        }
        self
    }

    /// The middlewares of all services that are there.
    fn middlewares_among(&self, snapshot: &Snapshot) -> Middlewares {
        let services = self.by_service.iter().filter_map(|(id, declaration)| {
            let service = snapshot.services.get(id).filter(|it| !it.removed)?;
            Some((service.created, id.as_str(), &declaration.middlewares))
        });
        Middlewares::of_all(services)
    }

    /// Reads the labels of these services. Declarations that say the same stay as they are.
    fn read(&mut self, services: &BTreeSet<ServiceId>, snapshot: &Snapshot) {
        for id in services {
            let known = self.by_service.get(id).zip(snapshot.services.get(id));
            let read = known.and_then(|(declaration, service)| {
                let read = declaration.read(id, service, &self.middlewares);
                (read != **declaration).then_some(read)
            });
            if let Some(read) = read {
                self.by_service.insert(id.clone(), Arc::new(read));
            }
        }
    }

    /// What a service declares; `None` if it has no labels of routes.
    #[must_use]
    pub fn get(&self, service: &ServiceId) -> Option<&Arc<Declaration>> {
        self.by_service.get(service)
    }

    /// The table of all routes that are served, and those that are not, as older services have their rules.
    #[must_use]
    pub fn table(&self, snapshot: &Snapshot) -> (Table, Vec<Conflict>) {
        Table::new(self.entries(snapshot))
    }

    /// What in the labels of routes is not served, and why: labels, and rules that others have.
    #[must_use]
    pub fn problems(&self, snapshot: &Snapshot) -> Vec<Problem> {
        let labels = self.by_service.iter().filter_map(|(id, declaration)| {
            let service = snapshot.services.get(id)?;
            Some(declaration.problems(service))
        });
        let mut problems: Vec<Problem> = labels.flatten().collect();
        problems.extend(self.conflicts().cloned());
        problems
    }

    /// Rules that older services have.
    pub(super) fn conflicts(&self) -> impl Iterator<Item = &Problem> {
        self.conflicts.iter()
    }

    fn conflicts_among(&self, snapshot: &Snapshot) -> Vec<Problem> {
        let (_, conflicts) = self.table(snapshot);
        let conflicts = conflicts.iter().map(|conflict| Problem {
            object: format!("service {}", conflict.younger),
            message: short(&format!("{conflict}; choose another rule"), TOLD),
        });
        conflicts.collect()
    }

    fn entries(&self, snapshot: &Snapshot) -> impl Iterator<Item = Arc<Entry>> {
        let served = self.by_service.iter().filter(|(id, _)| {
            let service = snapshot.services.get(id);
            service.is_some_and(|service| !service.removed)
        });
        served.flat_map(|(_, declaration)| declaration.entries.iter().cloned())
    }
}

/// Ports of the router among those that `service` publishes, on whichever nodes.
pub(super) fn ports_of_router(service: &Service) -> Vec<PublishedPort> {
    let on_every_node = service.claims().into_iter().map(|claim| claim.port);
    let mut ports: Vec<PublishedPort> =
        service.ports.iter().copied().chain(on_every_node).collect();
    ports.retain(|port| port.proto == Proto::Tcp && ROUTER_PORTS.contains(&port.published));
    ports.sort_unstable_by_key(|port| port.published);
    ports.dedup_by_key(|port| port.published);
    ports
}

/// The tasks among `tasks` that `served` has.
pub(super) fn tasks<'a>(
    snapshot: &Snapshot,
    served: &model::Service,
    tasks: impl Iterator<Item = (&'a TaskId, &'a Task)>,
) -> Vec<RoutedTask> {
    let known = tasks.filter_map(|(id, task)| {
        let key = Key::from(id);
        let backend = served.backends.get(&key)?;
        Some(RoutedTask {
            id: id.clone(),
            key,
            node: hostname(snapshot, &task.node),
            local: backend.locality != model::Locality::Remote,
            active: backend.active,
        })
    });
    known.collect()
}

#[cfg(test)]
mod tests;
