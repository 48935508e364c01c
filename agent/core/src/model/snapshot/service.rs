//! A service of the Swarm, and the ports that it wants every node to answer.

use crate::model::labels::{Labels, ServiceOptions};
use crate::model::port::{Proto, PublishMode, PublishedPort};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A service as far as balancing is concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name, for people.
    pub name: String,
    /// `Spec.Labels`, parsed.
    pub labels: Labels,
    /// `Endpoint.Ports`: there, not in `Spec`, the numbers that Swarm assigns by itself are found.
    pub ports: Vec<PublishedPort>,
    /// The service was removed; what is left of it takes no new connection.
    pub removed: bool,
    /// `CreatedAt`, in nanoseconds since 1970; 0 where it is not known.
    #[serde(default)]
    pub created: u64,
}

/// A port that a service wants every node to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The port.
    pub port: PublishedPort,
    /// A label asks for it, and Swarm knows nothing of it.
    pub by_label: bool,
}

impl Service {
    /// What its labels ask for.
    #[must_use]
    pub fn options(&self) -> &ServiceOptions {
        self.labels.options()
    }

    /// The ports that it wants every node to answer, TCP and UDP; each once, those that Swarm
    /// publishes first.
    #[must_use]
    pub fn claims(&self) -> Vec<Claim> {
        let options = self.options();
        if !options.enabled {
            return Vec::new();
        }
        let swarm = self.ports.iter().filter(|port| {
            // Docker itself answers mode=host ports, on the task's node.
            port.mode == PublishMode::Ingress && port.published != 0 && port.proto != Proto::Sctp
        });
        let swarm = swarm.map(|port| (*port, false));
        let labels = options.published.iter().map(|port| (*port, true));
        let mut seen = BTreeSet::new();
        swarm
            .chain(labels)
            .filter(|(port, _)| seen.insert((port.published, port.proto)))
            .map(|(port, by_label)| Claim { port, by_label })
            .collect()
    }
}
