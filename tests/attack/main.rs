//! Attacks on a real Swarm of three nodes, each as somebody could try it: who creates services and
//! runs containers (`tenant_…`), who has a shell on a node (`local_user`), who can send packets to
//! the nodes (`stranger_…`), and who holds a worker's certificate and key (`fallen_worker`).
//!
//! Each test shows beside the attack that what it forbids would have been seen: an honest packet of
//! the same kind arrives. What an attack may cost is bounded in count and time ([`scale`]).

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests fail the test that calls them; measurements are for who reads the output"
)]

mod attacker;
mod fallen_worker;
mod local_owner;
mod local_user;
mod local_user_routes;
mod messages;
mod packet;
mod restricted_service;
mod scale;
mod session;
mod stranger_clients;
mod stranger_connections;
mod stranger_flood;
mod stranger_fragments;
mod stranger_tunnel;
mod tables;
mod tenant_answers;
mod tenant_calls;
mod tenant_connections;
mod tenant_image;
mod tenant_labels;
mod tenant_tunnel;
mod tunnel;
mod views;
mod witness;

use std::path::Path;

use harness::acceptance::TASKS;
use harness::shared::{self, MachineLock, SharedSwarm};

/// Takes a laboratory down when its test process ends.
const LAB: &str = env!("CARGO_BIN_EXE_lab");

/// The shared Swarm, or nothing where tests cannot run. Others may use it too. Its nodes have small tables.
fn shared_swarm() -> Option<SharedSwarm> {
    shared::is_root().then(|| swarm(shared::together()))
}

/// The shared Swarm, or nothing where tests cannot run. Nobody else uses this machine meanwhile.
fn alone() -> Option<SharedSwarm> {
    shared::is_root().then(|| swarm(shared::alone()))
}

fn swarm(machine: MachineLock) -> SharedSwarm {
    shared::swarm_with(Path::new(LAB), machine, &[Path::new(tables::SMALL)])
}
