//! What is routed at one moment: the table of routes, and the services with their tasks.
//!
//! A [`Routing`] does not change: [`Store`] makes the next one of each message of the agent, and workers swap theirs. The next
//! one shares with the last one what has not changed, so that a change costs what it changes, whatever else is routed.

mod store;
mod tasks;

pub use store::{Gap, Step, Store};
pub(crate) use tasks::Tasks;

use lb_router_wire::Task;
use lb_routes::persistent::PersistentHashMap;
use lb_routes::route::Secrets;
use lb_routes::rule::{Host, Request};
use lb_routes::table::{Entry, EntryPoint, Table};
use std::sync::Arc;

/// What is routed at one moment.
#[derive(Clone, Debug, Default)]
pub struct Routing {
    /// Number of the agent's view.
    pub version: u64,
    table: Arc<Table>,
    /// By id.
    services: PersistentHashMap<Arc<str>, Arc<Service>>,
    /// Those of all services.
    tasks: Tasks,
}

/// A service and its tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its id.
    pub id: Arc<str>,
    /// Its name, for people.
    pub name: String,
    /// Its tasks that may hold connections, by key.
    pub tasks: Vec<Task>,
}

/// A route that was found, and the service that it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The route.
    pub entry: &'a Entry,
    /// Its service.
    pub service: &'a Arc<Service>,
}

impl Routing {
    /// The route that a request belongs to.
    #[must_use]
    pub fn find(&self, entry_point: EntryPoint, request: &Request<'_>) -> Option<Found<'_>> {
        let entry = self.table.find(entry_point, request)?;
        let service = self.services.get(entry.service.as_str())?;
        Some(Found { entry, service })
    }

    /// Does a route that is for some hosts only name this one?
    #[must_use]
    pub fn has_host(&self, host: &Host) -> bool {
        self.table.has_host(host)
    }

    /// The secrets whose certificate is shown for a host, if a route says so.
    #[must_use]
    pub fn secrets(&self, host: &Host) -> Option<&Secrets> {
        self.table.tls(host)?.route.tls.secrets.as_ref()
    }

    /// The route whose service speaks TLS itself with the clients of a host.
    #[must_use]
    pub fn passthrough(&self, host: &Host) -> Option<Found<'_>> {
        let entry = self.table.tls(host)?;
        let service = self.services.get(entry.service.as_str())?;
        let passed = entry.route.tls.passthrough;
        passed.then_some(Found { entry, service })
    }

    /// Is there any route whose service speaks TLS itself?
    #[must_use]
    pub fn passes_tls(&self) -> bool {
        self.table.passes_tls()
    }

    /// Is the service of this id routed?
    #[must_use]
    pub fn has_service(&self, id: &str) -> bool {
        self.services.contains_key(id)
    }

    /// All tasks, of all services.
    pub(crate) fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// Puts a service in the place of the one with its id; notes in `left` tasks that may take no new requests since.
    fn put(&mut self, service: Service, left: &mut Vec<u64>) {
        let service = Arc::new(service);
        let before = self
            .services
            .insert(Arc::clone(&service.id), Arc::clone(&service));
        let before = before.as_deref();
        if before.is_some_and(|before| before.tasks == service.tasks) {
            return;
        }
        if let Some(before) = before {
            self.tasks.remove(before, left);
        }
        self.tasks.insert(&service);
    }

    /// Removes a service, if it is there; notes in `left` its tasks that took requests.
    fn remove(&mut self, id: &str, left: &mut Vec<u64>) -> bool {
        let service = self.services.remove(id);
        if let Some(service) = &service {
            self.tasks.remove(service, left);
        }
        service.is_some()
    }
}
