//! The agent: watches the Swarm, works out what the kernel shall hold, and sees to it.

pub mod kernel;
pub mod links;
pub mod serve;
