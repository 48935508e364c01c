//! One service: where its tasks are, who takes new flows, and under which ports.

use super::model::{Backend, Frontend, Locality, Service};
use super::ports::Asked;
use super::refusal::{refused, refused_if_any};
use super::room::Room;
use super::targets::{Targets, differing};
use super::{Number, listening, share};
use crate::maglev;
use crate::model::ids::{Key, ServiceId, TaskId};
use crate::model::labels::{Local, Policy};
use crate::model::node::{Bridge, DEFAULT_BRIDGE, Node};
use crate::model::port::{Proto, PublishMode, PublishedPort};
use crate::model::snapshot::{self, LocalHealth, Snapshot, Task};
use crate::report::Problem;
use std::collections::{BTreeMap, BTreeSet};

/// What it takes to serve any service.
pub(super) struct ServiceContext<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) node: &'a Node,
    /// The service that has each port.
    pub(super) port_owners: &'a BTreeMap<Number, ServiceId>,
    /// The ports that Swarm publishes.
    pub(super) by_swarm: &'a BTreeSet<Number>,
    /// The ports that services had when that was looked up, and don't ask for any more.
    pub(super) withdrawn: &'a BTreeMap<Key, Vec<Number>>,
    /// The services for whose tables there is room.
    pub(super) room: &'a Room,
}

impl ServiceContext<'_> {
    /// The ports that are withdrawn from a service and may still have connections.
    fn withdrawn_from(&self, service: Key) -> Vec<Frontend> {
        let numbers = self.withdrawn.get(&service).into_iter().flatten();
        let served = numbers.filter_map(|number| {
            let serving = self.node.serving.get(number)?;
            let listener = self.node.listening.get(number);
            let by_docker = self.by_swarm.contains(number);
            (serving.service == service).then_some(Frontend {
                published: number.0,
                proto: number.1,
                target: serving.target,
                barred: listener.is_some_and(|it| listening::bars(it, by_docker, true)),
            })
        });
        served.collect()
    }
}

/// What serves one service.
#[derive(Default)]
pub(super) struct Served {
    /// None where it asks for no port, declares no HTTP route and has no connections left on ports that it had.
    pub(super) service: Option<Service>,
    /// What in it can't be served.
    pub(super) problems: Vec<Problem>,
    /// Places that its table needs, whether there is room for it or not.
    pub(super) places: usize,
}

/// What serves one service, which asks for `asked`.
pub(super) fn serve<'a>(
    context: &ServiceContext<'_>,
    id: &ServiceId,
    service: &snapshot::Service,
    asked: &Asked,
    tasks: impl Iterator<Item = (&'a TaskId, &'a Task)>,
) -> Served {
    let mut problems = asked.problems.clone();
    let key = Key::from(id);
    let withdrawn = context.withdrawn_from(key);
    let takes_none = asked.ports.is_empty() && !asked.routed;
    if takes_none && withdrawn.is_empty() {
        return Served {
            problems,
            ..Served::default()
        };
    }
    let snapshot = context.snapshot;
    let options = service.options();
    let datagrams = asked.ports.iter().any(|port| port.proto == Proto::Udp);
    let Members {
        mut backends,
        bound,
        unreachable,
        targets,
    } = Members::of(context, tasks, options.local, datagrams);
    if takes_none {
        if backends.is_empty() {
            return Served {
                problems,
                ..Served::default()
            };
        }
        for backend in backends.values_mut() {
            backend.active = false;
        }
    } else {
        problems.extend(unreachable);
    }
    let active = backends.values().filter(|backend| backend.active).count();
    let places = match options.policy {
        _ if asked.ports.is_empty() => 0,
        Policy::RoundRobin | Policy::LeastConn => active,
        Policy::SourceHash | Policy::Maglev => maglev::places(active),
    };
    let no_room = no_room(context, id, places);
    let most = match no_room {
        Some(_) => 0,
        None => share::ports(active).min(asked.ports.len()),
    };
    let (ports, over) = asked.ports.split_at(most);
    let by_docker = |port: &&PublishedPort| port.mode == PublishMode::Host;
    let by_docker = || service.ports.iter().filter(by_docker);
    // One sentence for each reason.
    let mut denied: BTreeMap<String, Vec<PublishedPort>> = BTreeMap::new();
    let mut frontends = Vec::new();
    for published in ports {
        let number = (published.published, published.proto);
        let holder = context.port_owners.get(&number);
        if holder != Some(id) {
            if !service.removed {
                let why = held(snapshot, holder);
                denied.entry(why).or_default().push(*published);
            }
            continue;
        }
        // Without tasks it has nothing there, now or before.
        let before = context.node.serving.get(&number);
        let open =
            active != 0 && before.is_some_and(|before| before.service == key && before.has_tasks);
        let docker_listens = context.by_swarm.contains(&number)
            || bound.contains(&number)
            || by_docker().any(|port| (port.published, port.proto) == number);
        let listener = context.node.listening.get(&number);
        let listener = listener.filter(|listener| listening::bars(listener, docker_listens, open));
        if let Some(listener) = listener {
            let why = listening::why(listener);
            denied.entry(why).or_default().push(*published);
        }
        frontends.push(Frontend {
            published: published.published,
            proto: published.proto,
            target: published.target,
            barred: listener.is_some(),
        });
    }
    let denied = denied.iter();
    problems.extend(denied.map(|(why, ports)| refused(service, ports, why)));
    let why = no_room.unwrap_or_else(|| {
        format!(
            "a service can have {} pairs of port and task, and it has {active} tasks; share the ports out among several \
             services",
            share::PAIRS
        )
    });
    problems.extend(refused_if_any(service, over, &why));
    let (targets, over) = differing(service, targets, &frontends);
    problems.extend(over);
    let served = Service {
        policy: options.policy,
        affinity: options.affinity,
        direct: options.direct,
        task_address: asked.task_address,
        routed: asked.routed,
        routed_ports: asked.routed_ports.clone(),
        tracked: by_docker().next().is_some(),
        allow: asked.allow.clone(),
        // Without a task there is no connection.
        withdrawn: if backends.is_empty() {
            Vec::new()
        } else {
            withdrawn
        },
        backends,
        frontends,
        targets,
    };
    Served {
        service: Some(served),
        problems,
        places: if places > share::PLACES { 0 } else { places },
    }
}

/// Why there is no room for a table of so many places of the service, if there is none, and what to do.
fn no_room(context: &ServiceContext<'_>, id: &ServiceId, places: usize) -> Option<String> {
    if places > share::PLACES {
        return Some(format!(
            "its tasks take {places} places in the table of its ports, and a service can have {}; \
             share the tasks out among several services",
            share::PLACES
        ));
    }
    context.room.leaves_out(id).then(|| {
        format!(
            "its tasks take {places} places in the table of its ports, and older services leave fewer of the {} that all \
             services can have; run fewer tasks of it or of those: each takes one place, and by source-hash or maglev \
             64 or more",
            share::ALL_PLACES
        )
    })
}

/// Why a port is not the service's own that asks for it, and what to do.
fn held(snapshot: &Snapshot, holder: Option<&ServiceId>) -> String {
    let Some(holder) = holder else {
        return format!(
            "all services together can have {} ports, and older ones have them; publish fewer ports",
            share::ALL_PORTS
        );
    };
    let holder = snapshot.services.get(holder);
    let holder = holder.map_or("?", |holder| holder.name.as_str());
    format!("service {holder} has it; choose another one")
}

/// The tasks of a service, as this node sees them.
struct Members {
    /// Those that may hold flows.
    backends: BTreeMap<Key, Backend>,
    /// Ports that Docker publishes for those on this node.
    bound: BTreeSet<Number>,
    /// Why some of them can't be reached.
    unreachable: Vec<Problem>,
    /// Ports of those on this node, where they were made before the service got others. Other tasks get what is sent to the
    /// published port, and their own nodes know the rest.
    targets: Targets,
}

impl Members {
    fn of<'a>(
        context: &ServiceContext<'_>,
        tasks: impl Iterator<Item = (&'a TaskId, &'a Task)>,
        local: Local,
        datagrams: bool,
    ) -> Self {
        let (snapshot, node) = (context.snapshot, context.node);
        let mut members = Self {
            backends: BTreeMap::new(),
            bound: BTreeSet::new(),
            unreachable: Vec::new(),
            targets: Targets::new(),
        };
        let mut ready = Vec::new();
        for (id, task) in tasks {
            // Where the node is only said to be lost, a connection may go on, and its end is
            // the client's to notice; datagrams move on, as nobody would notice.
            if !(snapshot.alive(task) || starts(context, id, task))
                || (datagrams && snapshot.lost(task))
            {
                continue;
            }
            let eligible = snapshot.eligible(task);
            if task.node == node.id {
                let ports = task.host_ports.iter();
                let ports = ports.map(|port| (port.published, port.proto));
                members.bound.extend(ports);
            }
            match place(snapshot, node, id, task) {
                Ok(backend) => {
                    if matches!(backend.locality, Locality::Local { .. }) {
                        let targets = task.targets.iter();
                        members.targets.extend(targets.map(|port| {
                            (((port.published, port.proto), Key::from(id)), port.target)
                        }));
                    }
                    members.backends.insert(Key::from(id), backend);
                    if eligible {
                        ready.push((Key::from(id), backend.locality));
                    }
                }
                // Before it runs, a task need not have an address yet.
                Err(problem) if eligible => members.unreachable.push(problem),
                Err(_) => {}
            }
        }
        for task in takers(ready, local) {
            if let Some(backend) = members.backends.get_mut(&task) {
                backend.active = true;
            }
        }
        members
    }
}

/// Does it run on this node before the Swarm says so? The others are told of it once it is in the
/// kernel here ([`crate::view::readiness`]).
fn starts(context: &ServiceContext<'_>, id: &TaskId, task: &Task) -> bool {
    let here = task.node == context.node.id && context.node.tasks.contains_key(id);
    here && task.on_its_way() && task.health != LocalHealth::Dead
}

/// Those of the tasks that are `ready` which take new flows, with their places in the Swarm.
fn takers(mut ready: Vec<(Key, Locality)>, local: Local) -> Vec<Key> {
    let is_here = |(_, place): &(Key, Locality)| matches!(place, Locality::Local { .. });
    let here = ready.iter().any(is_here);
    if local == Local::Only || (local == Local::Prefer && here) {
        ready.retain(is_here);
    }
    ready.into_iter().map(|(task, _)| task).collect()
}

/// Where packets of a task are sent.
fn place(snapshot: &Snapshot, node: &Node, id: &TaskId, task: &Task) -> Result<Backend, Problem> {
    let service_name = snapshot
        .services
        .get(&task.service)
        .map_or("?", |service| service.name.as_str());
    let object = format!("task {id} of service {service_name}");
    let (locality, address) = if task.node == node.id {
        let at = node.tasks.get(id).ok_or_else(|| Problem {
            object: object.clone(),
            message: "it has no address on docker_gwbridge or docker0, so this node can't reach it; does it use the host's network?".to_owned(),
        })?;
        let bridge = match at.bridge {
            Bridge::Gateway => None,
            Bridge::Default => {
                let mut bridges = node.bridges.iter();
                let bridge = bridges.find(|bridge| bridge.name == DEFAULT_BRIDGE);
                let bridge = bridge.ok_or_else(|| Problem {
                    object: object.clone(),
                    message: format!("it is on {DEFAULT_BRIDGE}, which this host does not have; attach its service to an overlay network"),
                })?;
                Some(bridge.index)
            }
        };
        (Locality::Local { bridge }, at.address)
    } else {
        let peer = snapshot.nodes.get(&task.node);
        let address = peer.and_then(|peer| peer.address).ok_or_else(|| Problem {
            object,
            message: format!(
                "its node {} has no address that other nodes could use; join it again with --advertise-addr",
                peer.map_or(task.node.as_str(), |peer| peer.hostname.as_str())
            ),
        })?;
        (Locality::Remote, address)
    };
    Ok(Backend {
        address,
        locality,
        active: false,
    })
}
