//! Suites on a real Swarm of three nodes.
//!
//! The tests of this binary share one Swarm and take turns on it; it is brought up
//! by the first and taken down when the process ends, however it ends.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test that calls them"
)]

mod cli;
mod crash;
mod lab;

use std::path::Path;
use std::time::Duration;

/// Takes a laboratory down when its test process ends.
const LAB: &str = env!("CARGO_BIN_EXE_lab");

/// Tasks are there within two seconds; a loaded machine may take its time.
const TASKS: Duration = Duration::from_secs(30);

/// The shared Swarm, or nothing where tests cannot run.
fn turn() -> Option<harness::shared::Turn> {
    harness::shared::is_root().then(|| harness::shared::turn(Path::new(LAB)))
}
