//! Agents among themselves: what each of them sees reaches all of them.
//!
//! Every agent holds a session to the agent of every other manager. Up go the container
//! events of its node, at once; down to workers comes the view of the Swarm, from one
//! manager at a time. A manager's own view comes from its own engine. Whatever the source,
//! [`Feed::snapshot`] is one thing: the view, with all that is known of tasks laid over it.
//!
//! `sync` knows [`crate::watch`] and [`crate::certs`]; neither of them knows `sync`. Nothing
//! here knows of the datapath.
//!
//! ```text
//! watch ──> hub ──> Feed (snapshot, local, source)
//!            ^ └──> server (sessions of other agents, if this is a manager)
//!            └────> peers  (sessions to other managers; the chosen one feeds the hub)
//! ```

mod choose;
mod context;
mod doubts;
mod feed;
mod hub;
mod peer;
mod peers;
mod problems;
mod seats;
mod server;
mod session;
mod stats;
mod tls;
mod wire;

pub use context::LocalStats;
pub use feed::{Feed, Settings, StartError, start};
pub use hub::SourceState;
pub use stats::ClusterStats;

use std::time::Duration;

/// A sign of life goes out this often, both ways.
const ALIVE_EVERY: Duration = Duration::from_secs(1);
/// After this much silence the other side counts as gone.
const SILENCE: Duration = Duration::from_secs(3);
/// 10,000 services of 10 tasks each make some 20 MB.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

#[cfg(test)]
mod tests;
