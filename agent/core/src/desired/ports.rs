//! Which service answers which port.

use crate::ids::ServiceId;
use crate::labels;
use crate::report::Problem;
use crate::snapshot::{Proto, PublishMode, PublishedPort, Service, Snapshot};
use std::collections::BTreeMap;

/// The ports that every node answers, as the datapath knows them.
pub(super) fn served(service: &Service, problems: &mut Vec<Problem>) -> Vec<PublishedPort> {
    let (wishes, complaints) = labels::read(service);
    problems.extend(complaints);
    let sctp = |port: &&PublishedPort| {
        wishes.enabled && port.proto == Proto::Sctp && port.mode == PublishMode::Ingress
    };
    problems.extend(service.ports.iter().filter(sctp).map(|port| Problem {
        object: format!("service {}", service.name),
        sentence: format!(
            "port {}/sctp is not served: SCTP is not supported",
            port.published
        ),
    }));
    labels::ports(service)
}

/// Whose each port is. Swarm gives no port away twice, and what it gives goes before what a
/// label asks for; a removed service keeps for its connections what nobody else wants.
pub(super) fn holders(snapshot: &Snapshot) -> BTreeMap<(u16, Proto), ServiceId> {
    let mut holders = BTreeMap::new();
    for removed in [false, true] {
        for by_label in [false, true] {
            let services = snapshot.services.iter();
            for (id, service) in services.filter(|(_, service)| service.removed == removed) {
                let ports = labels::ports(service).into_iter();
                for port in ports.filter(|port| by_label || service.ports.contains(port)) {
                    let port = (port.published, port.proto);
                    holders.entry(port).or_insert_with(|| id.clone());
                }
            }
        }
    }
    holders
}

/// Why `port` of `service` is not served, though it is asked for.
pub(super) fn denied(port: &PublishedPort, service: &Service, why: &str) -> Problem {
    Problem {
        object: format!("service {}", service.name),
        sentence: format!(
            "port {}/{} is not served: {why}; choose another one",
            port.published,
            port.proto.as_str(),
        ),
    }
}
