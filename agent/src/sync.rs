//! Agent to agent: what one agent learns of the Swarm reaches all of them.
//!
//! Every agent holds a session to the agent of every other manager. Up go the container
//! events of its node, at once; down to workers comes the view of the Swarm, from one
//! manager at a time. A manager's own view comes from its own engine. Whatever the source,
//! [`ClusterView::snapshot`] has one form: the view, with local events of tasks laid over it.
//!
//! `sync` knows [`crate::watch`] and [`crate::certs`]; neither of them knows `sync`. Nothing
//! here knows of the datapath.
//!
//! ```text
//! watch ──> view_store ──> ClusterView (snapshot, local, source)
//!              ^ └──> server (sessions of other agents, if this is a manager)
//!              └────> peers  (sessions to other managers; the selected one is the source of the view)
//! ```

mod acceptor;
mod admission;
mod announcer;
mod assemble;
mod budget;
mod cluster_view;
mod codec;
mod local_stats;
mod own_report;
mod peer;
mod peer_table;
mod peers;
mod problems;
mod role_recheck;
mod select_source;
mod server;
mod session;
mod session_registry;
mod single_flight;
mod start;
mod stats;
mod tls;
mod view_store;

pub use announcer::Announcer;
pub use cluster_view::ClusterView;
pub use local_stats::LocalStats;
pub use start::{Settings, StartError, start};
pub use stats::ClusterStats;
pub use view_store::SourceState;

use std::time::Duration;

/// Interval of heartbeats, in both directions.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);
/// A peer that sent nothing for this long counts as gone.
const PEER_TIMEOUT: Duration = Duration::from_secs(3);
/// Generated from `proto/sync.proto`: client and server. The messages are in [`lb_wire`].
#[allow(
    unreachable_pub,
    unused_qualifications,
    missing_docs,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]
mod rpc {
    tonic::include_proto!("swarmlb.sync.v1");
}

#[cfg(test)]
mod tests;
