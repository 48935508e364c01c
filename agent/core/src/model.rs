//! What the Swarm, the host and the operator say, in our words: plain values, without anything of a datapath.

pub mod config;
pub mod ids;
pub mod labels;
pub mod node;
pub mod port;
pub mod port_list;
pub mod snapshot;
pub mod token;
