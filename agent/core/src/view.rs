//! From what managers, nodes and engines say to this node's view of the Swarm: which news counts, and what is
//! laid over it.

pub mod overlay;
pub mod readiness;
pub mod targets;
pub mod version_filter;
