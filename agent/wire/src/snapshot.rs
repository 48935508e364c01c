//! Snapshots as protobuf messages.

use crate::bounds::{Bounded, LimitError};
use crate::keys::{keys_in, keys_out};
use crate::peer_report::{datapath_in, health_in, health_out};
use crate::proto;
use lb_core::model::ids::{NodeId, ServiceId, TaskId};
use lb_core::model::snapshot::{
    DesiredState, NodeState, Proto, PublishMode, PublishedPort, Service, Snapshot, SwarmNode, Task,
    TaskState,
};
use prost::Message;
use prost::bytes::Bytes;

/// `snapshot` as a protobuf message.
#[must_use]
pub fn encode(snapshot: &Snapshot) -> Bytes {
    let message = proto::Snapshot {
        complete: snapshot.complete,
        services: snapshot.services.iter().map(service_out).collect(),
        tasks: snapshot.tasks.iter().map(task_out).collect(),
        nodes: snapshot.nodes.iter().map(node_out).collect(),
    };
    message.encode_to_vec().into()
}

/// Reasons for which bytes are not a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes exceed a limit.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The bytes are not valid protobuf.
    #[error(transparent)]
    Unreadable(#[from] prost::DecodeError),
}

/// The snapshot in `bytes`.
///
/// # Errors
/// [`DecodeError`].
pub fn decode(bytes: Bytes) -> Result<Snapshot, DecodeError> {
    proto::Snapshot::check(&bytes)?;
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
        id: id.to_string(),
        name: service.name.clone(),
        labels: service.labels.as_map().clone(),
        ports: service.ports.iter().map(port_out).collect(),
        removed: service.removed,
        created: service.created,
    }
}

fn service_in(service: proto::Service) -> (ServiceId, Service) {
    let ports = service.ports.iter().filter_map(port_in).collect();
    let ours = Service {
        name: service.name,
        labels: service.labels.into(),
        ports,
        removed: service.removed,
        created: service.created,
    };
    (service.id.into(), ours)
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
        id: id.to_string(),
        service_id: task.service.to_string(),
        node_id: task.node.to_string(),
        slot: task.slot,
        state: state.into(),
        desired: desired.into(),
        host_ports: task.host_ports.iter().map(port_out).collect(),
        targets: task.targets.iter().map(port_out).collect(),
        health: health_out(task.health).into(),
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
    let health = health_in(task.health());
    let ours = Task {
        service: task.service_id.into(),
        node: task.node_id.into(),
        slot: task.slot,
        state,
        desired,
        host_ports: task.host_ports.iter().filter_map(port_in).collect(),
        targets: task.targets.iter().filter_map(port_in).collect(),
        health,
    };
    (task.id.into(), ours)
}

fn node_out((id, node): (&NodeId, &SwarmNode)) -> proto::Node {
    let state = match node.state {
        NodeState::Unknown => proto::NodeState::Unspecified,
        NodeState::Down => proto::NodeState::Down,
        NodeState::Ready => proto::NodeState::Ready,
        NodeState::Disconnected => proto::NodeState::Disconnected,
    };
    proto::Node {
        id: id.to_string(),
        hostname: node.hostname.clone(),
        address: node.address.map(|a| a.to_string()).unwrap_or_default(),
        state: state.into(),
        manager: node.manager,
        draining: node.draining,
        datapath: node.datapath.clone().unwrap_or_default(),
        token_keys: node.token_keys.as_ref().map(keys_out),
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
        datapath: datapath_in(&node.datapath),
        token_keys: node.token_keys.as_ref().and_then(keys_in),
    };
    (node.id.into(), ours)
}
