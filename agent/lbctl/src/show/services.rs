//! `lbctl services`.

use super::ports;
use crate::table::{self, numbers, words};
use lb_core::report::{ServiceReport, Services};

pub(crate) fn text(services: &Services) -> String {
    if services.services.is_empty() {
        return "no service has a published port\n".to_owned();
    }
    let columns = [
        words("NAME"),
        words("PORTS"),
        numbers("READY"),
        numbers("DRAINING"),
    ];
    let rows: Vec<Vec<String>> = services.services.iter().map(row).collect();
    table::text(&columns, &rows, None)
}

fn row(service: &ServiceReport) -> Vec<String> {
    let gone = if service.removed { " (removed)" } else { "" };
    vec![
        format!("{}{gone}", service.name),
        all_ports(service),
        service.ready.to_string(),
        service.draining.to_string(),
    ]
}

/// The ports that are answered, and behind them those that only keep connections.
fn all_ports(service: &ServiceReport) -> String {
    let withdrawn = service.withdrawn.iter();
    let withdrawn =
        withdrawn.map(|port| format!("{} (withdrawn)", ports(std::slice::from_ref(port))));
    let published = Some(ports(&service.ports)).filter(|ports| !ports.is_empty());
    let all: Vec<String> = published.into_iter().chain(withdrawn).collect();
    all.join(", ")
}
