//! The pure half of the agent: what the Swarm says and what the node is go in,
//! what the kernel shall hold and how to get there come out.
//!
//! ```text
//! Snapshot + Node + Config ── desired ──> State (want) ┐
//!                                         State (have) ┴─ plan ──> [Op]
//! ```
//!
//! Nothing here does I/O or reads a clock: time is an argument.
//! The effects are in the agent crate, behind [`kernel::Kernel`].

pub mod arrivals;
pub mod config;
pub mod desired;
pub mod explain;
pub mod ids;
pub mod inbox;
pub mod ipvs;
pub mod kernel;
pub mod labels;
pub mod maglev;
pub mod merge;
pub mod node;
pub mod op;
pub mod overlay;
pub mod plan;
pub mod report;
pub mod retry;
pub mod shared;
pub mod snapshot;
pub mod state;
pub mod tell;
pub mod unlike;
