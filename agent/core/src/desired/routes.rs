//! HTTP routes that services declare by their labels, for the router of the node and for people.
//!
//! Labels are read as the router reads them ([`lb_routes::registry`]), when a service's labels change or a middleware that it uses,
//! and not in each pass. The routes of a service that is removed answer nobody, and its middlewares are gone; its tasks stay in the
//! datapath for the connections that they have.

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
use lb_routes::registry::Registry;
use lb_routes::route::Family;
use lb_routes::table::{Conflict, ConflictChanges, Table};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the labels of all services declare. Cheap to copy; none while the router is off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declarations {
    by_service: PersistentMap<ServiceId, Arc<Declaration>>,
    registry: Registry,
    conflicts: PersistentMap<ConflictKey, Problem>,
}

/// A route that is not served, as an older service has its rule: in the order of age.
type ConflictKey = (u64, String, Family, String);

impl Declarations {
    /// What the services of `next` declare, of which this is what those of `before` did; and the services of which it is
    /// something else.
    pub(super) fn update(
        mut self,
        next: &Snapshot,
        before: &Snapshot,
        config: &Config,
    ) -> (Self, BTreeSet<ServiceId>) {
        if !config.router {
            return (Self::default(), BTreeSet::new());
        }
        let (mut sources, mut withheld) = (Vec::new(), BTreeMap::new());
        let mut changed = BTreeSet::new();
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
            let enabled = change.now().filter(|now| now.options().enabled);
            let (source, why) = enabled.and_then(declaration::source).unzip();
            let why = why.flatten();
            if self.get(id).is_some_and(|it| it.withheld() != why.as_ref()) {
                changed.insert(id.clone());
            }
            withheld.insert(id.clone(), why);
            sources.push((Arc::from(id.as_str()), source));
        }
        let changes = self.registry.update(sources);
        let ids = changes.services.iter();
        changed.extend(ids.map(|id| ServiceId::from(&**id)));
        for id in &changed {
            let Some(registration) = self.registry.get(id.as_str()) else {
                self.by_service.remove(id);
                continue;
            };
            let why = match withheld.remove(id) {
                Some(why) => why,
                // Its labels are as before.
                None => self.get(id).and_then(|it| it.withheld().cloned()),
            };
            let declaration = Declaration::new(Arc::clone(registration), why);
            self.by_service.insert(id.clone(), Arc::new(declaration));
        }
        self.note_conflicts(&changes.conflicts);
        (self, changed)
    }

    fn note_conflicts(&mut self, changes: &ConflictChanges) {
        for conflict in &changes.gone {
            self.conflicts.remove(&conflict_key(conflict));
        }
        for conflict in &changes.new {
            let problem = Problem {
                object: format!("service {}", conflict.younger.service_name),
                message: short(&format!("{conflict}; choose another rule"), TOLD),
            };
            self.conflicts.insert(conflict_key(conflict), problem);
        }
    }

    /// What a service declares; `None` if it has no labels of routes.
    #[must_use]
    pub fn get(&self, service: &ServiceId) -> Option<&Arc<Declaration>> {
        self.by_service.get(service)
    }

    /// The table of all routes.
    #[must_use]
    pub fn table(&self) -> &Table {
        self.registry.table()
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
        self.conflicts.values()
    }
}

fn conflict_key(conflict: &Conflict) -> ConflictKey {
    let entry = &conflict.younger;
    let route = &entry.route;
    (
        entry.created_ns,
        entry.service.clone(),
        route.family,
        route.name.clone(),
    )
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
