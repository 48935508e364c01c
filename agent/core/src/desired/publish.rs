//! One port of a service, as the datapath keeps it: a frontend, its table, and who may call.

use super::ports::Asked;
use crate::ids::Key;
use crate::labels::{Policy, ServiceOptions};
use crate::snapshot::{Proto, PublishedPort};
use crate::state::State;
use lb_abi::service::{
    DIRECT, Frontend, Port, RESTRICTED, SCHED_LC, SCHED_MAGLEV, SCHED_RR, SCHED_SH,
};
use lb_abi::{Be16, TCP, UDP};
use std::time::Duration;

/// A published port, as the datapath names it.
pub(super) fn port(published: &PublishedPort) -> Port {
    let proto = if published.proto == Proto::Udp {
        UDP
    } else {
        TCP
    };
    Port::new(Be16::new(published.published), proto)
}

/// One frontend with its table, under the number it has if it is there already.
pub(super) fn publish(
    want: &mut State,
    have: &State,
    published: &PublishedPort,
    options: &ServiceOptions,
    ready: &[Key],
    service: Key,
) {
    let port = port(published);
    let numbers = have.tables.range((port, 0)..=(port, u32::MAX));
    let same = have
        .frontends
        .get(&port)
        .map(|frontend| frontend.table)
        .filter(|table| {
            have.tables
                .get(&(port, *table))
                .is_some_and(|tasks| tasks == ready)
        });
    let table = same.unwrap_or_else(|| {
        let last = numbers.map(|((_, table), _)| *table).max();
        last.map_or(1, |table| table.wrapping_add(1))
    });
    let count = u32::try_from(ready.len()).unwrap_or(u32::MAX);
    let table = if count == 0 { 0 } else { table };
    want.frontends.insert(
        port,
        Frontend {
            scheduler: match options.policy {
                Policy::RoundRobin => SCHED_RR,
                Policy::LeastConn => SCHED_LC,
                Policy::SourceHash => SCHED_SH,
                Policy::Maglev => SCHED_MAGLEV,
            },
            flags: if options.direct { DIRECT } else { 0 }
                | if options.allow.is_some() {
                    RESTRICTED
                } else {
                    0
                },
            affinity_ticks: options.affinity.map_or(0, ticks_of),
            ..Frontend::new(Be16::new(published.target), count, table, service.0)
        },
    );
    let allow = options.allow.iter().flatten();
    want.allowed.extend(allow.map(|network| (port, *network)));
    if count != 0 {
        want.tables.insert((port, table), ready.to_vec());
    }
}

/// A frontend for what comes out of the tunnel alone: with no place in a table, and nobody kept or
/// kept out, what clients of this node send to the port is the kernel's.
pub(super) fn bar(want: &mut State, port: Port, published: &PublishedPort, service: Key) {
    let frontend = Frontend::new(Be16::new(published.target), 0, 0, service.0);
    want.frontends.insert(port, frontend);
    want.barred.insert(port);
}

/// A time in ticks of the flows' clock, rounded up.
fn ticks_of(time: Duration) -> u32 {
    let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    lb_abi::flow::ticks(nanoseconds.saturating_add((1 << 30) - 1))
}

/// Takes the ports of a service away that it has, of those that it asked for.
pub(super) fn unpublish(want: &mut State, asked: &Asked, key: Key) {
    for published in &asked.ports {
        let port = port(published);
        let own = |frontend: &Frontend| frontend.service == key.0;
        if !want.frontends.get(&port).is_some_and(own) {
            continue;
        }
        want.frontends.remove(&port);
        want.barred.remove(&port);
        let tables = want.tables.range((port, 0)..=(port, u32::MAX));
        let tables: Vec<(Port, u32)> = tables.map(|(table, _)| *table).collect();
        for table in tables {
            want.tables.remove(&table);
        }
        for network in asked.options.allow.iter().flatten() {
            want.allowed.remove(&(port, *network));
        }
    }
}
