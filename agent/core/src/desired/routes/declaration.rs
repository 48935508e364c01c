//! What the labels of one service declare: its routes, and middlewares for the routes of all services.

use crate::model::labels::{NAMED, ROUTE_BYTES, short};
use crate::model::snapshot::Service;
use crate::report::Problem;
use lb_routes::labels::declared;
use lb_routes::registry::{Registration, Source};
use lb_routes::route::{Route, Target};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Of one problem, so many bytes are told: whoever writes labels decides how long they are.
pub(super) const TOLD: usize = 400;

/// What the labels of one service declare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// The labels, the routes, and what in the labels is not served.
    registration: Arc<Registration>,
    /// Why it has no routes and no middlewares, whatever its labels declare.
    withheld: Option<String>,
    /// Sentences about what is not served, as many as one service may have.
    messages: Vec<String>,
}

/// A service with labels of routes, and why its routes are withheld, if they are. `None` if it has no labels of routes.
pub(super) fn source(service: &Service) -> Option<(Source, Option<String>)> {
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
    let source = Source {
        name: service.name.clone(),
        created_ns: service.created,
        labels: Arc::new(labels),
        takes_part: withheld.is_none() && !service.removed,
    };
    Some((source, withheld))
}

impl Declaration {
    /// What a service declares whose labels were read, and whose routes are withheld if there is a reason.
    pub(super) fn new(registration: Arc<Registration>, withheld: Option<String>) -> Self {
        let mut messages = Vec::from_iter(withheld.clone());
        let problems = &registration.problems;
        let told = problems.iter().take(NAMED);
        messages.extend(told.map(|problem| short(&problem.to_string(), TOLD)));
        if let Some(more @ 1..) = problems.len().checked_sub(NAMED) {
            messages.push(format!(
                "{more} more of its labels of HTTP routes can't be served"
            ));
        }
        Self {
            registration,
            withheld,
            messages,
        }
    }

    /// The labels.
    #[must_use]
    pub fn labels(&self) -> &Arc<BTreeMap<String, String>> {
        &self.registration.source.labels
    }

    /// The routes.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        let entries = match self.withheld {
            None => self.registration.entries.as_slice(),
            Some(_) => &[],
        };
        entries.iter().map(|entry| &*entry.route)
    }

    /// Why it has no routes and no middlewares, whatever its labels declare.
    pub(super) fn withheld(&self) -> Option<&String> {
        self.withheld.as_ref()
    }

    /// Does it declare a route?
    #[must_use]
    pub fn has_routes(&self) -> bool {
        self.routes().next().is_some()
    }

    /// The ports of the service's tasks to which its routes lead.
    pub(in crate::desired) fn task_ports(&self) -> BTreeSet<u16> {
        let ports = self.routes().filter_map(|route| match &route.target {
            Target::Tasks(tasks) => Some(tasks.port),
            Target::Elsewhere(_) => None,
        });
        ports.collect()
    }

    /// Does the router have to know its labels: for its own routes, or for those of other services?
    #[must_use]
    pub fn concerns_router(&self) -> bool {
        self.has_routes() || self.registration.has_middlewares()
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
