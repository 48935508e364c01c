//! The datapath's fixtures: every frame goes through the plain code on the host and
//! through the loaded program in the kernel, and both must agree on everything.
//!
//! [`world::World`] holds the two sides of one node; the other modules are one
//! feature each. Needs root: programs are loaded, in namespaces of the test's own.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test that calls them"
)]

mod compare;
mod frames;
mod hooks;
mod lab;
mod memory;
mod pair;
mod read;
mod spoofed;
mod states;
mod world;

mod aliases;
mod callers;
mod changes;
mod clamp;
mod clsact;
mod errors;
mod explain;
mod flows;
mod forged;
mod gc;
mod host;
mod labels_policy;
mod local;
mod not_ours;
mod opening;
mod oversize;
mod own;
mod pieces;
mod pins;
mod refused;
mod round_robin;
mod tunnel;
mod unreachable;
mod uplinks;
mod verifier;
