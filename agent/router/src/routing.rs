//! What is routed at one moment: the table of routes, and the services with their tasks.
//!
//! A [`Routing`] does not change: [`Store`] makes the next one of each message of the agent, and workers swap theirs.
//! A change of tasks shares the table; the table is built anew only when labels change.

mod store;

pub use store::{Gap, Store};

use lb_router_wire::Task;
use lb_routes::route::Secrets;
use lb_routes::rule::{Host, Request};
use lb_routes::table::{Entry, EntryPoint, Table};
use std::collections::HashMap;
use std::sync::Arc;

/// What is routed at one moment.
#[derive(Clone, Debug, Default)]
pub struct Routing {
    /// Number of the agent's view.
    pub version: u64,
    table: Arc<Table>,
    passes_tls: bool,
    /// By id.
    services: HashMap<Arc<str>, Arc<Service>>,
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

    /// All routes.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.table.entries()
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
        self.passes_tls
    }

    /// Is the service of this id routed?
    #[must_use]
    pub fn has_service(&self, id: &str) -> bool {
        self.services.contains_key(id)
    }

    /// All tasks, of all services.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        let services = self.services.values();
        services.flat_map(|service| &service.tasks)
    }
}
