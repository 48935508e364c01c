//! Netlink messages as typed values, and a socket that waits for the answer: IPVS, nf_tables, devices, routes and
//! rules, and clsact.
//!
//! It knows the kernel's formats and nothing of swarmlb: no Swarm service, task or node is named here.

pub mod clsact;
pub mod ipvs;
pub mod nft;
pub mod route;
pub mod socket;
