//! The agent: watches the Swarm, computes the desired state of the kernel, and applies it.

pub mod certs;
pub mod cli;
pub mod error_chain;
pub mod filter;
pub mod kernel;
pub mod links;
pub mod router;
pub mod run;
pub mod serve;
pub mod sync;
pub mod watch;
