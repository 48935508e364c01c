//! The Swarm at one moment: services, their published ports, tasks, nodes.
//!
//! Every source (the Docker API on a manager, another agent on a worker) is
//! brought into this form, so nothing downstream knows where it came from.

mod service;

pub use crate::model::port::{Proto, PublishMode, PublishedPort};
pub use service::{Claim, Service};

use crate::model::ids::{Key, NodeId, ServiceId, TaskId};
use crate::model::port_list::PortList;
use crate::model::token::TokenKeys;
use crate::persistent::PersistentMap;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// One whole view of the Swarm.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// False until all of services, tasks and nodes were read once: until then
    /// nothing may be removed because it is missing here.
    pub complete: bool,
    /// Services that exist, and removed ones ([`Service::removed`]) while tasks of theirs still run.
    pub services: PersistentMap<ServiceId, Service>,
    /// Tasks that have not ended yet.
    pub tasks: PersistentMap<TaskId, Task>,
    /// Members of the Swarm.
    pub nodes: PersistentMap<NodeId, SwarmNode>,
}

/// One task that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The service it belongs to.
    pub service: ServiceId,
    /// The node it was assigned to.
    pub node: NodeId,
    /// Its number within the service; 0 for global services.
    pub slot: u64,
    /// `Status.State`.
    pub state: TaskState,
    /// `DesiredState`.
    pub desired: DesiredState,
    /// `Status.PortStatus.Ports`: where `mode=host` ports ended up.
    pub host_ports: PortList,
    /// Ports of its service as they were when the task was made, where the service has another target by now, or had one before it
    /// published the port no more; see
    /// [`crate::view::targets`].
    #[serde(default)]
    pub targets: PortList,
    /// What the engine on its node told before the Swarm did.
    pub health: LocalHealth,
}

impl Task {
    /// Does it not run yet, as far as the Swarm knows?
    #[must_use]
    pub fn on_its_way(&self) -> bool {
        matches!(self.state, TaskState::Pending | TaskState::Starting)
    }
}

/// How far a task has come. States of the API that do not matter to balancing share a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// Anything before the container runs.
    Pending,
    /// The container exists and waits for its first `healthy`.
    Starting,
    /// It runs.
    Running,
    /// It ended, in whatever way.
    Ended,
    /// A word this version does not know: nothing is concluded from it.
    Unknown,
}

/// What the managers want of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DesiredState {
    /// The Swarm wants it to run.
    Running,
    /// It waits for its predecessor to go.
    Ready,
    /// The Swarm wants it to end.
    Ended,
    /// A word this version does not know.
    Unknown,
}

/// What local container events say about a task; see [`crate::view::overlay`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LocalHealth {
    /// No local event reported.
    #[default]
    Ok,
    /// Ready for connections, which the Swarm may not know yet.
    Ready,
    /// Its health check failed; the Swarm will stop it.
    Unhealthy,
    /// It was sent a signal to stop.
    Stopping,
    /// Its container died.
    Dead,
}

/// A member of the Swarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwarmNode {
    /// Its host name, for people.
    pub hostname: String,
    /// Where other nodes reach it, if that is known.
    pub address: Option<Ipv4Addr>,
    /// `Status.State`.
    pub state: NodeState,
    /// Whether it is a manager now.
    pub manager: bool,
    /// `Spec.Availability` is `drain`.
    pub draining: bool,
    /// By what its agent serves, as `--datapath` names it, if that is known. Nodes with different
    /// ones don't reach each other's tasks.
    pub datapath: Option<String>,
    /// Keys of the tokens on what it sends through the tunnel. Not known where `datapath` is not known
    /// either: nothing is concluded then. In no serialised form.
    #[serde(skip)]
    pub token_keys: Option<TokenKeys>,
}

/// `Status.State` of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// Not known, e.g. right after a change of leader: removes nothing.
    Unknown,
    /// Heartbeats missed: its tasks are out.
    Down,
    /// It takes part.
    Ready,
    /// It left in good order.
    Disconnected,
}

impl Snapshot {
    /// May `task` get new connections?
    ///
    /// Iff it runs, as the Swarm or its own engine says, and is wanted to run, its service exists, its
    /// node is not down and no local event says otherwise.
    #[must_use]
    pub fn eligible(&self, task: &Task) -> bool {
        let runs = match task.health {
            LocalHealth::Ok => task.state == TaskState::Running,
            LocalHealth::Ready => task.state == TaskState::Running || task.on_its_way(),
            LocalHealth::Unhealthy | LocalHealth::Stopping | LocalHealth::Dead => false,
        };
        runs && task.desired == DesiredState::Running
            && self
                .services
                .get(&task.service)
                .is_some_and(|service| !service.removed)
            && self
                .nodes
                .get(&task.node)
                .is_none_or(|node| node.state != NodeState::Down)
    }

    /// The task with a key.
    #[must_use]
    pub fn task_of(&self, key: Key) -> Option<&Task> {
        let mut tasks = self.tasks.iter();
        tasks
            .find(|(id, _)| Key::from(*id) == key)
            .map(|(_, task)| task)
    }

    /// May `task` still hold connections it got earlier?
    #[must_use]
    pub fn alive(&self, task: &Task) -> bool {
        match task.state {
            TaskState::Running | TaskState::Starting | TaskState::Unknown => {
                task.health != LocalHealth::Dead
            }
            TaskState::Pending => task.health == LocalHealth::Ready,
            TaskState::Ended => false,
        }
    }

    /// This view, sharing with the one before it what has not changed since. Its tasks share the ids of its services and
    /// nodes, of which every source tells each task anew.
    #[must_use]
    pub fn reusing(&self, before: &Self) -> Self {
        let services = self.services.reusing(&before.services);
        let nodes = self.nodes.reusing(&before.nodes);
        let tasks = self.tasks.reusing_with(&before.tasks, |task| {
            let (service, node) = (services.key(&task.service), nodes.key(&task.node));
            Task {
                service: service.unwrap_or(&task.service).clone(),
                node: node.unwrap_or(&task.node).clone(),
                ..task.clone()
            }
        });
        Self {
            complete: self.complete,
            services,
            tasks,
            nodes,
        }
    }

    /// Do the managers take `task`'s node for lost? They may be wrong: a node that is
    /// promoted can miss its heartbeats, while its tasks answer as before.
    #[must_use]
    pub fn lost(&self, task: &Task) -> bool {
        let node = self.nodes.get(&task.node);
        node.is_some_and(|node| node.state == NodeState::Down)
    }
}

/// Keeps in `next` the services that are missing from it while tasks of theirs still run.
///
/// Swarm forgets a service the moment it is removed, and stops its tasks seconds later;
/// their connections need its ports until they have ended.
pub fn carry_over(previous: &Snapshot, next: &mut Snapshot) {
    for task in next.tasks.values() {
        if next.services.contains_key(&task.service) {
            continue;
        }
        if let Some(service) = previous.services.get(&task.service) {
            let left = Service {
                removed: true,
                ..service.clone()
            };
            next.services.insert(task.service.clone(), left);
        }
    }
}

#[cfg(test)]
mod tests;
