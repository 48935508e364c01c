//! What the labels of one service declare: its routes, and middlewares for the routes of all services.

use crate::model::ids::ServiceId;
use crate::model::labels::{NAMED, ROUTE_BYTES, short};
use crate::model::snapshot::Service;
use crate::report::Problem;
use lb_routes::labels::{Declared, Middlewares, declared, declared_among};
use lb_routes::route::Target;
use lb_routes::table::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Of one problem, so many bytes are told: whoever writes labels decides how long they are.
pub(super) const TOLD: usize = 400;

/// What the labels of one service declare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// The labels.
    pub labels: Arc<BTreeMap<String, String>>,
    /// The routes, and what in the labels is not served.
    pub declared: Declared,
    /// The routes as the table has them.
    pub(super) entries: Vec<Arc<Entry>>,
    /// The middlewares, which routes of other services may use, too.
    pub(super) middlewares: Middlewares,
    /// Why it has no routes and no middlewares, whatever its labels declare.
    withheld: Option<String>,
    /// Sentences about what is not served, as many as one service may have.
    messages: Vec<String>,
}

impl Declaration {
    /// What `service` declares for all services; its own routes are not read yet. `None` if it has no labels of routes.
    pub(super) fn of(service: &Service) -> Option<Self> {
        let bytes = service.labels.route_bytes();
        if bytes == 0 {
            return None;
        }
        let labels = service.labels.route_labels();
        let restricted = service.options().allow.is_some();
        let withheld = if bytes > ROUTE_BYTES {
            Some(format!(
                "its labels of HTTP routes (com.docker.lb.…, traefik.…) have {bytes} bytes, of which a service can \
                 have {ROUTE_BYTES}: none of its routes is served; share them out among several services"
            ))
        } else if restricted && !declared(&service.name, &labels).routes.is_empty() {
            Some(
                "it has the label swarmlb.allow, which the HTTP router does not know: none of its routes is served; \
                 name the clients by com.docker.lb or traefik labels (ipallowlist) in its place"
                    .to_owned(),
            )
        } else {
            None
        };
        let middlewares = match withheld {
            None => Middlewares::of(&service.name, &labels),
            Some(_) => Middlewares::default(),
        };
        Some(Self {
            labels: Arc::new(labels),
            declared: Declared::default(),
            entries: Vec::new(),
            middlewares,
            withheld,
            messages: Vec::new(),
        })
    }

    /// The declaration of `service` with its routes, where `shared` are the middlewares of all services.
    pub(super) fn read(&self, id: &ServiceId, service: &Service, shared: &Middlewares) -> Self {
        let name = &service.name;
        let mut declared = declared_among(name, &self.labels, shared);
        if self.withheld.is_some() {
            declared.routes.clear();
        }
        let mut messages = Vec::from_iter(self.withheld.clone());
        let problems = &declared.problems;
        let told = problems.iter().take(NAMED);
        messages.extend(told.map(|problem| short(&problem.to_string(), TOLD)));
        if let Some(more @ 1..) = problems.len().checked_sub(NAMED) {
            messages.push(format!(
                "{more} more of its labels of HTTP routes can't be served"
            ));
        }
        let entry = |route| Arc::new(Entry::new(id.as_str(), name, service.created, route));
        Self {
            labels: Arc::clone(&self.labels),
            entries: declared.routes.iter().cloned().map(entry).collect(),
            declared,
            middlewares: self.middlewares.clone(),
            withheld: self.withheld.clone(),
            messages,
        }
    }

    /// Does it declare a route?
    #[must_use]
    pub fn has_routes(&self) -> bool {
        !self.declared.routes.is_empty()
    }

    /// The ports of the service's tasks to which its routes lead.
    pub(in crate::desired) fn task_ports(&self) -> BTreeSet<u16> {
        let targets = self.declared.routes.iter().map(|route| &route.target);
        let ports = targets.filter_map(|target| match target {
            Target::Tasks(tasks) => Some(tasks.port),
            Target::Elsewhere(_) => None,
        });
        ports.collect()
    }

    /// Does the router have to know its labels: for its own routes, or for those of other services?
    #[must_use]
    pub fn concerns_router(&self) -> bool {
        self.has_routes() || !self.middlewares.is_empty()
    }

    /// What in the labels of `service` is not served.
    pub(in crate::desired) fn problems(&self, service: &Service) -> Vec<Problem> {
        let messages = self.messages.iter();
        let problems = messages.map(|message| Problem {
            object: format!("service {}", service.name),
            message: message.clone(),
        });
        problems.collect()
    }
}
