//! Reports of agents about their own nodes.
//!
//! A report comes from any node of the Swarm, also from a compromised one, and part of it goes on to all
//! others: so each field has a size limit.

use crate::keys::keys_in;
use crate::proto;
use lb_core::model::ids::TaskId;
use lb_core::model::snapshot::LocalHealth;
use lb_core::model::token::TokenKeys;
use lb_core::view::overlay::{EventKind, LocalEvent};
use std::net::Ipv4Addr;

/// Tasks in one Hello; a node with more sends several.
pub const TASKS_PER_HELLO: usize = 1_000;

/// Limit on the length of an id; the Swarm's have 25 characters.
const ID_BYTES: usize = 64;

/// Report of an agent about its own node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerReport {
    /// Address at which other nodes reach it.
    pub address: Option<Ipv4Addr>,
    /// Its datapath (`ebpf` or `ipvs`), if it serves.
    pub datapath: Option<String>,
    /// Keys of its tunnel tokens. `None` together with a `datapath`: it sends no tokens.
    pub token_keys: Option<TokenKeys>,
    /// Local health of its tasks.
    pub task_health: Vec<(TaskId, LocalHealth)>,
}

/// The report in a Hello; tasks over the limit are dropped.
#[must_use]
pub fn report_in(hello: proto::Hello) -> PeerReport {
    let task_health = hello
        .task_health
        .into_iter()
        .take(TASKS_PER_HELLO)
        .filter_map(|health| {
            let held = health_in(health.health());
            Some((task_in(health.task_id)?, held))
        });
    PeerReport {
        address: hello.address.parse().ok(),
        datapath: datapath_in(&hello.datapath),
        token_keys: hello.token_keys.as_ref().and_then(keys_in),
        task_health: task_health.collect(),
    }
}

/// Local health of tasks in portions that fit into one Hello each; at least one portion.
#[must_use]
pub fn task_health_out(task_health: &[(TaskId, LocalHealth)]) -> Vec<Vec<proto::TaskHealth>> {
    let out = |(task, health): &(TaskId, LocalHealth)| proto::TaskHealth {
        task_id: task.to_string(),
        health: health_out(*health).into(),
    };
    let portions = task_health.chunks(TASKS_PER_HELLO);
    let mut portions: Vec<_> = portions
        .map(|portion| portion.iter().map(out).collect())
        .collect();
    if portions.is_empty() {
        portions.push(Vec::new());
    }
    portions
}

/// A node's datapath; `None` for a name of a later version.
pub(crate) fn datapath_in(word: &str) -> Option<String> {
    matches!(word, "ebpf" | "ipvs").then(|| word.to_owned())
}

fn task_in(id: String) -> Option<TaskId> {
    (!id.is_empty() && id.len() <= ID_BYTES).then(|| id.into())
}

/// A task's local health as a protobuf value.
#[must_use]
pub fn health_out(health: LocalHealth) -> proto::LocalHealth {
    match health {
        LocalHealth::Ok => proto::LocalHealth::Ok,
        LocalHealth::Ready => proto::LocalHealth::Ready,
        LocalHealth::Unhealthy => proto::LocalHealth::Unhealthy,
        LocalHealth::Stopping => proto::LocalHealth::Stopping,
        LocalHealth::Dead => proto::LocalHealth::Dead,
    }
}

/// A task's local health from a protobuf value.
#[must_use]
pub fn health_in(health: proto::LocalHealth) -> LocalHealth {
    match health {
        proto::LocalHealth::Ok => LocalHealth::Ok,
        proto::LocalHealth::Ready => LocalHealth::Ready,
        proto::LocalHealth::Unhealthy => LocalHealth::Unhealthy,
        proto::LocalHealth::Stopping => LocalHealth::Stopping,
        proto::LocalHealth::Dead => LocalHealth::Dead,
    }
}

/// An event as a protobuf message.
#[must_use]
pub fn event_out(event: &LocalEvent) -> proto::Event {
    let kind = match event.kind {
        EventKind::Start => proto::EventKind::Start,
        EventKind::Ready => proto::EventKind::Ready,
        EventKind::Kill => proto::EventKind::Kill,
        EventKind::Die => proto::EventKind::Die,
        EventKind::Healthy => proto::EventKind::Healthy,
        EventKind::Unhealthy => proto::EventKind::Unhealthy,
    };
    proto::Event {
        task_id: event.task.to_string(),
        kind: kind.into(),
    }
}

/// An event from a protobuf message; `None` if it is of a later version, or not of a task.
#[must_use]
pub fn event_in(event: proto::Event) -> Option<LocalEvent> {
    let kind = match event.kind() {
        proto::EventKind::Start => EventKind::Start,
        proto::EventKind::Ready => EventKind::Ready,
        proto::EventKind::Kill => EventKind::Kill,
        proto::EventKind::Die => EventKind::Die,
        proto::EventKind::Healthy => EventKind::Healthy,
        proto::EventKind::Unhealthy => EventKind::Unhealthy,
        proto::EventKind::Unspecified => return None,
    };
    Some(LocalEvent {
        task: task_in(event.task_id)?,
        kind,
    })
}
