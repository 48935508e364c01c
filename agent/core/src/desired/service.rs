//! One service: where its tasks are, who takes new flows, and under which ports.

use super::listening;
use super::ports::{Asked, Number};
use super::publish::{bar, port, publish, unpublish};
use super::refusal::{refused, refused_if_any};
use super::share;
use crate::ids::{Key, ServiceId, TaskId};
use crate::labels::{Local, Policy, ServiceOptions};
use crate::maglev;
use crate::node::{Bridge, DEFAULT_BRIDGE, Node};
use crate::report::Problem;
use crate::snapshot::{LocalHealth, Proto, PublishMode, PublishedPort, Service, Snapshot, Task};
use crate::state::State;
use lb_abi::Be32;
use lb_abi::service::{ACTIVE, ADDRESSED, Backend, LOCAL, REMOTE};
use std::collections::{BTreeMap, BTreeSet};

/// What it takes to serve any service.
pub(super) struct ServiceContext<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) node: &'a Node,
    pub(super) have: &'a State,
    /// The service that has each port.
    pub(super) port_owners: &'a BTreeMap<Number, ServiceId>,
    /// The ports that Swarm publishes.
    pub(super) by_swarm: &'a BTreeSet<Number>,
}

/// Adds what serves one service, which asks for `asked`, to `want`, and returns what in it can't be
/// served.
pub(super) fn serve<'a>(
    world: &ServiceContext<'_>,
    id: &ServiceId,
    service: &Service,
    asked: &Asked,
    tasks: impl Iterator<Item = (&'a TaskId, &'a Task)>,
    want: &mut State,
) -> Vec<Problem> {
    let mut problems = asked.problems.clone();
    if asked.ports.is_empty() {
        return problems;
    }
    let snapshot = world.snapshot;
    let options = &asked.options;
    let key = Key::from(id);
    want.services.insert(key);
    let by_docker = |port: &PublishedPort| port.mode == PublishMode::Host;
    if service.ports.iter().any(by_docker) {
        want.tracked.insert(key);
    }
    let datagrams = asked.ports.iter().any(|port| port.proto == Proto::Udp);
    let mut ready = Vec::new();
    let mut bound = BTreeSet::new();
    for (task_id, task) in tasks {
        // Where the node is only said to be lost, a connection may go on, and its end is
        // the client's to notice; datagrams move on, as nobody would notice.
        if !(snapshot.alive(task) || starts(world, task_id, task))
            || (datagrams && snapshot.lost(task))
        {
            continue;
        }
        let eligible = snapshot.eligible(task);
        if task.node == world.node.id {
            let ports = task.host_ports.iter();
            bound.extend(ports.map(|port| (port.published, port.proto)));
        }
        match place(snapshot, world.node, task_id, task, key) {
            Ok(mut backend) => {
                if options.task_address {
                    backend.flags |= ADDRESSED;
                }
                want.backends.insert(Key::from(task_id), backend);
                if eligible {
                    ready.push((Key::from(task_id), backend.locality));
                }
            }
            // Before it runs, a task need not have an address yet.
            Err(problem) if eligible => problems.push(problem),
            Err(_) => {}
        }
    }
    let table = places(ready, options);
    for task in &table {
        if let Some(backend) = want.backends.get_mut(task) {
            backend.flags |= ACTIVE;
        }
    }
    let (ports, over) = asked
        .ports
        .split_at(share::ports(table.len()).min(asked.ports.len()));
    // One sentence for each reason.
    let mut denied: BTreeMap<String, Vec<PublishedPort>> = BTreeMap::new();
    for published in ports {
        let number = (published.published, published.proto);
        let holder = world.port_owners.get(&number);
        if holder != Some(id) {
            if !service.removed {
                let holder = holder.and_then(|holder| snapshot.services.get(holder));
                let holder = holder.map_or("?", |holder| holder.name.as_str());
                let why = format!("service {holder} has it; choose another one");
                denied.entry(why).or_default().push(*published);
            }
            continue;
        }
        let port = port(published);
        let before = world.have.frontends.get(&port);
        // Without tasks it has nothing there, now or before.
        let open = !table.is_empty()
            && before.is_some_and(|port| port.service == key.0 && port.count != 0);
        let by_docker = world.by_swarm.contains(&number) || bound.contains(&number) || {
            let host = |port: &PublishedPort| port.mode == PublishMode::Host;
            let mut ports = service.ports.iter().filter(|port| host(port));
            ports.any(|port| (port.published, port.proto) == number)
        };
        let listener = world.node.listening.get(&number);
        match listener.filter(|listener| listening::bars(listener, by_docker, open)) {
            Some(listener) => {
                let why = listening::why(listener);
                denied.entry(why).or_default().push(*published);
                bar(want, port, published, key);
            }
            None => publish(want, world.have, published, options, &table, key),
        }
    }
    let denied = denied.iter();
    problems.extend(denied.map(|(why, ports)| refused(service, ports, why)));
    let why = format!(
        "the tables of its ports have {} places each, and a service can have so many; \
         share the ports out among several services",
        table.len()
    );
    problems.extend(refused_if_any(service, over, &why));
    problems
}

/// Does it run on this node before the Swarm says so? The others are told of it once it is in the
/// kernel here ([`crate::readiness`]).
fn starts(world: &ServiceContext<'_>, id: &TaskId, task: &Task) -> bool {
    let here = task.node == world.node.id && world.node.tasks.contains_key(id);
    here && task.on_its_way() && task.health != LocalHealth::Dead
}

/// Takes away from `want` what [`serve`] added for a service that asked for `asked`, and whose tasks
/// were `tasks`.
pub(super) fn withdraw<'a>(
    id: &ServiceId,
    asked: &Asked,
    tasks: impl Iterator<Item = &'a TaskId>,
    want: &mut State,
) {
    let key = Key::from(id);
    for task in tasks {
        want.backends.remove(&Key::from(task));
    }
    want.services.remove(&key);
    want.tracked.remove(&key);
    unpublish(want, asked, key);
}

/// The table of a service whose tasks take new flows, each with its place in the Swarm.
fn places(mut ready: Vec<(Key, u32)>, options: &ServiceOptions) -> Vec<Key> {
    let here = ready.iter().any(|(_, place)| *place == LOCAL);
    if options.local == Local::Only || (options.local == Local::Prefer && here) {
        ready.retain(|(_, place)| *place == LOCAL);
    }
    let mut tasks: Vec<Key> = ready.into_iter().map(|(task, _)| task).collect();
    tasks.sort_unstable();
    match options.policy {
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
    let (locality, address, link) = if task.node == node.id {
        let at = node.tasks.get(id).ok_or_else(|| Problem {
            object: object.clone(),
            message: "it has no address on docker_gwbridge or docker0, so this node can't reach it; does it use the host's network?".to_owned(),
        })?;
        let link = match at.bridge {
            Bridge::Gateway => 0,
            Bridge::Default => {
                let mut bridges = node.bridges.iter();
                let bridge = bridges.find(|bridge| bridge.name == DEFAULT_BRIDGE);
                bridge.map(|bridge| bridge.index).ok_or_else(|| Problem {
                    object: object.clone(),
                    message: format!("it is on {DEFAULT_BRIDGE}, which this host does not have; attach its service to an overlay network"),
                })?
            }
        };
        (LOCAL, at.address, link)
    } else {
        let peer = snapshot.nodes.get(&task.node);
        let address = peer.and_then(|peer| peer.address).ok_or_else(|| Problem {
            object,
            message: format!(
                "its node {} has no address that other nodes could use; join it again with --advertise-addr",
                peer.map_or(task.node.0.as_str(), |peer| peer.hostname.as_str())
            ),
        })?;
        (REMOTE, address, 0)
    };
    Ok(Backend {
        address: Be32::new(address.into()),
        locality,
        link,
        flags: 0,
        service: service.0,
    })
}
