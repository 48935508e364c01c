//! One service, as the maps keep it: its backends, the table of those that take new flows, and for each port a
//! frontend that names the table, and who may call; and the ports that it had, while connections to them live.

use crate::backend::ebpf::state::State;
use crate::backend::port;
use crate::desired::{self, Locality, Service};
use crate::maglev;
use crate::model::ids::Key;
use crate::model::labels::Policy;
use ipnet::Ipv4Net;
use lb_abi::service::{
    ACTIVE, ADDRESSED, Backend, DIRECT, Frontend, LOCAL, Port, REMOTE, RESTRICTED, ROUTED,
    SCHED_LC, SCHED_MAGLEV, SCHED_RR, SCHED_SH, TARGETS,
};
use lb_abi::{Be16, Be32};
use std::collections::BTreeSet;
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
    let open = service.frontends.iter().any(|frontend| !frontend.barred);
    let table = if table.is_empty() || !open {
        Table::NONE
    } else {
        let number = number(want, have, key, service, &table);
        let count = u32::try_from(table.len()).unwrap_or(u32::MAX);
        want.tables.insert(number, table);
        Table { number, count }
    };
    for frontend in &service.frontends {
        let port = port(frontend.published, frontend.proto);
        if frontend.barred {
            // For what comes out of the tunnel alone: with no place in a table, and nobody kept or
            // kept out, what clients of this node send to the port is the kernel's.
            let frontend = Frontend {
                flags: targets(want, port, service, frontend),
                ..Frontend::new(Be16::new(frontend.target), 0, 0, key.0)
            };
            want.frontends.insert(port, frontend);
        } else {
            publish(want, key, service, frontend, table);
        }
    }
    for frontend in &service.withdrawn {
        let port = port(frontend.published, frontend.proto);
        // With no place in a table, and nobody kept out: new flows are the kernel's, whoever listens.
        let frontend = Frontend {
            flags: direct(service),
            ..Frontend::new(Be16::new(frontend.target), 0, 0, key.0)
        };
        want.frontends.insert(port, frontend);
    }
}

fn direct(service: &Service) -> u32 {
    if service.direct { DIRECT } else { 0 }
}

/// Adds the ports of those tasks of `service` that differ from the frontend's. Returns the flag that says whether there are any.
fn targets(want: &mut State, port: Port, service: &Service, frontend: &desired::Frontend) -> u32 {
    let number = (frontend.published, frontend.proto);
    let of_port = (number, Key(0))..=(number, Key(u64::MAX));
    let own = service.targets.range(of_port);
    let mut own = own
        .filter(|(_, target)| **target != frontend.target)
        .peekable();
    let flag = if own.peek().is_some() { TARGETS } else { 0 };
    for ((_, task), target) in own {
        want.targets.insert((port, *task), *target);
    }
    flag
}

/// Takes away from `want` what [`serve`] added for `service`.
pub(super) fn withdraw(want: &mut State, key: Key, service: &Service) {
    want.services.remove(&key);
    for task in service.backends.keys() {
        want.backends.remove(task);
    }
    for frontend in &service.frontends {
        let port = port(frontend.published, frontend.proto);
        let frontend = want.frontends.remove(&port);
        if let Some(frontend) = frontend.filter(|frontend| frontend.count != 0) {
            want.tables.remove(&frontend.table);
        }
        for network in networks(service) {
            want.allowed.remove(&(port, *network));
        }
    }
    for frontend in &service.withdrawn {
        let port = port(frontend.published, frontend.proto);
        want.frontends.remove(&port);
    }
    for (number, task) in service.targets.keys() {
        let (number, proto) = *number;
        want.targets.remove(&(port(number, proto), *task));
    }
}

/// A table, as frontends name it.
#[derive(Clone, Copy)]
struct Table {
    number: u32,
    /// Its places.
    count: u32,
}

impl Table {
    /// Nobody takes new flows.
    const NONE: Self = Self {
        number: 0,
        count: 0,
    };
}

/// One frontend, which names the table of its service.
fn publish(
    want: &mut State,
    key: Key,
    service: &Service,
    frontend: &desired::Frontend,
    Table { number, count }: Table,
) {
    let port = port(frontend.published, frontend.proto);
    let targets = targets(want, port, service, frontend);
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
            flags: direct(service) | restricted | targets,
            affinity_ticks: service.affinity.map_or(0, ticks_of),
            ..Frontend::new(Be16::new(frontend.target), count, number, key.0)
        },
    );
    let allow = networks(service).map(|network| (port, *network));
    want.allowed.extend(allow);
}

fn networks(service: &Service) -> impl Iterator<Item = &Ipv4Net> {
    service.allow.iter().flat_map(|networks| networks.iter())
}

/// The number of a table of the service in `have` that is `table`; else the next one after the service's last that no table
/// has, in `have` or in `want`. A service begins at a number of its own, so that its numbers do not depend on what becomes of others,
/// and none is soon another service's.
fn number(want: &State, have: &State, key: Key, service: &Service, table: &[Key]) -> u32 {
    let ports = service.frontends.iter();
    let ports = ports.map(|frontend| port(frontend.published, frontend.proto));
    let frontends = ports.filter_map(|port| have.frontends.get(&port));
    let own = frontends.filter(|frontend| frontend.service == key.0 && frontend.count != 0);
    let named: BTreeSet<u32> = own.map(|frontend| frontend.table).collect();
    let is_same = |number: &&u32| have.tables.get(number).is_some_and(|known| known == table);
    if let Some(number) = named.iter().find(is_same) {
        return *number;
    }
    let begin = u32::try_from(key.0 >> 32).unwrap_or_default();
    let first = named.first().map_or(begin, |number| number.wrapping_add(1));
    let mut numbers = (0..=u32::MAX).map(|step| first.wrapping_add(step));
    let is_free = |number: &u32| {
        *number != 0 && !have.tables.contains_key(number) && !want.tables.contains_key(number)
    };
    // There are fewer tables than numbers.
    numbers.find(is_free).unwrap_or(first)
}

fn backend(key: Key, service: &Service, backend: &desired::Backend) -> Backend {
    let (locality, link) = match backend.locality {
        Locality::Local { bridge } => (LOCAL, bridge.unwrap_or(0)),
        Locality::Remote => (REMOTE, 0),
    };
    let addressed = if service.task_address { ADDRESSED } else { 0 };
    let routed = if service.routed { ROUTED } else { 0 };
    Backend {
        address: Be32::new(backend.address.into()),
        locality,
        link,
        flags: addressed | routed | if backend.active { ACTIVE } else { 0 },
        service: key.0,
    }
}

/// A time in ticks of the flows' clock, rounded up.
fn ticks_of(time: Duration) -> u32 {
    let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    lb_abi::flow::ticks(nanoseconds.saturating_add((1 << 30) - 1))
}
