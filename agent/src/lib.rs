//! The agent.

pub mod certs;
pub mod sync;
pub mod watch;
