//! The pure half of the agent: what the Swarm says and what the node is go in,
//! the desired state of the kernel and the operations towards it come out.
//!
//! ```text
//! Snapshot + Node + Config ── desired ──> Desired ── lower ──> State (want) ┐
//!                                                              State (have) ┴─ plan ──> [Op]
//! ```
//!
//! Nothing here does I/O or reads a clock: time is an argument.
//! The effects are in the agent crate, behind [`kernel::Kernel`].

pub mod aggregate;
pub mod backend;
pub mod config;
pub mod desired;
pub mod explain;
pub mod ids;
pub mod kernel;
pub mod labels;
pub mod maglev;
pub mod node;
pub mod overlay;
pub mod persistent;
pub mod port;
pub mod rate;
pub mod readiness;
pub mod report;
pub mod retry;
pub mod snapshot;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub mod datapath_mismatch;
pub mod token;
pub mod version_filter;
