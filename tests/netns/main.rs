//! Suites on namespaces, without a Swarm: the laboratory's network, and the test
//! service by itself.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test that calls them"
)]

mod client;
mod topology;
mod whoami;
mod xdp;
