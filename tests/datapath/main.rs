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

mod changes;
mod cleanup;
mod clsact;
mod embryonic;
mod errors;
mod explain;
mod flows;
mod forged;
mod fragments;
mod gc;
mod hairpin;
mod labels_policy;
mod learning;
mod local;
mod mss;
mod not_ours;
mod on_link;
mod own_datagrams;
mod path_mtu;
mod pins;
mod pmtu;
mod port_remap;
mod refused;
mod round_robin;
mod sizes;
mod socket_lb;
mod task_addresses;
mod tunnel;
mod unreachable;
mod uplinks;
mod verifier;
mod withdrawn;
