//! HTTP routes that services declare by their labels, for the router of the node and for people.
//!
//! Labels are parsed when a service's labels change, and not in each pass. The routes of a service that is removed answer
//! nobody; its tasks stay in the datapath for the connections that they have.

use super::model::{self, RoutedTask};
use crate::model::config::{Config, ROUTER_PORTS};
use crate::model::ids::{Key, ServiceId, TaskId};
use crate::model::labels::{NAMED, ROUTE_BYTES, short};
use crate::model::port::{Proto, PublishedPort};
use crate::model::snapshot::{Service, Snapshot, Task};
use crate::persistent::PersistentMap;
use crate::report::{Problem, build::hostname};
use lb_routes::labels::{Declared, declared};
use lb_routes::route::Route;
use lb_routes::table::{Entry, Table};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Of one problem, so many bytes are told: whoever writes labels decides how long they are.
const TOLD: usize = 400;

/// What the labels of one service declare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// The labels.
    pub labels: Arc<BTreeMap<String, String>>,
    /// The routes, and what in the labels is not served.
    pub declared: Declared,
    /// Sentences about what is not served, as many as one service may have.
    messages: Vec<String>,
}

/// What the labels of all services declare. Cheap to copy; none while the router is off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declarations {
    by_service: PersistentMap<ServiceId, Arc<Declaration>>,
    conflicts: Arc<Vec<Problem>>,
}

impl Declaration {
    /// What `service` declares; `None` if it has no labels of routes.
    fn of(service: &Service) -> Option<Self> {
        let bytes = service.labels.route_bytes();
        if bytes == 0 {
            return None;
        }
        let labels = service.labels.route_labels();
        let mut declared = declared(&service.name, &labels);
        let mut messages = Vec::new();
        if bytes > ROUTE_BYTES {
            messages.push(format!(
                "its labels of HTTP routes (com.docker.lb.…, traefik.…) have {bytes} bytes, of which a service can \
                 have {ROUTE_BYTES}: none of its routes is served; share them out among several services"
            ));
        }
        let restricted = service.options().allow.is_some();
        if restricted && !declared.routes.is_empty() {
            declared.routes.clear();
            messages.push(
                "it has the label swarmlb.allow, which the HTTP router does not know: none of its routes is served; \
                 name the clients by com.docker.lb or traefik labels (ipallowlist) in its place"
                    .to_owned(),
            );
        }
        let problems = &declared.problems;
        let told = problems.iter().take(NAMED);
        messages.extend(told.map(|problem| short(&problem.to_string(), TOLD)));
        if let Some(more @ 1..) = problems.len().checked_sub(NAMED) {
            messages.push(format!(
                "{more} more of its labels of HTTP routes can't be served"
            ));
        }
        Some(Self {
            labels: Arc::new(labels),
            declared,
            messages,
        })
    }

    /// Does it declare a route?
    #[must_use]
    pub fn has_routes(&self) -> bool {
        !self.declared.routes.is_empty()
    }
}

impl Declarations {
    /// What the services of `next` declare, of which this is what those of `before` did.
    pub(super) fn update(mut self, next: &Snapshot, before: &Snapshot, config: &Config) -> Self {
        if !config.router {
            return Self::default();
        }
        let mut changed = false;
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
                Some(declaration) => self.by_service.insert(id.clone(), Arc::new(declaration)),
                None => self.by_service.remove(id),
            };
        }
        if changed {
            self.conflicts = Arc::new(self.conflicts_among(next));
        }
        self
    }

    /// What a service declares; `None` if it has no labels of routes.
    #[must_use]
    pub fn get(&self, service: &ServiceId) -> Option<&Arc<Declaration>> {
        self.by_service.get(service)
    }

    /// The table of all routes that are served.
    #[must_use]
    pub fn table(&self, snapshot: &Snapshot) -> Table {
        Table::new(self.entries(snapshot)).0
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
        let (_, conflicts) = Table::new(self.entries(snapshot));
        let conflicts = conflicts.iter().map(|conflict| Problem {
            object: format!("service {}", conflict.younger),
            message: short(&format!("{conflict}; choose another rule"), TOLD),
        });
        conflicts.collect()
    }

    fn entries(&self, snapshot: &Snapshot) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (id, declaration) in &self.by_service {
            let Some(service) = snapshot.services.get(id).filter(|service| !service.removed) else {
                continue;
            };
            let entry =
                |route: &Route| Entry::new(&id.0, &service.name, service.created, route.clone());
            entries.extend(declaration.declared.routes.iter().map(entry));
        }
        entries
    }
}

impl Declaration {
    /// What in the labels of `service` is not served.
    pub(super) fn problems(&self, service: &Service) -> Vec<Problem> {
        let messages = self.messages.iter();
        let problems = messages.map(|message| Problem {
            object: format!("service {}", service.name),
            message: message.clone(),
        });
        problems.collect()
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
