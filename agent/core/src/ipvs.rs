//! Objects of the IPVS path in the kernel: virtual servers and real servers, ways to other
//! nodes, and the elements of a table of rules that claims packets for them.
//!
//! ```text
//! State (want) ── lower ──> ipvs::State (want) ┐
//!                           ipvs::State (have) ┴─ plan ──> [ipvs::Op]
//! ```
//!
//! The common [`crate::state::State`] says what is to be served; IPVS can't keep its keys and
//! tables, so what it keeps is a state of its own kind, which follows from that one (ADR 0012).

mod alias;
mod apply;
mod cookie;
mod lower;
mod op;
mod plan;
mod state;

pub use alias::{MARKS, PEERS, RETURN, TASKS};
pub use apply::apply_all;
pub use lower::{Lowered, lower};
pub use op::Op;
pub use plan::plan;
pub use state::{
    Cookie, Element, Ground, Method, Real, RealKey, Scheduler, Server, Setup, State, Way,
};
