//! Dropped packets.

use serde::{Deserialize, Serialize};

/// `GET /v1/drops`: packets that this node dropped since its programs were first loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drops {
    /// All reasons that there are, also those that never applied.
    pub drops: Vec<DropReport>,
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropReport {
    /// Its name: `unknown-task`. Names never change their meaning.
    pub reason: String,
    /// Packets dropped for it.
    pub packets: u64,
    /// What it means, in one sentence.
    pub meaning: String,
}
