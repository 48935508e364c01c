//! One service: who takes new flows, under which ports, and which ports only keep the connections that they have.

use super::members::{Members, replicas};
use super::model::{Frontend, Service};
use super::ports::Asked;
use super::refusal::{refused, refused_if_any};
use super::room::Room;
use super::targets::differing;
use super::{Number, listening, share};
use crate::maglev;
use crate::model::ids::{Key, ServiceId, TaskId};
use crate::model::labels::Policy;
use crate::model::node::Node;
use crate::model::port::{Proto, PublishMode, PublishedPort};
use crate::model::snapshot::{self, Snapshot, Task};
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
        numbers
            .filter_map(|number| self.had(service, number))
            .collect()
    }

    /// A port that the service asks for and can't have, where it is of TCP, and the service has it here: it keeps its
    /// connections until they have ended.
    fn kept(&self, id: &ServiceId, port: &PublishedPort) -> Option<Frontend> {
        let number = (port.published, port.proto);
        let own = self.port_owners.get(&number) == Some(id);
        let keeps = own && port.proto == Proto::Tcp && !self.node.drained.contains(&number);
        self.had(Key::from(id), &number).filter(|_| keeps)
    }

    /// The port as this node has it until now; none where it is not the service's.
    fn had(&self, service: Key, number: &Number) -> Option<Frontend> {
        let serving = self.node.serving.get(number)?;
        let listener = self.node.listening.get(number);
        let by_docker = self.by_swarm.contains(number);
        (serving.service == service).then_some(Frontend {
            published: number.0,
            proto: number.1,
            target: serving.target,
            barred: listener.is_some_and(|it| listening::bars(it, by_docker, true)),
        })
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
    let mut withdrawn = context.withdrawn_from(key);
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
    let tasks: Vec<(&TaskId, &Task)> = tasks.collect();
    let Members {
        mut backends,
        bound,
        unreachable,
        targets,
    } = Members::of(snapshot, context.node, &tasks, options.local, datagrams);
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
    let replicas = if share::ports(tasks.len()) < asked.ports.len() {
        replicas(&tasks)
    } else {
        tasks.len()
    };
    let most = match no_room {
        Some(_) => 0,
        None => share::ports(replicas).min(asked.ports.len()),
    };
    let (ports, over) = asked.ports.split_at(most);
    withdrawn.extend(over.iter().filter_map(|port| context.kept(id, port)));
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
            "a service can have {} pairs of port and task, and it has {replicas} tasks; share the ports out among several \
             services",
            share::PAIRS
        )
    });
    problems.extend(refused_if_any(service, over, &why));
    let (targets, over) = differing(service, targets, &frontends, &withdrawn);
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
