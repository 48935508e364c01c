//! Flows that a node remembers.

use crate::model::snapshot::Proto;
use serde::{Deserialize, Serialize};
use std::net::SocketAddrV4;

/// Flows that are told unless another number is asked for.
pub const DEFAULT_FLOWS: usize = 100;

/// `GET /v1/flows`: whom clients of this node, and of others with a task here, are talking to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flows {
    /// Most recently used first.
    pub flows: Vec<FlowReport>,
    /// How many more there are than was asked for.
    pub more: usize,
}

/// One flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowReport {
    /// The client's address and port.
    pub client: SocketAddrV4,
    /// What the task sees in its place, where the client is a container of this node, or its address one of a network
    /// that the task, on this node, reaches by a device of its own.
    pub presented: Option<SocketAddrV4>,
    /// The address and port that the client speaks to.
    pub frontend: SocketAddrV4,
    /// TCP or UDP.
    pub proto: Proto,
    /// Name of the service; null where its task has just gone.
    pub service: Option<String>,
    /// Name of the task: `vote.3`.
    pub task: Option<String>,
    /// Host name of the task's node.
    pub node: Option<String>,
    /// How it stands.
    pub state: FlowState,
    /// Seconds since its last packet, to within one or two.
    pub idle_s: u64,
    /// Host name of the node at which the client arrives and which sends the flow
    /// here through the tunnel; null where that is this node.
    pub through: Option<String>,
}

/// How a flow stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlowState {
    /// TCP: the task has not answered yet.
    Opening,
    /// TCP: both sides talk. UDP: there was a datagram within the last minute.
    Open,
    /// TCP: one side is done.
    Closing,
    /// TCP: both sides are done, or one gave up.
    Closed,
    /// UDP: no datagram for more than a minute.
    Quiet,
}

impl FlowState {
    /// The word in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Open => "open",
            Self::Closing => "closing",
            Self::Closed => "closed",
            Self::Quiet => "quiet",
        }
    }
}
