//! The agent.

pub mod links;
pub mod serve;
