//! The IPVS back end's pure half: virtual services and destinations, encapsulating routes to other nodes, and
//! the elements of the ruleset that steers packets to IPVS.
//!
//! IPVS has no place for task keys or tables: what it keeps is a state of its own kind (ADR 0012).

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
