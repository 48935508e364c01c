//! The tasks of one service: where they are, and who takes new flows.

use super::Number;
use super::model::{Backend, Locality};
use super::targets::Targets;
use crate::model::ids::{Key, NodeId, TaskId};
use crate::model::labels::Local;
use crate::model::node::{Bridge, DEFAULT_BRIDGE, Node};
use crate::model::snapshot::{DesiredState, LocalHealth, Snapshot, Task};
use crate::report::Problem;
use std::collections::{BTreeMap, BTreeSet};

/// The number of replicas that these tasks of a service are: of a task that an update replaces and of its successor, one
/// is counted. So it stays the same throughout an update.
pub(super) fn replicas(tasks: &[(&TaskId, &Task)]) -> usize {
    let tasks = tasks.iter().map(|(_, task)| task);
    let tasks = tasks.filter(|task| task.desired != DesiredState::Ended);
    // Those of a global service have no number, and each node has one.
    let replica = |task: &&Task| -> (u64, Option<NodeId>) {
        let node = (task.slot == 0).then(|| task.node.clone());
        (task.slot, node)
    };
    let replicas: BTreeSet<_> = tasks.map(replica).collect();
    replicas.len()
}

/// The tasks of a service, as this node sees them.
pub(super) struct Members {
    /// Those that may hold flows.
    pub(super) backends: BTreeMap<Key, Backend>,
    /// Ports that Docker publishes for those on this node.
    pub(super) bound: BTreeSet<Number>,
    /// Why some of them can't be reached.
    pub(super) unreachable: Vec<Problem>,
    /// Ports of those on this node, where they were made before the service got others. Other tasks get what is sent to the
    /// published port, and their own nodes know the rest.
    pub(super) targets: Targets,
}

impl Members {
    /// Those of `tasks` on `node` and elsewhere, where `local` says who takes new flows, and the service has a port of
    /// UDP or not (`datagrams`).
    pub(super) fn of(
        snapshot: &Snapshot,
        node: &Node,
        tasks: &[(&TaskId, &Task)],
        local: Local,
        datagrams: bool,
    ) -> Self {
        let mut members = Self {
            backends: BTreeMap::new(),
            bound: BTreeSet::new(),
            unreachable: Vec::new(),
            targets: Targets::new(),
        };
        let mut ready = Vec::new();
        for (id, task) in tasks.iter().copied() {
            // Where the node is only said to be lost, a connection may go on, and its end is
            // the client's to notice; datagrams move on, as nobody would notice.
            if !(snapshot.alive(task) || starts(node, id, task))
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
fn starts(node: &Node, id: &TaskId, task: &Task) -> bool {
    let here = task.node == node.id && node.tasks.contains_key(id);
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
