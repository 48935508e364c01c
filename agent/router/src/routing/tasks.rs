//! All tasks, of all services.

use super::Service;
use lb_routes::persistent::PersistentHashMap;
use std::sync::Arc;

/// The tasks of all services, by key. A copy costs next to nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks(PersistentHashMap<u64, Known>);

/// What is known of a task here.
#[derive(Clone, Debug)]
struct Known {
    /// Id of its service. No task is of two services.
    service: Arc<str>,
    leaving: bool,
}

impl Tasks {
    /// May the task take new requests?
    pub(crate) fn stays(&self, key: u64) -> bool {
        self.0.get(&key).is_some_and(|task| !task.leaving)
    }

    /// Id of the service of a task.
    pub(super) fn service(&self, key: u64) -> Option<&Arc<str>> {
        Some(&self.0.get(&key)?.service)
    }

    /// Adds the tasks of a service.
    pub(super) fn insert(&mut self, service: &Service) {
        for task in &service.tasks {
            let known = Known {
                service: Arc::clone(&service.id),
                leaving: task.leaving,
            };
            self.0.insert(task.key, known);
        }
    }

    /// Removes the tasks of a service; adds the keys of those that took requests to `left`.
    pub(super) fn remove(&mut self, service: &Service, left: &mut Vec<u64>) {
        for task in &service.tasks {
            if self.service(task.key) == Some(&service.id) {
                self.0.remove(&task.key);
            }
            if !task.leaving {
                left.push(task.key);
            }
        }
    }
}
