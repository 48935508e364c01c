//! Builds the reports of the admin API from snapshots and counters. Pure.
//!
//! Reports are for people and scripts, so everything is in a fixed order (by name,
//! then slot). Only services that this load balancer serves are listed:
//! those with a TCP or UDP port published on every node.

mod drops;
mod flows;
mod routes;
mod tables;

pub use drops::{drops, reason_name};
pub use flows::{FlowFilter, FlowTable, QUIET_TICKS, flow_state, flows, idle_ticks, node_at};
pub use routes::routes;
pub(crate) use routes::{filter, route};
pub use tables::{Occupancy, OtherTables, crowded, tables};

use crate::model::ids::{Key, NodeId, ServiceId, TaskId};
use crate::model::node::Node;
use crate::model::port::Number;
use crate::model::snapshot::{
    DesiredState, LocalHealth, NodeState, Service, Snapshot, Task, TaskState,
};
use crate::report::{
    Counters, NodeReport, Nodes, PortReport, Scope, ServiceReport, ServiceStats, Services, Stats,
    TaskStats,
};
use std::collections::{BTreeMap, BTreeSet};

/// Counters as the kernel keeps them: by task or by service.
pub type Count = BTreeMap<Key, Counters>;

/// Ports that are withdrawn and still have connections, by service, with the port in the containers.
pub type Withdrawn = BTreeMap<Key, BTreeMap<Number, u16>>;

/// `GET /v1/services`.
#[must_use]
pub fn services(snapshot: &Snapshot, withdrawn: &Withdrawn) -> Services {
    let has = |id: &ServiceId, service: &Service| {
        !ports(service).is_empty() || withdrawn.contains_key(&Key::from(id))
    };
    let services = listed_where(snapshot, has)
        .into_iter()
        .map(|(id, service, tasks)| ServiceReport {
            id: id.clone(),
            name: service.name.clone(),
            ports: ports(service),
            withdrawn: withdrawn_ports(withdrawn.get(&Key::from(id))),
            ready: count(&tasks, |task| snapshot.eligible(task)),
            draining: count(&tasks, |task| keeps(snapshot, task)),
            removed: service.removed,
        })
        .collect();
    Services { services }
}

/// `GET /v1/nodes`. `agents` are the nodes with a connected agent; `None` if that is not known.
#[must_use]
pub fn nodes(snapshot: &Snapshot, this: &NodeId, agents: Option<&BTreeSet<NodeId>>) -> Nodes {
    let mut ready: BTreeMap<&NodeId, usize> = BTreeMap::new();
    for (_, _, tasks) in listed(snapshot) {
        for (_, task) in tasks.iter().filter(|(_, task)| snapshot.eligible(task)) {
            *ready.entry(&task.node).or_default() += 1;
        }
    }
    let mut nodes: Vec<NodeReport> = snapshot
        .nodes
        .iter()
        .map(|(id, node)| NodeReport {
            id: id.clone(),
            hostname: node.hostname.clone(),
            address: node.address,
            state: node.state,
            manager: node.manager,
            draining: node.draining,
            this: id == this,
            agent: agents.map(|connected| id == this || connected.contains(id)),
            tasks: ready.get(id).copied().unwrap_or_default(),
        })
        .collect();
    nodes.sort_by(|a, b| (&a.hostname, &a.id).cmp(&(&b.hostname, &b.id)));
    Nodes { nodes }
}

/// `GET /v1/stats`.
///
/// `tasks` has the counters of tasks that have not ended, `retired` by service the
/// sums of those that have; `missing` are the nodes whose counters are in neither.
#[must_use]
pub fn stats(
    snapshot: &Snapshot,
    this: &Node,
    scope: Scope,
    tasks: &Count,
    retired: &Count,
    missing: &BTreeSet<NodeId>,
) -> Stats {
    let services = listed(snapshot)
        .into_iter()
        .map(|(id, service, members)| {
            let mut total = retired.get(&Key::from(id)).copied().unwrap_or_default();
            let tasks = members
                .into_iter()
                .map(|(id, task)| {
                    let counters = tasks.get(&Key::from(id)).copied().unwrap_or_default();
                    total.add(&counters);
                    task_stats(snapshot, this, id, task, counters)
                })
                .collect();
            ServiceStats {
                id: id.clone(),
                name: service.name.clone(),
                ports: ports(service),
                total,
                tasks,
            }
        })
        .collect();
    let mut missing: Vec<String> = missing.iter().map(|id| hostname(snapshot, id)).collect();
    missing.sort();
    Stats {
        scope: scope.as_str().to_owned(),
        missing,
        services,
        http: None,
    }
}

/// Adds one node's counters to a sum over nodes: keys are the same on all of them.
pub fn sum(into: &mut Count, from: &Count) {
    for (key, counters) in from {
        into.entry(*key).or_default().add(counters);
    }
}

/// The numbers of [`crate::report::Status`] that come from the snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Services with a published port that are served.
    pub services: usize,
    /// Tasks of theirs that take new connections.
    pub tasks: usize,
}

/// Counts what is served.
#[must_use]
pub fn tally(snapshot: &Snapshot) -> Tally {
    let listed = listed(snapshot);
    Tally {
        services: listed.iter().filter(|(_, s, _)| !s.removed).count(),
        tasks: listed
            .iter()
            .map(|(_, _, tasks)| count(tasks, |task| snapshot.eligible(task)))
            .sum(),
    }
}

/// The one word for how a task stands. `running` iff it takes new connections.
#[must_use]
pub fn state(snapshot: &Snapshot, task: &Task) -> &'static str {
    let lost = snapshot
        .nodes
        .get(&task.node)
        .is_some_and(|node| node.state == NodeState::Down);
    match (task.state, task.desired, task.health) {
        (TaskState::Ended, _, _) => "ended",
        _ if lost => "lost",
        (_, _, LocalHealth::Dead | LocalHealth::Stopping) => "stopping",
        (_, _, LocalHealth::Unhealthy) => "unhealthy",
        (TaskState::Unknown, _, _) => "unknown",
        _ if snapshot.eligible(task) => "running",
        (TaskState::Pending | TaskState::Starting, DesiredState::Ended, _) => "stopping",
        (TaskState::Pending | TaskState::Starting, _, _) => "starting",
        (TaskState::Running, DesiredState::Unknown, _) => "unknown",
        (TaskState::Running, _, _) => "draining",
    }
}

/// The name people know a task by: `vote.3`, or `vote.HOSTNAME` for global services.
#[must_use]
pub fn task_name(snapshot: &Snapshot, task: &Task) -> String {
    let service = snapshot
        .services
        .get(&task.service)
        .map_or(task.service.as_str(), |service| service.name.as_str());
    if task.slot == 0 {
        format!("{service}.{}", hostname(snapshot, &task.node))
    } else {
        format!("{service}.{}", task.slot)
    }
}

/// The ports of `service` that every node answers.
#[must_use]
pub fn ports(service: &Service) -> Vec<PortReport> {
    let claims = service.claims().into_iter();
    let mut ports: Vec<PortReport> = claims
        .map(|claim| PortReport {
            proto: claim.port.proto,
            published: claim.port.published,
            target: claim.port.target,
        })
        .collect();
    ports.sort_by_key(|port| (port.published, port.proto, port.target));
    ports
}

fn withdrawn_ports(ports: Option<&BTreeMap<Number, u16>>) -> Vec<PortReport> {
    let ports = ports.into_iter().flatten();
    let report = |((published, proto), target): (&Number, &u16)| PortReport {
        proto: *proto,
        published: *published,
        target: *target,
    };
    ports.map(report).collect()
}

type Members<'a> = Vec<(&'a TaskId, &'a Task)>;

/// Services with a published port, by name, each with its tasks that have not ended, by slot.
fn listed(snapshot: &Snapshot) -> Vec<(&ServiceId, &Service, Members<'_>)> {
    listed_where(snapshot, |_, service| !ports(service).is_empty())
}

/// Services to tell of, by name, each with its tasks that have not ended, by slot.
fn listed_where(
    snapshot: &Snapshot,
    told: impl Fn(&ServiceId, &Service) -> bool,
) -> Vec<(&ServiceId, &Service, Members<'_>)> {
    let mut members: BTreeMap<_, Members<'_>> = BTreeMap::new();
    for (id, task) in &snapshot.tasks {
        if task.state != TaskState::Ended {
            members.entry(&task.service).or_default().push((id, task));
        }
    }
    let mut listed: Vec<_> = snapshot
        .services
        .iter()
        .filter(|(id, service)| told(id, service))
        .map(|(id, service)| (id, service, members.remove(id).unwrap_or_default()))
        .collect();
    for (_, _, tasks) in &mut listed {
        tasks.sort_by_cached_key(|(id, task)| (task.slot, hostname(snapshot, &task.node), *id));
    }
    listed.sort_by_key(|(id, service, _)| (&service.name, *id));
    listed
}

fn count(tasks: &Members<'_>, of: impl Fn(&Task) -> bool) -> usize {
    tasks.iter().filter(|(_, task)| of(task)).count()
}

/// Takes no new connection, but may hold some that it got earlier.
fn keeps(snapshot: &Snapshot, task: &Task) -> bool {
    snapshot.alive(task) && !snapshot.eligible(task) && task.state != TaskState::Starting
}

fn task_stats(
    snapshot: &Snapshot,
    this: &Node,
    id: &TaskId,
    task: &Task,
    counters: Counters,
) -> TaskStats {
    let address = if task.node == this.id {
        this.tasks.get(id).map(|task| task.address)
    } else {
        snapshot.nodes.get(&task.node).and_then(|node| node.address)
    };
    TaskStats {
        id: id.clone(),
        name: task_name(snapshot, task),
        node: hostname(snapshot, &task.node),
        address,
        state: state(snapshot, task).to_owned(),
        counters,
    }
}

/// The node's host name, or its id where nothing else is known of it.
pub(crate) fn hostname(snapshot: &Snapshot, id: &NodeId) -> String {
    snapshot
        .nodes
        .get(id)
        .filter(|node| !node.hostname.is_empty())
        .map_or_else(|| id.to_string(), |node| node.hostname.clone())
}

#[cfg(test)]
pub(crate) mod tests;
