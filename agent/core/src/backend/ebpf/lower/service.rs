//! One service, as the maps keep it: its backends, and for each port a frontend with its table, and who
//! may call.

use crate::backend::ebpf::state::State;
use crate::backend::port;
use crate::desired::{self, Locality, Service};
use crate::maglev;
use crate::model::ids::Key;
use crate::model::labels::Policy;
use ipnet::Ipv4Net;
use lb_abi::service::{
    ACTIVE, ADDRESSED, Backend, DIRECT, Frontend, LOCAL, Port, REMOTE, RESTRICTED, SCHED_LC,
    SCHED_MAGLEV, SCHED_RR, SCHED_SH,
};
use lb_abi::{Be16, Be32};
use std::time::Duration;

/// Adds what serves `service` to `want`.
pub(super) fn serve(want: &mut State, have: &State, key: Key, service: &Service) {
    want.services.insert(key);
    for (task, to) in &service.backends {
        want.backends.insert(*task, backend(key, service, to));
    }
    let active: Vec<Key> = service.active().collect();
    let table = match service.policy {
        Policy::RoundRobin | Policy::LeastConn => active,
        Policy::SourceHash | Policy::Maglev => maglev::table(&active),
    };
    for frontend in &service.frontends {
        let port = port(frontend.published, frontend.proto);
        if frontend.barred {
            // For what comes out of the tunnel alone: with no place in a table, and nobody kept or
            // kept out, what clients of this node send to the port is the kernel's.
            let frontend = Frontend::new(Be16::new(frontend.target), 0, 0, key.0);
            want.frontends.insert(port, frontend);
        } else {
            publish(want, have, key, service, frontend, &table);
        }
    }
}

/// Takes away from `want` what [`serve`] added for `service`.
pub(super) fn withdraw(want: &mut State, key: Key, service: &Service) {
    want.services.remove(&key);
    for task in service.backends.keys() {
        want.backends.remove(task);
    }
    for frontend in &service.frontends {
        let port = port(frontend.published, frontend.proto);
        want.frontends.remove(&port);
        let tables = want.tables.range((port, 0)..=(port, u32::MAX));
        let tables: Vec<(Port, u32)> = tables.map(|(table, _)| *table).collect();
        for table in tables {
            want.tables.remove(&table);
        }
        for network in networks(service) {
            want.allowed.remove(&(port, *network));
        }
    }
}

/// One frontend with its table, under the number it has if it is there already.
fn publish(
    want: &mut State,
    have: &State,
    key: Key,
    service: &Service,
    frontend: &desired::Frontend,
    table: &[Key],
) {
    let port = port(frontend.published, frontend.proto);
    let count = u32::try_from(table.len()).unwrap_or(u32::MAX);
    let number = if count == 0 {
        0
    } else {
        number(have, port, table)
    };
    let direct = if service.direct { DIRECT } else { 0 };
    let restricted = match service.allow {
        Some(_) => RESTRICTED,
        None => 0,
    };
    want.frontends.insert(
        port,
        Frontend {
            scheduler: match service.policy {
                Policy::RoundRobin => SCHED_RR,
                Policy::LeastConn => SCHED_LC,
                Policy::SourceHash => SCHED_SH,
                Policy::Maglev => SCHED_MAGLEV,
            },
            flags: direct | restricted,
            affinity_ticks: service.affinity.map_or(0, ticks_of),
            ..Frontend::new(Be16::new(frontend.target), count, number, key.0)
        },
    );
    let allow = networks(service).map(|network| (port, *network));
    want.allowed.extend(allow);
    if count != 0 {
        want.tables.insert((port, number), table.to_vec());
    }
}

fn networks(service: &Service) -> impl Iterator<Item = &Ipv4Net> {
    service.allow.iter().flat_map(|networks| networks.iter())
}

/// The number of the table that `port` has in `have` if that is `table`, else one that no table of it has.
fn number(have: &State, port: Port, table: &[Key]) -> u32 {
    let named = have.frontends.get(&port).map(|frontend| frontend.table);
    let same = named.filter(|number| {
        let known = have.tables.get(&(port, *number));
        known.is_some_and(|known| known == table)
    });
    same.unwrap_or_else(|| {
        let numbers = have.tables.range((port, 0)..=(port, u32::MAX));
        let last = numbers.map(|((_, number), _)| *number).max();
        last.map_or(1, |number| number.wrapping_add(1))
    })
}

fn backend(key: Key, service: &Service, backend: &desired::Backend) -> Backend {
    let (locality, link) = match backend.locality {
        Locality::Local { bridge } => (LOCAL, bridge.unwrap_or(0)),
        Locality::Remote => (REMOTE, 0),
    };
    let addressed = if service.task_address { ADDRESSED } else { 0 };
    Backend {
        address: Be32::new(backend.address.into()),
        locality,
        link,
        flags: addressed | if backend.active { ACTIVE } else { 0 },
        service: key.0,
    }
}

/// A time in ticks of the flows' clock, rounded up.
fn ticks_of(time: Duration) -> u32 {
    let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    lb_abi::flow::ticks(nanoseconds.saturating_add((1 << 30) - 1))
}
