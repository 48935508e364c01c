//! The flow table, with the Swarm's names for what is in it.

use super::{hostname, task_name};
use crate::model::ids::{Key, ServiceId};
use crate::model::node::Node;
use crate::model::snapshot::{Proto, Snapshot, Task};
use crate::report::{FlowReport, FlowState, Flows};
use lb_abi::flow::{ANSWERED, FIN_IN, FIN_OUT, Flow, Tuple, UNDER_GATEWAY, UNDER_NODE};
use lb_abi::{Be16, Be32, UDP};
use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddrV4};

/// Without a packet for so many ticks of 1.07 s, a UDP flow is quiet.
pub const QUIET_TICKS: u32 = 60;

/// The flows of a node at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowTable {
    /// That moment, in [`lb_abi::flow::ticks`].
    pub now: u32,
    /// By what clients send.
    pub flows: BTreeMap<Tuple, Flow>,
}

/// Filter of the flows to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowFilter {
    /// Of this service only.
    pub service: Option<ServiceId>,
    /// At most so many.
    pub limit: usize,
}

/// `GET /v1/flows`.
#[must_use]
pub fn flows(snapshot: &Snapshot, this: &Node, table: &FlowTable, asked: &FlowFilter) -> Flows {
    let tasks: HashMap<u64, &Task> = snapshot
        .tasks
        .iter()
        .map(|(id, task)| (Key::from(id).0, task))
        .collect();
    let wanted = |flow: &Flow| match &asked.service {
        Some(service) => tasks
            .get(&flow.task)
            .is_some_and(|task| task.service == *service),
        None => true,
    };
    let mut flows: Vec<(u32, &Tuple, &Flow)> = table
        .flows
        .iter()
        .filter(|(_, flow)| wanted(flow))
        .map(|(tuple, flow)| (idle_ticks(table.now, flow.seen), tuple, flow))
        .collect();
    flows.sort_unstable_by_key(|(idle, tuple, _)| (*idle, **tuple));
    Flows {
        more: flows.len().saturating_sub(asked.limit),
        flows: flows
            .into_iter()
            .take(asked.limit)
            .map(|(idle, tuple, flow)| {
                let task = tasks.get(&flow.task).copied();
                told(snapshot, this, task, tuple, flow, idle)
            })
            .collect(),
    }
}

/// Ticks from `seen` to `now`. The clock is read before the table is, so a flow may
/// seem to come from the future.
#[must_use]
pub fn idle_ticks(now: u32, seen: u32) -> u32 {
    let idle = now.wrapping_sub(seen);
    if idle > u32::MAX / 2 { 0 } else { idle }
}

/// How a flow over IP protocol `proto` stands that was idle for so many ticks.
#[must_use]
pub fn flow_state(proto: u8, flow: &Flow, idle: u32) -> FlowState {
    if proto == UDP {
        return if idle > QUIET_TICKS {
            FlowState::Quiet
        } else {
            FlowState::Open
        };
    }
    // Whether the task has answered is noted at the ingress node only.
    let answered = flow.state & ANSWERED != 0 || !flow.came_here();
    if Flow::closed(flow.state) {
        FlowState::Closed
    } else if flow.state & (FIN_IN | FIN_OUT) != 0 {
        FlowState::Closing
    } else if answered {
        FlowState::Open
    } else {
        FlowState::Opening
    }
}

/// Host name of the node with this address, or the address where that is no node's.
#[must_use]
pub fn node_at(snapshot: &Snapshot, address: Ipv4Addr) -> String {
    snapshot
        .nodes
        .iter()
        .find(|(_, node)| node.address == Some(address))
        .map_or_else(|| address.to_string(), |(id, _)| hostname(snapshot, id))
}

fn told(
    snapshot: &Snapshot,
    this: &Node,
    task: Option<&Task>,
    tuple: &Tuple,
    flow: &Flow,
    idle: u32,
) -> FlowReport {
    let presented = presented(this, flow);
    let peer = Ipv4Addr::from(flow.ingress().get());
    FlowReport {
        client: socket(tuple.source, tuple.source_port),
        presented,
        frontend: socket(tuple.destination, tuple.destination_port),
        proto: proto(tuple.proto),
        service: task
            .and_then(|task| snapshot.services.get(&task.service))
            .map(|service| service.name.clone()),
        task: task.map(|task| task_name(snapshot, task)),
        node: task.map(|task| hostname(snapshot, &task.node)),
        state: flow_state(tuple.proto, flow, idle),
        idle_s: (u64::from(idle) << 30) / 1_000_000_000,
        through: (!peer.is_unspecified()).then(|| node_at(snapshot, peer)),
    }
}

/// What the task sees in the client's place, where that is an address of this node.
fn presented(this: &Node, flow: &Flow) -> Option<SocketAddrV4> {
    let (address, port) = if flow.state & UNDER_GATEWAY != 0 {
        (this.gateway, flow.remapped_port)
    } else if flow.state & UNDER_NODE != 0 {
        (this.address, flow.remapped_port)
    } else {
        (this.address, flow.port)
    };
    let address = address.filter(|_| port.get() != 0)?;
    Some(SocketAddrV4::new(address, port.get()))
}

/// The tables have no others than these two.
fn proto(number: u8) -> Proto {
    if number == UDP {
        Proto::Udp
    } else {
        Proto::Tcp
    }
}

fn socket(address: Be32, port: Be16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::from(address.get()), port.get())
}

#[cfg(test)]
mod tests;
