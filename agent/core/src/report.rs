//! Reports of the admin API: the JSON of the agent's unix socket, and of `lbctl --json`.
//!
//! Fields are only ever added: scripts depend on them.

pub mod affinity_by_port;
pub mod aggregate;
pub mod build;
pub mod certificates;
pub mod datapath_mismatch;
mod drops;
mod explanation;
mod flows;
mod http;
pub mod network_overlap;
pub mod path_mtu;
mod request;
mod routes;
mod tables;

pub use certificates::RouterCertificate;
pub use drops::{DropReport, Drops};
pub use explanation::{Explanation, Published, Rule, Verdict};
pub use flows::{DEFAULT_FLOWS, FlowReport, FlowState, Flows};
pub use http::{HttpCounts, HttpRouteStats, HttpStats, RouterNumber};
pub use request::{
    CertificateBy, CertificateReport, FilterOutcome, FilterReport, OtherReason, OtherRoute,
    RequestExplanation, RequestResult, RequestTask,
};
pub use routes::{RouteReport, RouterReport, RouterStatus, Routes};
pub use tables::TableReport;

use crate::model::ids::{NodeId, ServiceId, TaskId};
use crate::model::snapshot::{NodeState, Proto};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// Where an agent answers unless its operator says otherwise.
pub const DEFAULT_SOCKET: &str = "/run/swarmlb/agent.sock";

/// `GET /v1/status`: is this agent well, and what does it run on?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the agent.
    pub version: String,
    /// `ebpf` or `ipvs`.
    pub datapath: String,
    /// This node.
    pub node: NodeId,
    /// Its host name.
    pub hostname: String,
    /// Its address towards other nodes.
    pub address: Option<Ipv4Addr>,
    /// The uplink and how the datapath is attached to it.
    pub hooks: Vec<HookReport>,
    /// Where the view of the Swarm comes from: `docker` or the manager's address.
    pub source: String,
    /// Whether that source answers at present; the last good view stays in force meanwhile.
    pub connected: bool,
    /// Whether the kernel holds all that the view asks for.
    pub in_sync: bool,
    /// Services with a published port that are served.
    pub services: usize,
    /// Tasks that take new connections.
    pub tasks: usize,
    /// Number of entries in [`Check::problems`].
    pub problems: usize,
    /// The HTTP routers of this node; `None` where the router is off.
    #[serde(default)]
    pub router: Option<RouterStatus>,
    /// The tables that the datapath fills, and how full they are; none where they have not been counted yet, and by IPVS.
    #[serde(default)]
    pub tables: Vec<TableReport>,
    /// The kernel's memory that the datapath's maps take, in bytes; `None` where `tables` has none.
    #[serde(default)]
    pub map_memory: Option<u64>,
    /// Seconds since the agent started.
    pub uptime_s: u64,
}

/// One attached program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookReport {
    /// Name of the device.
    pub link: String,
    /// `xdp`, `tc-ingress`, `tc-egress`, or `sockets` for calls of processes on the node.
    pub hook: String,
    /// Mode of the attachment: `native`, `tcx`, `clsact`.
    pub mode: String,
}

/// `GET /v1/services`: what is answered, and by whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Services {
    /// By name.
    pub services: Vec<ServiceReport>,
}

/// One service with published ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceReport {
    /// Its id.
    pub id: ServiceId,
    /// Its name.
    pub name: String,
    /// Ports that every node answers.
    pub ports: Vec<PortReport>,
    /// Ports that it does not publish any more, with connections through this node that go on.
    #[serde(default)]
    pub withdrawn: Vec<PortReport>,
    /// Tasks that take new connections.
    pub ready: usize,
    /// Tasks that only keep the connections they have.
    pub draining: usize,
    /// The service was removed; only connections it had still go on.
    #[serde(default)]
    pub removed: bool,
}

/// One frontend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortReport {
    /// TCP or UDP.
    pub proto: Proto,
    /// Port on the nodes.
    pub published: u16,
    /// Port in the container.
    pub target: u16,
}

/// `GET /v1/nodes`: the Swarm's nodes as this agent sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nodes {
    /// By host name.
    pub nodes: Vec<NodeReport>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReport {
    /// Its id.
    pub id: NodeId,
    /// Its host name.
    pub hostname: String,
    /// Where its agent is reached.
    pub address: Option<Ipv4Addr>,
    /// What the managers say of it.
    pub state: NodeState,
    /// A manager?
    pub manager: bool,
    /// Being drained?
    pub draining: bool,
    /// The node that this agent runs on.
    pub this: bool,
    /// Whether its agent is connected; known on managers only.
    pub agent: Option<bool>,
    /// Tasks there that take new connections.
    pub tasks: usize,
}

/// `GET /v1/stats`: traffic per service and task, counted where the client's packet arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// `node`: what came through this node; `cluster`: the sum over all nodes.
    pub scope: String,
    /// Host names of nodes whose agents did not answer, so whose traffic is missing.
    pub missing: Vec<String>,
    /// By name.
    pub services: Vec<ServiceStats>,
    /// What the HTTP routers have counted; `None` where none is switched on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpStats>,
}

/// Whose traffic is asked for: [`Stats::scope`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// What came through this node.
    Node,
    /// The sum over all nodes.
    #[default]
    Cluster,
}

impl Scope {
    /// The word in the query and in the answer.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Cluster => "cluster",
        }
    }
}

/// Traffic of one service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStats {
    /// Its id.
    pub id: ServiceId,
    /// Its name.
    pub name: String,
    /// Its frontends.
    pub ports: Vec<PortReport>,
    /// All its tasks together, also those that are gone.
    pub total: Counters,
    /// Its tasks that have not ended.
    pub tasks: Vec<TaskStats>,
}

/// Traffic of one task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskStats {
    /// Its id.
    pub id: TaskId,
    /// `vote.3`, or `vote.HOSTNAME` for global services.
    pub name: String,
    /// Host name of its node.
    pub node: String,
    /// Where this node sends its connections: its own address there, or its node's.
    pub address: Option<Ipv4Addr>,
    /// `running`, `starting`, `draining`, `unhealthy`, `stopping`…
    pub state: String,
    /// What it got.
    pub counters: Counters,
}

/// What clients did. `in` is from clients to tasks, `out` the way back; bytes are of IP packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Connections opened (UDP: flows).
    pub new: u64,
    /// Connections open now.
    pub active: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Packets to clients.
    pub packets_out: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
}

impl Counters {
    /// Adds `other`, saturating.
    pub fn add(&mut self, other: &Self) {
        self.new = self.new.saturating_add(other.new);
        self.active = self.active.saturating_add(other.active);
        self.packets_in = self.packets_in.saturating_add(other.packets_in);
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.packets_out = self.packets_out.saturating_add(other.packets_out);
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
    }
}

/// `GET /v1/check`: what cannot be served, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Empty when all is well.
    pub problems: Vec<Problem>,
}

/// Something of the Swarm's or the node's that cannot be served as asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    /// What it is about: `service vote`, `node node2`, `uplink eth0`.
    pub object: String,
    /// Message: what is wrong and what to do, in one sentence.
    pub message: String,
}

/// Body of an answer other than 200.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// Message: what went wrong, in one sentence.
    pub error: String,
}
