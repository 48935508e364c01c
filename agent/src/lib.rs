//! The agent: watches the Swarm, works out what the kernel shall hold, and sees to it.

pub mod certs;
pub mod cli;
pub mod kernel;
pub mod links;
pub mod run;
pub mod sentence;
pub mod serve;
pub mod sync;
pub mod watch;
