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
mod callers;
mod cards;
mod cli;
mod clients;
mod crash;
mod datagrams;
mod direct;
mod down;
mod drain;
mod engine;
mod flows;
mod health;
mod host_callers;
mod kernel;
mod lab;
mod labels;
mod lbctl;
mod lease;
mod leaving;
mod lifecycle;
mod looks;
mod obstacles;
mod others;
mod ports;
mod removal;
mod roles;
mod rolling;
mod scale;
mod stack;
mod state;
mod stats;
mod tools;
mod untouched;
mod uplink;
mod wishes;

use std::path::Path;
use std::time::Duration;

use harness::shared::{self, Turn};

/// Takes a laboratory down when its test process ends.
const LAB: &str = env!("CARGO_BIN_EXE_lab");

/// Tasks are there within two seconds; a loaded machine may take its time.
const TASKS: Duration = Duration::from_secs(30);

/// The shared Swarm, or nothing where tests cannot run. Others may use it too.
fn turn() -> Option<Turn> {
    shared::is_root().then(|| shared::turn(Path::new(LAB), shared::together()))
}

/// The same, and nobody else on this machine meanwhile.
fn alone() -> Option<Turn> {
    shared::is_root().then(|| shared::turn(Path::new(LAB), shared::alone()))
}
