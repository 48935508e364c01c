//! One service: where its tasks are, who takes new flows, and under which ports.

use super::ports::{denied, served};
use crate::config::Config;
use crate::ids::{Key, ServiceId, TaskId};
use crate::labels::{self, Local, Policy, Wishes};
use crate::maglev;
use crate::node::{Bridge, DEFAULT_BRIDGE, Node};
use crate::report::Problem;
use crate::snapshot::{Proto, PublishMode, PublishedPort, Service, Sign, Snapshot, Task};
use crate::state::State;
use lb_abi::service::{
    Backend, DIRECT, Frontend, LOCAL, PICK_FLOW, PICK_LEAST, PICK_SOURCE, PICK_TURN, Port, REMOTE,
    RESTRICTED,
};
use lb_abi::{Be16, Be32, TCP, UDP};

/// What it takes to serve any service.
pub(super) struct World<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) node: &'a Node,
    pub(super) config: &'a Config,
    pub(super) have: &'a State,
    /// Whose each port is.
    pub(super) holder: &'a dyn Fn(u16, Proto) -> Option<&'a ServiceId>,
}

/// Adds what serves one service to `want`, and returns what in it can't be served.
pub(super) fn serve<'a>(
    world: &World<'_>,
    id: &ServiceId,
    service: &Service,
    tasks: impl Iterator<Item = (&'a TaskId, &'a Task)>,
    want: &mut State,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let ports = served(service, &mut problems);
    if ports.is_empty() {
        return problems;
    }
    let snapshot = world.snapshot;
    let (wishes, _) = labels::read(service);
    let key = Key::from(id);
    want.services.insert(key);
    let by_docker = |port: &PublishedPort| port.mode == PublishMode::Host;
    if service.ports.iter().any(by_docker) {
        want.tracked.insert(key);
    }
    let datagrams = ports.iter().any(|port| port.proto == Proto::Udp);
    let mut ready = Vec::new();
    for (task_id, task) in tasks {
        // Where the node is only said to be lost, a connection may go on, and its end is
        // the client's to notice; datagrams move on, as nobody would notice.
        if !(snapshot.alive(task) || starts(world, task_id, task))
            || (datagrams && snapshot.lost(task))
        {
            continue;
        }
        let eligible = snapshot.eligible(task);
        match place(snapshot, world.node, task_id, task, key) {
            Ok(backend) => {
                want.backends.insert(Key::from(task_id), backend);
                if eligible {
                    ready.push((Key::from(task_id), backend.place));
                }
            }
            // Before it runs, a task need not have an address yet.
            Err(problem) if eligible => problems.push(problem),
            Err(_) => {}
        }
    }
    let table = places(ready, &wishes);
    for task in &table {
        if let Some(backend) = want.backends.get_mut(task) {
            backend.takes = 1;
        }
    }
    for port in ports {
        let tunnel = port.proto == Proto::Udp && port.published == world.config.port;
        let holder = (world.holder)(port.published, port.proto);
        if tunnel {
            let why = "it is the port of the tunnel between nodes";
            problems.push(denied(&port, service, why));
        } else if holder == Some(id) {
            publish(want, world.have, &port, &wishes, &table, key);
        } else if !service.removed {
            let holder = holder.and_then(|holder| snapshot.services.get(holder));
            let holder = holder.map_or("?", |holder| holder.name.as_str());
            problems.push(denied(&port, service, &format!("service {holder} has it")));
        }
    }
    problems
}

/// Does it run on this node before the Swarm says so? The others are told of it once it is in the
/// kernel here ([`crate::arrivals`]).
fn starts(world: &World<'_>, id: &TaskId, task: &Task) -> bool {
    let here = task.node == world.node.id && world.node.tasks.contains_key(id);
    here && task.on_its_way() && task.sign != Sign::Dead
}

/// Takes away from `want` what [`serve`] added for `service`, whose tasks were `tasks`.
pub(super) fn withdraw<'a>(
    id: &ServiceId,
    service: &Service,
    tasks: impl Iterator<Item = &'a TaskId>,
    want: &mut State,
) {
    let key = Key::from(id);
    for task in tasks {
        want.backends.remove(&Key::from(task));
    }
    want.services.remove(&key);
    want.tracked.remove(&key);
    for published in labels::ports(service) {
        let port = port(&published);
        let own = |frontend: &Frontend| frontend.service == key.0;
        if !want.frontends.get(&port).is_some_and(own) {
            continue;
        }
        want.frontends.remove(&port);
        let tables = want.tables.range((port, 0)..=(port, u32::MAX));
        let tables: Vec<(Port, u32)> = tables.map(|(table, _)| *table).collect();
        for table in tables {
            want.tables.remove(&table);
        }
        want.allowed.retain(|(of, _)| *of != port);
    }
}

/// A published port, as the datapath names it.
fn port(published: &PublishedPort) -> Port {
    let proto = if published.proto == Proto::Udp {
        UDP
    } else {
        TCP
    };
    Port::new(Be16::new(published.published), proto)
}

/// The table of a service whose tasks take new flows, each with its place in the Swarm.
fn places(mut ready: Vec<(Key, u32)>, wishes: &Wishes) -> Vec<Key> {
    let here = ready.iter().any(|(_, place)| *place == LOCAL);
    if wishes.local == Local::Only || (wishes.local == Local::Prefer && here) {
        ready.retain(|(_, place)| *place == LOCAL);
    }
    let mut tasks: Vec<Key> = ready.into_iter().map(|(task, _)| task).collect();
    tasks.sort_unstable();
    match wishes.policy {
        Policy::RoundRobin | Policy::LeastConn => tasks,
        Policy::SourceHash | Policy::Maglev => maglev::table(&tasks),
    }
}

/// Where packets of a task are sent.
fn place(
    snapshot: &Snapshot,
    node: &Node,
    id: &TaskId,
    task: &Task,
    service: Key,
) -> Result<Backend, Problem> {
    let service_name = snapshot
        .services
        .get(&task.service)
        .map_or("?", |service| service.name.as_str());
    let object = format!("task {id} of service {service_name}");
    let (place, address, link) = if task.node == node.id {
        let at = node.tasks.get(id).ok_or_else(|| Problem {
            object: object.clone(),
            sentence: "it has no address on docker_gwbridge or docker0, so this node can't reach it; does it use the host's network?".to_owned(),
        })?;
        let link = match at.bridge {
            Bridge::Gateway => 0,
            Bridge::Default => {
                let mut bridges = node.bridges.iter();
                let bridge = bridges.find(|bridge| bridge.name == DEFAULT_BRIDGE);
                bridge.map(|bridge| bridge.index).ok_or_else(|| Problem {
                    object: object.clone(),
                    sentence: format!("it is on {DEFAULT_BRIDGE}, which this host does not have; attach its service to an overlay network"),
                })?
            }
        };
        (LOCAL, at.address, link)
    } else {
        let peer = snapshot.nodes.get(&task.node);
        let address = peer.and_then(|peer| peer.address).ok_or_else(|| Problem {
            object,
            sentence: format!(
                "its node {} has no address that other nodes could use; join it again with --advertise-addr",
                peer.map_or(task.node.0.as_str(), |peer| peer.hostname.as_str())
            ),
        })?;
        (REMOTE, address, 0)
    };
    Ok(Backend {
        address: Be32::new(address.into()),
        place,
        link,
        takes: 0,
        service: service.0,
    })
}

/// One frontend with its table, under the number it has if it is there already.
fn publish(
    want: &mut State,
    have: &State,
    published: &PublishedPort,
    wishes: &Wishes,
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
            pick: match wishes.policy {
                Policy::RoundRobin => PICK_TURN,
                Policy::LeastConn => PICK_LEAST,
                Policy::SourceHash => PICK_SOURCE,
                Policy::Maglev => PICK_FLOW,
            },
            flags: if wishes.direct { DIRECT } else { 0 }
                | if wishes.allow.is_some() {
                    RESTRICTED
                } else {
                    0
                },
            keep: ticks_of(wishes.affinity_s),
            ..Frontend::new(Be16::new(published.target), count, table, service.0)
        },
    );
    let allow = wishes.allow.iter().flatten();
    want.allowed.extend(allow.map(|network| (port, *network)));
    if count != 0 {
        want.tables.insert((port, table), ready.to_vec());
    }
}

/// Seconds as ticks of the flows' clock, rounded up.
fn ticks_of(seconds: u32) -> u32 {
    let nanoseconds = u64::from(seconds) * 1_000_000_000;
    lb_abi::flow::ticks(nanoseconds + (1 << 30) - 1)
}
