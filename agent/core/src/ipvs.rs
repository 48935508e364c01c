//! Objects of the IPVS path in the kernel: virtual services and destinations, encapsulating routes to other
//! nodes, and the elements of the ruleset that steers packets to IPVS.
//!
//! ```text
//! State (want) ── lower ──> ipvs::State (want) ┐
//!                           ipvs::State (have) ┴─ plan ──> [ipvs::Op]
//! ```
//!
//! IPVS has no place for task keys or tables: the common [`crate::state::State`] is lowered to [`State`] before
//! planning (ADR 0012).

mod allocator;
mod apply;
mod cookie;
pub mod ids;
mod lower;
mod op;
mod plan;
mod state;

pub use apply::apply_all;
pub use lower::{Lowered, lower};
pub use op::Op;
pub use plan::plan;
pub use state::{
    Cookie, Destination, DestinationKey, Element, EncapRoute, Method, NodeConfig, Scheduler,
    ServiceKey, State, VirtualService,
};
