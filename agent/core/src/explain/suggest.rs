//! Suggestions: published ports that were probably meant.

use crate::model::snapshot::{Proto, Snapshot};
use crate::report::build::ports;
use crate::report::{PortReport, Published};

/// Limit on suggestions.
const FEW: usize = 3;

/// Published ports that are similar to `number` over `proto`, or else the nearest ones.
pub(super) fn suggest(snapshot: &Snapshot, number: u16, proto: Proto) -> Vec<Published> {
    let services = snapshot.services.values().filter(|s| !s.removed);
    let mut ranked: Vec<(u8, u16, Published)> = services
        .flat_map(|service| ports(service).into_iter().map(move |port| (service, port)))
        .map(|(service, port)| {
            let rank = rank(&port, number, proto);
            let apart = port.published.abs_diff(number);
            let service = service.name.clone();
            (rank, apart, Published { service, port })
        })
        .collect();
    ranked.sort_by(|a, b| {
        let key = |(rank, apart, published): &(u8, u16, Published)| {
            (
                *rank,
                *apart,
                published.port.published,
                published.port.proto,
            )
        };
        key(a).cmp(&key(b))
    });
    let best = ranked.first().map_or(FAR, |(rank, _, _)| *rank);
    ranked
        .into_iter()
        .filter(|(rank, _, _)| *rank < FAR || best == FAR)
        .take(FEW)
        .map(|(_, _, published)| published)
        .collect()
}

const FAR: u8 = 3;

/// The other protocol, the port inside the container, a slip of the finger.
fn rank(port: &PortReport, number: u16, proto: Proto) -> u8 {
    let typed = |port: u16| strsim::osa_distance(&port.to_string(), &number.to_string());
    if port.published == number {
        0
    } else if port.target == number && port.proto == proto {
        1
    } else if typed(port.published) <= 1 && port.proto == proto {
        2
    } else {
        FAR
    }
}
