//! Reports as text: one file per report, each with a pure function.

pub(crate) mod check;
pub(crate) mod drops;
pub(crate) mod explanation;
pub(crate) mod flows;
pub(crate) mod http;
pub(crate) mod nodes;
pub(crate) mod routes;
pub(crate) mod services;
pub(crate) mod stats;
pub(crate) mod status;

use lb_core::report::PortReport;
use std::net::Ipv4Addr;

/// Placeholder for values that are unknown or do not apply.
const NONE: &str = "-";

fn address(address: Option<Ipv4Addr>) -> String {
    address.map_or_else(|| NONE.to_owned(), |address| address.to_string())
}

/// As `docker service ls` writes them: `*:8080->80/tcp`.
fn ports(ports: &[PortReport]) -> String {
    let ports: Vec<String> = ports
        .iter()
        .map(|port| {
            let proto = port.proto.as_str();
            format!("*:{}->{}/{proto}", port.published, port.target)
        })
        .collect();
    ports.join(", ")
}
