//! What a router is sent: first a whole view, then what changed, and ahead of that the tasks that are being stopped. Pure.
//!
//! Views share what has not changed ([`PersistentMap`]), so that a change costs what differs. A router that is slow skips
//! views: what it is sent next follows from what it was sent last.

use lb_core::backend::TaskAddresses;
use lb_core::desired::{RoutedService, RoutedTask};
use lb_core::model::ids::ServiceId;
use lb_core::persistent::PersistentMap;
use lb_router_wire::{Change, Service, Task, ToRouter, View};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Services with HTTP routes, by id.
pub(super) type Routed = PersistentMap<ServiceId, Arc<RoutedService>>;

/// Services with HTTP routes at one moment, as all routers are to have them.
#[derive(Clone, Debug)]
pub(super) struct RoutedView {
    /// Grows with each change of `services` and `addresses`.
    pub(super) version: u64,
    /// The services.
    pub(super) services: Routed,
    /// Where their tasks are reached; a task without an address is not named to routers.
    pub(super) addresses: TaskAddresses,
    /// Keys of tasks that `services` has as active, and that take no new requests from now on.
    pub(super) leaving: BTreeSet<u64>,
}

impl RoutedView {
    /// The first view.
    pub(super) fn first(services: &Routed, addresses: &TaskAddresses) -> Self {
        Self {
            version: 1,
            services: services.clone(),
            addresses: addresses.clone(),
            leaving: BTreeSet::new(),
        }
    }

    /// The next view, in which the same services are known and the tasks that are not active among `next` are leaving;
    /// `None` if there are no such tasks.
    pub(super) fn ahead_of(&self, next: &Routed) -> Option<Self> {
        let leaving = leaving(next, &self.services);
        (!leaving.is_empty()).then(|| Self {
            leaving,
            ..self.clone()
        })
    }

    /// The view of these services and addresses: of the same number if it says the same. It shares with `next`, so that what follows
    /// from that is compared at little cost.
    pub(super) fn followed_by(&self, next: &Routed, addresses: &TaskAddresses) -> Self {
        let same =
            self.services == *next && self.addresses == *addresses && self.leaving.is_empty();
        Self {
            version: self.version + u64::from(!same),
            services: next.clone(),
            addresses: addresses.clone(),
            leaving: BTreeSet::new(),
        }
    }
}

/// What one router was sent.
#[derive(Debug, Default)]
pub(super) struct Feed {
    /// The last view; `None`: the next one is sent whole.
    sent: Option<(u64, Routed, TaskAddresses)>,
    /// Tasks that it was told are leaving since then.
    told: BTreeSet<u64>,
}

impl Feed {
    /// Makes the next view a whole one.
    pub(super) fn restart(&mut self) {
        *self = Self::default();
    }

    /// The messages that bring the router to `view`.
    pub(super) fn next(&mut self, view: &RoutedView) -> Vec<ToRouter> {
        let mut messages = Vec::new();
        let (services, addresses) = (view.services.clone(), view.addresses.clone());
        let sent = self.sent.replace((view.version, services, addresses));
        let Some((version, before, addresses)) = sent else {
            let services = view.services.iter();
            let services = services.map(|(id, service)| message(id, service, view));
            messages.push(ToRouter::View(View {
                version: view.version,
                services: services.collect(),
            }));
            self.told.clone_from(&view.leaving);
            return messages;
        };
        let mut leaving = leaving(&view.services, &before);
        leaving.extend(&view.leaving);
        let new: Vec<u64> = leaving.difference(&self.told).copied().collect();
        if !new.is_empty() {
            messages.push(ToRouter::Leaving(new));
        }
        let told = std::mem::replace(&mut self.told, view.leaving.clone());
        if version == view.version {
            return messages;
        }
        let (mut now, mut removed) = (BTreeMap::new(), Vec::new());
        for change in view.services.changes(&before) {
            match change.now() {
                Some(service) => drop(now.insert(change.key(), service)),
                None => removed.push(change.key().to_string()),
            }
        }
        // Tasks that stay after all, and tasks that are reached elsewhere.
        let mut back: BTreeSet<u64> = told.difference(&leaving).copied().collect();
        let moved = view.addresses.changes(&addresses);
        back.extend(moved.into_iter().map(|task| task.0));
        if !back.is_empty() {
            let has = |service: &RoutedService| {
                let mut tasks = service.tasks.iter();
                tasks.any(|task| back.contains(&task.key.0))
            };
            now.extend(view.services.iter().filter(|(_, service)| has(service)));
        }
        let services = now.into_iter();
        let services = services.map(|(id, service)| message(id, service, view));
        messages.push(ToRouter::Change(Change {
            from: version,
            to: view.version,
            services: services.collect(),
            removed,
        }));
        messages
    }
}

/// Keys of the tasks that were active `before`, and are not now.
fn leaving(now: &Routed, before: &Routed) -> BTreeSet<u64> {
    let mut leaving = BTreeSet::new();
    for change in now.changes(before) {
        let active = |service: Option<&Arc<RoutedService>>| -> BTreeSet<u64> {
            let tasks = service.into_iter().flat_map(|service| &service.tasks);
            let active = tasks.filter(|task| task.active);
            active.map(|task| task.key.0).collect()
        };
        let now = active(change.now());
        leaving.extend(active(change.before()).difference(&now));
    }
    leaving
}

fn message(id: &ServiceId, service: &RoutedService, view: &RoutedView) -> Service {
    let task = |task: &RoutedTask| {
        Some(Task {
            key: task.key.0,
            id: task.id.to_string(),
            address: view.addresses.get(task.key)?,
            node: task.node.clone(),
            local: task.local,
            leaving: !task.active || view.leaving.contains(&task.key.0),
        })
    };
    Service {
        id: id.to_string(),
        name: service.name.clone(),
        created_ns: service.created_ns,
        labels: service.labels.as_ref().clone(),
        tasks: service.tasks.iter().filter_map(task).collect(),
    }
}

#[cfg(test)]
mod tests;
