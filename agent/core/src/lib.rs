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

pub mod backend;
pub mod desired;
pub mod explain;
pub mod kernel;
pub mod maglev;
pub mod model;
pub mod persistent;
pub mod rate;
pub mod report;
pub mod retry;
pub mod table_sizes;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod view;
