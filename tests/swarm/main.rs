//! Suites on a real Swarm of three nodes.
//!
//! Most tests of this binary share one Swarm with an agent on each node, deployed from
//! `deploy/stack.yml`; it is brought up by the first and taken down when the process
//! ends, however it ends. Tests that change nodes or measure time run alone.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests fail the test that calls them; measurements are for who reads the output"
)]

mod balance;
mod bulk;
mod cli;
mod clients;
mod container_callers;
mod crash;
mod data_root;
mod datagrams;
mod direct_replies;
mod drain;
mod engine;
mod explain;
mod flows;
mod health;
mod host_callers;
mod host_rules;
mod kernel;
mod lab;
mod labels;
mod labels_policy;
mod lbctl;
mod lease;
mod lifecycle;
mod lost_node;
mod own_datagrams;
mod own_networks;
mod path_mtu;
mod ports;
mod private_mounts;
mod privileges;
mod reserved_ports;
mod roles;
mod rolling;
mod router;
mod scale;
mod second_uplink;
mod service_removal;
mod silent_task;
mod stack;
mod stack_removal;
mod startup_errors;
mod state;
mod stats;
mod tools;
mod unrelated_traffic;
mod untouched;
mod uplink;
mod withdrawn;

use std::path::Path;

use harness::acceptance::TASKS;
use harness::shared::{self, SharedSwarm};

/// Takes a laboratory down when its test process ends.
const LAB: &str = env!("CARGO_BIN_EXE_lab");

/// The shared Swarm, or nothing where tests cannot run. Others may use it too.
fn shared_swarm() -> Option<SharedSwarm> {
    shared::is_root().then(|| shared::swarm(Path::new(LAB), shared::together()))
}

/// The shared Swarm, or nothing where tests cannot run. Nobody else uses this machine meanwhile.
fn alone() -> Option<SharedSwarm> {
    shared::is_root().then(|| shared::swarm(Path::new(LAB), shared::alone()))
}
