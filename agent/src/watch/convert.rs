//! Converts the engine's JSON to types of `lb_core`. Total: no conversion can fail.

use super::model;
use lb_core::model::ids::{NodeId, ServiceId, TaskId};
use lb_core::model::port_list::PortList;
use lb_core::model::snapshot::{
    DesiredState, LocalHealth, NodeState, Proto, PublishMode, PublishedPort, Service, Snapshot,
    SwarmNode, Task, TaskState,
};
use lb_core::view::targets::{Update, Updates};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// One view of the Swarm from the three lists, read together.
#[must_use]
pub fn snapshot(
    services: Vec<model::Service>,
    tasks: Vec<model::Task>,
    nodes: Vec<model::Node>,
) -> Snapshot {
    Snapshot {
        complete: true,
        services: services
            .into_iter()
            .map(|json| (ServiceId::from(json.id.as_str()), service(json)))
            .collect(),
        tasks: tasks
            .into_iter()
            .map(|json| (TaskId::from(json.id.as_str()), task(json)))
            .filter(|(_, task)| task.state != TaskState::Ended)
            .collect(),
        nodes: nodes
            .into_iter()
            .map(|json| (NodeId::from(json.id.as_str()), node(json)))
            .collect(),
    }
}

/// What the lists tell of updates that replace the tasks of services. When tasks were made is read where it matters only.
#[must_use]
pub fn updates(services: &[model::Service], tasks: &[model::Task]) -> Updates {
    let mut updates = Updates::default();
    let mut changing = BTreeSet::new();
    for json in services.iter().filter(|json| !json.update.state.is_empty()) {
        let before = json.previous.endpoint.ports.iter().filter_map(port);
        let update = Update {
            complete: matches!(
                json.update.state.as_str(),
                "completed" | "rollback_completed"
            ),
            began: nanoseconds(&json.update.started),
            before: before.collect(),
        };
        if !update.complete {
            changing.insert(json.id.as_str());
        }
        updates
            .services
            .insert(ServiceId::from(json.id.as_str()), update);
    }
    let tasks = tasks
        .iter()
        .filter(|json| changing.contains(json.service_id.as_str()));
    for json in tasks {
        // Where it is not known, it is a new one.
        let created = nanoseconds(&json.created);
        if created != 0 {
            let task = TaskId::from(json.id.as_str());
            updates.created.insert(task, created);
        }
    }
    updates
}

fn service(json: model::Service) -> Service {
    Service {
        name: json.spec.name,
        labels: json.spec.labels.into(),
        ports: json.endpoint.ports.iter().filter_map(port).collect(),
        removed: false,
        created: nanoseconds(&json.created),
    }
}

/// A time in RFC 3339 as nanoseconds since 1970; 0 where it is none.
fn nanoseconds(time: &str) -> u64 {
    let time = OffsetDateTime::parse(time, &Rfc3339);
    time.map_or(0, |time| {
        u64::try_from(time.unix_timestamp_nanos()).unwrap_or_default()
    })
}

fn task(json: model::Task) -> Task {
    let mut host_ports: Vec<PublishedPort> =
        json.status.ports.ports.iter().filter_map(port).collect();
    // The same port is listed for IPv4 and for IPv6.
    host_ports.sort_unstable();
    host_ports.dedup();
    Task {
        service: json.service_id.into(),
        node: json.node_id.into(),
        slot: json.slot,
        state: task_state(&json.status.state),
        desired: desired_state(&json.desired_state),
        host_ports: host_ports.into(),
        targets: PortList::default(),
        health: LocalHealth::Ok,
    }
}

fn node(json: model::Node) -> SwarmNode {
    SwarmNode {
        hostname: json.description.hostname,
        // A leader's `Status.Addr` may be what it listens on; a manager's own address is what
        // it advertises.
        address: json
            .manager
            .as_ref()
            .and_then(|manager| usable(host(&manager.addr)))
            .or_else(|| usable(&json.status.addr)),
        state: node_state(&json.status.state),
        manager: json.manager.is_some(),
        draining: json.spec.availability == "drain",
        datapath: None,
        token_keys: None,
    }
}

/// A published port; `None` if the engine's entry is not a valid one.
fn port(json: &model::Port) -> Option<PublishedPort> {
    let proto = match json.protocol.as_str() {
        // Docker leaves the default out in places.
        "tcp" | "" => Proto::Tcp,
        "udp" => Proto::Udp,
        "sctp" => Proto::Sctp,
        _ => return None,
    };
    let mode = match json.mode.as_str() {
        "ingress" | "" => PublishMode::Ingress,
        "host" => PublishMode::Host,
        _ => return None,
    };
    let target = u16::try_from(json.target).ok().filter(|port| *port != 0)?;
    Some(PublishedPort {
        proto,
        published: u16::try_from(json.published).ok()?,
        target,
        mode,
    })
}

fn task_state(word: &str) -> TaskState {
    match word {
        "new" | "allocated" | "pending" | "assigned" | "accepted" | "preparing" | "ready" => {
            TaskState::Pending
        }
        "starting" => TaskState::Starting,
        "running" => TaskState::Running,
        "complete" | "shutdown" | "failed" | "rejected" | "remove" | "orphaned" => TaskState::Ended,
        _ => TaskState::Unknown,
    }
}

fn desired_state(word: &str) -> DesiredState {
    match word {
        // A job's task is to run until it is complete.
        "running" | "complete" => DesiredState::Running,
        "ready" | "accepted" => DesiredState::Ready,
        "shutdown" | "remove" | "failed" | "rejected" | "orphaned" => DesiredState::Ended,
        _ => DesiredState::Unknown,
    }
}

fn node_state(word: &str) -> NodeState {
    match word {
        "down" => NodeState::Down,
        "ready" => NodeState::Ready,
        "disconnected" => NodeState::Disconnected,
        _ => NodeState::Unknown,
    }
}

/// The host of `host:port`, brackets of IPv6 removed.
pub(super) fn host(addr: &str) -> &str {
    let host = addr.rsplit_once(':').map_or(addr, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

/// An IPv4 address at which other hosts can reach this one.
pub(super) fn usable(addr: &str) -> Option<Ipv4Addr> {
    match addr.parse().ok()? {
        IpAddr::V4(v4) if !v4.is_unspecified() && !v4.is_loopback() => Some(v4),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
