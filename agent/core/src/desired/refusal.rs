//! Problems of ports that a service asks for and does not get: one sentence for
//! all that are refused for one reason, however many they are.

use crate::model::snapshot::{PublishedPort, Service};
use crate::report::Problem;

/// So many ports are named.
const NAMED: usize = 8;

/// `ports` of `service` are not served. `why` says what to do, too.
pub(super) fn refused(service: &Service, ports: &[PublishedPort], why: &str) -> Problem {
    problem(service, ports, "not served", why)
}

/// The problem that `service` publishes `ports`, if there are any, which are somebody else's. `why` says what to do, too.
pub(super) fn taken_if_any(
    service: &Service,
    ports: &[PublishedPort],
    why: &str,
) -> Option<Problem> {
    (!ports.is_empty()).then(|| problem(service, ports, "published", why))
}

fn problem(service: &Service, ports: &[PublishedPort], are: &str, why: &str) -> Problem {
    let name = |port: &PublishedPort| format!("{}/{}", port.published, port.proto.as_str());
    let named: Vec<String> = ports.iter().take(NAMED).map(name).collect();
    let named = named.join(", ");
    let what = match ports.len() {
        1 => format!("port {named} is"),
        all if all > NAMED => format!("ports {named} and {} more are", all - NAMED),
        _ => format!("ports {named} are"),
    };
    Problem {
        object: format!("service {}", service.name),
        message: format!("{what} {are}: {why}"),
    }
}

/// The labels of `service` that can't be served.
pub(super) fn refused_labels(service: &Service) -> impl Iterator<Item = Problem> {
    let refusals = service.labels.refusals().iter();
    refusals.map(|message| Problem {
        object: format!("service {}", service.name),
        message: message.clone(),
    })
}

/// The problem that none of `ports` of a service is served, and why; none where `ports` is empty.
pub(super) fn refused_if_any(
    service: &Service,
    ports: &[PublishedPort],
    why: &str,
) -> Option<Problem> {
    (!ports.is_empty()).then(|| refused(service, ports, why))
}
