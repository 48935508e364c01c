//! The kernel's own languages, as far as IPVS needs them: messages as typed values, and a
//! socket that waits for the answer.
//!
//! It knows the kernel's formats and nothing of Swarm: no service, task or node is named here.

pub mod clsact;
pub mod ids;
pub mod ipvs;
pub mod nft;
pub mod route;
pub mod routes;
pub mod ruleset;
pub mod socket;
