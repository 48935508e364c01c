//! Processes on the node itself that call published ports: from the system call to the wire.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test that calls them"
)]

mod connect;
mod egress;
mod hairpin;
mod hairpin_answers;
mod node;
mod own_address;
mod task_addresses;
