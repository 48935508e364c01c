//! Results of one comparison, as JSON. The program that draws them includes this file, too.

use serde::{Deserialize, Serialize};

/// A datapath between the client and a task, with or without swarmlb.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Variant {
    /// Routed to the task's address on `docker_gwbridge`: what the machine gives.
    Direct,
    /// By a port that the engine publishes on the task's node (`mode=host`).
    Host,
    /// By Swarm's own routing mesh.
    Mesh,
    /// By swarmlb, its datapath in eBPF.
    Ebpf,
    /// By swarmlb, its datapath in IPVS.
    Ipvs,
}

/// The node that the client calls, seen from the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Locality {
    /// The node that has the task.
    Local,
    /// Another node.
    Remote,
}

/// Everything that one run has found.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Results {
    /// The machine that it was measured on.
    pub(crate) machine: Machine,
    /// The version of swarmlb.
    pub(crate) swarmlb: Version,
    /// Number of rounds; each measures every variant once.
    pub(crate) rounds: u32,
    /// Seconds that each measurement lasts; that of the latency four times as long.
    pub(crate) seconds: f64,
    /// Connections of a load that asks as often as it is answered.
    pub(crate) connections: u32,
    /// Requests per second of the load whose answers are timed.
    pub(crate) rate: u32,
    /// New connections per second while a service is updated.
    pub(crate) update_rate: u32,
    /// Variants that were left out, with reasons.
    pub(crate) notes: Vec<String>,
    /// One for each variant and locality in each round.
    pub(crate) samples: Vec<Sample>,
    /// One for each update.
    pub(crate) updates: Vec<Update>,
}

/// Where it was measured.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// The day, by UTC.
    pub(crate) date: String,
    /// The kernel's release.
    pub(crate) kernel: String,
    /// The engine's version.
    pub(crate) engine: String,
    /// As the kernel names it.
    pub(crate) processor: String,
    /// Number of processors.
    pub(crate) cpus: usize,
}

/// Version of swarmlb.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Version {
    /// Of the agent.
    pub(crate) version: String,
    /// Of the source, if it is known.
    pub(crate) commit: Option<String>,
}

/// One variant in one round.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) round: u32,
    #[serde(alias = "way")]
    pub(crate) variant: Variant,
    #[serde(alias = "place")]
    pub(crate) locality: Locality,
    /// Requests per second on connections that stay.
    pub(crate) kept: Rate,
    /// Requests per second with a connection for each.
    pub(crate) new: Rate,
    /// Times of answers at a fixed rate that every variant can serve.
    pub(crate) paced: Latency,
    /// Megabytes (10^6) per second from the task to the client, on one connection.
    pub(crate) bulk: f64,
}

/// A load that asks as often as it is answered.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Rate {
    /// Answers per second.
    pub(crate) per_second: f64,
    /// Milliseconds that the machine's CPUs were busy, for 1,000 answers.
    pub(crate) cpu_ms: f64,
    /// Requests without the right answer.
    pub(crate) failed: u64,
}

/// A load that asks by the clock.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Latency {
    /// Milliseconds, which half of the answers took at most.
    pub(crate) p50: f64,
    /// Milliseconds, which 99 of 100 answers took at most.
    pub(crate) p99: f64,
    /// Milliseconds that the machine's CPUs were busy, for 1,000 answers.
    pub(crate) cpu_ms: f64,
    /// Requests without the right answer.
    pub(crate) failed: u64,
}

/// A rolling update of a service under load.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Update {
    pub(crate) round: u32,
    #[serde(alias = "way")]
    pub(crate) variant: Variant,
    /// `stop-first` or `start-first`.
    pub(crate) order: String,
    /// Seconds that it took.
    pub(crate) seconds: f64,
    /// Requests, each on a connection of its own.
    pub(crate) asked: u64,
    /// Those without an answer.
    pub(crate) failed: u64,
    /// Milliseconds that the longest answer took.
    pub(crate) slowest_ms: f64,
    /// Reasons of failures, and how often each.
    pub(crate) reasons: Vec<(String, u64)>,
}
