//! The tables that the datapath fills, and how full they are.

use serde::{Deserialize, Serialize};

/// One kind of table. Where flows are remembered each way, the ways have a map each, of one size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableReport {
    /// Its entries, in a few words: `TCP connections`.
    pub flows: String,
    /// Names of its maps in the kernel.
    #[serde(default)]
    pub maps: Vec<String>,
    /// Places that were taken when they were counted last, within a minute or two. In tables of flows those that are over do not
    /// count; in the others all entries do.
    pub taken: u64,
    /// Places that there are.
    pub places: u64,
    /// Does it hold flows of clients that are known to be there?
    pub settled: bool,
    /// What happens when it is full, in one sentence.
    pub full: String,
}
