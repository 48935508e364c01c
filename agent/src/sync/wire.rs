//! The protocol's messages, and the way from and to `lb_core`'s words. Total: what another
//! version says and this one does not know is skipped or unknown, never an error.

/// Generated from `proto/sync.proto`.
#[allow(
    unreachable_pub,
    unused_qualifications,
    missing_docs,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::needless_pass_by_value,
    clippy::semicolon_if_nothing_returned,
    clippy::uninlined_format_args,
    reason = "generated"
)]
pub(super) mod proto {
    tonic::include_proto!("swarmlb.sync.v1");
}

use lb_core::ids::{NodeId, ServiceId, TaskId};
use lb_core::overlay::{EventKind, LocalEvent};
use lb_core::snapshot::{
    DesiredState, NodeState, Proto, PublishMode, PublishedPort, Service, Sign, Snapshot, SwarmNode,
    Task, TaskState,
};
use prost::Message;
use prost::bytes::Bytes;

/// `snapshot` in its form on the wire.
pub(super) fn encode(snapshot: &Snapshot) -> Bytes {
    let message = proto::Snapshot {
        complete: snapshot.complete,
        services: snapshot.services.iter().map(service_out).collect(),
        tasks: snapshot.tasks.iter().map(task_out).collect(),
        nodes: snapshot.nodes.iter().map(node_out).collect(),
    };
    message.encode_to_vec().into()
}

/// The snapshot in `bytes`.
pub(super) fn decode(bytes: Bytes) -> Result<Snapshot, prost::DecodeError> {
    let message = proto::Snapshot::decode(bytes)?;
    Ok(Snapshot {
        complete: message.complete,
        services: message.services.into_iter().map(service_in).collect(),
        tasks: message.tasks.into_iter().map(task_in).collect(),
        nodes: message.nodes.into_iter().map(node_in).collect(),
    })
}

fn service_out((id, service): (&ServiceId, &Service)) -> proto::Service {
    proto::Service {
        id: id.0.clone(),
        name: service.name.clone(),
        labels: service.labels.clone(),
        ports: service.ports.iter().map(port_out).collect(),
        removed: service.removed,
    }
}

fn service_in(service: proto::Service) -> (ServiceId, Service) {
    let ports = service.ports.iter().filter_map(port_in).collect();
    let ours = Service {
        name: service.name,
        labels: service.labels,
        ports,
        removed: service.removed,
    };
    (ServiceId(service.id), ours)
}

fn port_out(port: &PublishedPort) -> proto::Port {
    let protocol = match port.proto {
        Proto::Tcp => proto::Protocol::Tcp,
        Proto::Udp => proto::Protocol::Udp,
        Proto::Sctp => proto::Protocol::Sctp,
    };
    proto::Port {
        protocol: protocol.into(),
        published: port.published.into(),
        target: port.target.into(),
        host_mode: port.mode == PublishMode::Host,
    }
}

fn port_in(port: &proto::Port) -> Option<PublishedPort> {
    let proto = match port.protocol() {
        proto::Protocol::Tcp => Proto::Tcp,
        proto::Protocol::Udp => Proto::Udp,
        proto::Protocol::Sctp => Proto::Sctp,
        proto::Protocol::Unspecified => return None,
    };
    Some(PublishedPort {
        proto,
        published: u16::try_from(port.published).ok()?,
        target: u16::try_from(port.target).ok()?,
        mode: if port.host_mode {
            PublishMode::Host
        } else {
            PublishMode::Ingress
        },
    })
}

fn task_out((id, task): (&TaskId, &Task)) -> proto::Task {
    let state = match task.state {
        TaskState::Pending => proto::TaskState::Pending,
        TaskState::Starting => proto::TaskState::Starting,
        TaskState::Running => proto::TaskState::Running,
        TaskState::Ended => proto::TaskState::Ended,
        TaskState::Unknown => proto::TaskState::Unspecified,
    };
    let desired = match task.desired {
        DesiredState::Running => proto::DesiredState::Running,
        DesiredState::Ready => proto::DesiredState::Ready,
        DesiredState::Ended => proto::DesiredState::Ended,
        DesiredState::Unknown => proto::DesiredState::Unspecified,
    };
    proto::Task {
        id: id.0.clone(),
        service_id: task.service.0.clone(),
        node_id: task.node.0.clone(),
        slot: task.slot,
        state: state.into(),
        desired: desired.into(),
        container: task.container.clone().unwrap_or_default(),
        host_ports: task.host_ports.iter().map(port_out).collect(),
        sign: sign_out(task.sign).into(),
    }
}

fn task_in(task: proto::Task) -> (TaskId, Task) {
    let state = match task.state() {
        proto::TaskState::Pending => TaskState::Pending,
        proto::TaskState::Starting => TaskState::Starting,
        proto::TaskState::Running => TaskState::Running,
        proto::TaskState::Ended => TaskState::Ended,
        proto::TaskState::Unspecified => TaskState::Unknown,
    };
    let desired = match task.desired() {
        proto::DesiredState::Running => DesiredState::Running,
        proto::DesiredState::Ready => DesiredState::Ready,
        proto::DesiredState::Ended => DesiredState::Ended,
        proto::DesiredState::Unspecified => DesiredState::Unknown,
    };
    let sign = sign_in(task.sign());
    let ours = Task {
        service: ServiceId(task.service_id),
        node: NodeId(task.node_id),
        slot: task.slot,
        state,
        desired,
        container: (!task.container.is_empty()).then_some(task.container),
        host_ports: task.host_ports.iter().filter_map(port_in).collect(),
        sign,
    };
    (TaskId(task.id), ours)
}

/// A task's sign, on the wire.
pub(super) fn sign_out(sign: Sign) -> proto::Sign {
    match sign {
        Sign::Fine => proto::Sign::Fine,
        Sign::Up => proto::Sign::Up,
        Sign::Unhealthy => proto::Sign::Unhealthy,
        Sign::Stopping => proto::Sign::Stopping,
        Sign::Dead => proto::Sign::Dead,
    }
}

/// A task's sign, from the wire.
pub(super) fn sign_in(sign: proto::Sign) -> Sign {
    match sign {
        proto::Sign::Fine => Sign::Fine,
        proto::Sign::Up => Sign::Up,
        proto::Sign::Unhealthy => Sign::Unhealthy,
        proto::Sign::Stopping => Sign::Stopping,
        proto::Sign::Dead => Sign::Dead,
    }
}

/// An event, on the wire.
pub(super) fn event_out(event: &LocalEvent) -> proto::Event {
    let kind = match event.kind {
        EventKind::Start => proto::EventKind::Start,
        EventKind::Up => proto::EventKind::Up,
        EventKind::Kill => proto::EventKind::Kill,
        EventKind::Die => proto::EventKind::Die,
        EventKind::Healthy => proto::EventKind::Healthy,
        EventKind::Unhealthy => proto::EventKind::Unhealthy,
    };
    proto::Event {
        task_id: event.task.0.clone(),
        kind: kind.into(),
    }
}

/// An event, from the wire; none if it is of a later version.
pub(super) fn event_in(event: proto::Event) -> Option<LocalEvent> {
    let kind = match event.kind() {
        proto::EventKind::Start => EventKind::Start,
        proto::EventKind::Up => EventKind::Up,
        proto::EventKind::Kill => EventKind::Kill,
        proto::EventKind::Die => EventKind::Die,
        proto::EventKind::Healthy => EventKind::Healthy,
        proto::EventKind::Unhealthy => EventKind::Unhealthy,
        proto::EventKind::Unspecified => return None,
    };
    Some(LocalEvent {
        task: TaskId(event.task_id),
        kind,
    })
}

fn node_out((id, node): (&NodeId, &SwarmNode)) -> proto::Node {
    let state = match node.state {
        NodeState::Unknown => proto::NodeState::Unspecified,
        NodeState::Down => proto::NodeState::Down,
        NodeState::Ready => proto::NodeState::Ready,
        NodeState::Disconnected => proto::NodeState::Disconnected,
    };
    proto::Node {
        id: id.0.clone(),
        hostname: node.hostname.clone(),
        address: node.address.map(|a| a.to_string()).unwrap_or_default(),
        state: state.into(),
        manager: node.manager,
        draining: node.draining,
        datapath: node.datapath.clone().unwrap_or_default(),
    }
}

fn node_in(node: proto::Node) -> (NodeId, SwarmNode) {
    let state = match node.state() {
        proto::NodeState::Unspecified => NodeState::Unknown,
        proto::NodeState::Down => NodeState::Down,
        proto::NodeState::Ready => NodeState::Ready,
        proto::NodeState::Disconnected => NodeState::Disconnected,
    };
    let ours = SwarmNode {
        hostname: node.hostname,
        address: node.address.parse().ok(),
        state,
        manager: node.manager,
        draining: node.draining,
        datapath: Some(node.datapath).filter(|name| !name.is_empty()),
    };
    (NodeId(node.id), ours)
}

#[cfg(test)]
mod tests;
