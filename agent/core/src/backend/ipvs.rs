//! The IPVS back end's pure half: virtual services and destinations, encapsulating routes to other nodes, and
//! the elements of the ruleset that steers packets to IPVS.
//!
//! IPVS can't keep keys and tables, so what it keeps is a state of its own kind (ADR 0012).

mod apply;
mod cookie;
mod ids;
mod lower;
mod op;
mod plan;
mod state;

pub use apply::apply_all;
pub use ids::{PEER_ROUTE_ADDRESSES, RETURN_ID, TASK_MARKS, TASK_ROUTE_ADDRESSES};
pub use lower::{Lowered, lower};
pub use op::Op;
pub use plan::plan;
pub use state::{
    Cookie, Destination, DestinationKey, Element, EncapRoute, Method, NodeConfig, Scheduler,
    ServiceKey, State, VirtualService,
};
