//! Report of `lbctl explain`: the decision about one packet, and why.

use super::{FlowState, PortReport};
use crate::model::snapshot::Proto;
use serde::{Deserialize, Serialize};
use std::net::SocketAddrV4;

/// `GET /v1/explain`: what this node would do, now, with a packet from one of its uplinks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Who would send it.
    pub client: SocketAddrV4,
    /// No port of the client's was given: this one is a guess.
    pub client_port_assumed: bool,
    /// What it would be sent to.
    pub frontend: SocketAddrV4,
    /// TCP: a SYN. UDP: a datagram.
    pub proto: Proto,
    /// What decides.
    pub rule: Rule,
    /// What would become of it.
    pub verdict: Verdict,
    /// Name of the reason where it would be dropped, as in [`super::DropReport::reason`].
    pub reason: Option<String>,
    /// How the flow stands that the client has already.
    pub flow: Option<FlowState>,
    /// The value of the round-robin counter that it would take.
    pub rr_counter: Option<u64>,
    /// How many tasks take new connections; null where the port is not published.
    pub ready: Option<u32>,
    /// Name of the service.
    pub service: Option<String>,
    /// Name of the task that would get it.
    pub task: Option<String>,
    /// Host name of the task's node.
    pub node: Option<String>,
    /// Where it would be sent: to the task's own address and port, or into the tunnel.
    pub to: Option<SocketAddrV4>,
    /// Where nothing is published: what is, and comes close.
    pub suggestions: Vec<Published>,
    /// All of that for people, in order.
    pub sentences: Vec<String>,
}

/// What decides about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The programs have not been told about the node yet.
    NotReady,
    /// Its destination is no address of this node's.
    NotOurAddress,
    /// No service publishes the port.
    NotPublished,
    /// No task of the service takes new connections.
    NoReadyTask,
    /// No service publishes the port any more; connections from before go on.
    Withdrawn,
    /// It belongs to a flow that is known.
    KnownFlow,
    /// It opens a flow, which goes to the task whose turn it is.
    RoundRobin,
    /// It goes to the task that the hash of the client names.
    ByHash,
    /// It goes to the one of two tasks that has fewer flows.
    FewestFlows,
    /// It goes to the task that its client has been with.
    Kept,
    /// Its client is in no network that the service allows.
    NotAllowed,
    /// The agent's lease has run out: new flows are the kernel's.
    NoLease,
    /// It answers a datagram that this node itself sent from a published port.
    Answer,
}

/// The datapath's decision about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Left to the kernel, unchanged.
    Passed,
    /// Dropped, and counted.
    Dropped,
    /// Sent to a task on this node.
    Here,
    /// Sent to another node, through the tunnel.
    Elsewhere,
}

/// A published port, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Name of the service.
    pub service: String,
    /// The port.
    pub port: PortReport,
}
