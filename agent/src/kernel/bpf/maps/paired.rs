//! Two tables as one: entries of established flows, and of flows whose handshake is not complete, which anybody can
//! make (docs/adr/0008).

use super::{Failure, Plain, Table};
use aya::maps::Map;
use lb_abi::flow::{Flow, RevNat, Tuple};
use lb_abi::service::{AffinityKey, AffinityValue};
use std::collections::BTreeMap;
use std::path::Path;

/// Flows, by the tuple of the client's packets.
pub(crate) type Flows = Paired<Tuple, Flow>;
/// Reverse NAT, by the tuple of the task's packets.
pub(crate) type RevNats = Paired<Tuple, RevNat>;
/// Session affinity of clients.
pub(crate) type Affinities = Paired<AffinityKey, AffinityValue>;

/// Handles of its own to both tables.
pub(crate) struct Paired<K: Plain, V: Plain> {
    established: Table<K, V>,
    pub(crate) embryonic: Table<K, V>,
}

impl Flows {
    /// Opens the tables pinned in `directory`.
    pub(crate) fn open(directory: &Path) -> Result<Self, Failure> {
        Self::pinned(directory, ["LB_FLOWS", "LB_EMBRYONIC"])
    }
}

impl RevNats {
    /// Opens the tables pinned in `directory`.
    pub(crate) fn open(directory: &Path) -> Result<Self, Failure> {
        Self::pinned(directory, ["LB_REV_NAT", "LB_REV_NAT_EMB"])
    }
}

impl Affinities {
    /// Opens the tables pinned in `directory`.
    pub(crate) fn open(directory: &Path) -> Result<Self, Failure> {
        Self::pinned(directory, ["LB_AFFINITY", "LB_AFFINITY_EMB"])
    }
}

impl<K: Plain, V: Plain> Paired<K, V> {
    fn pinned(
        directory: &Path,
        [established, embryonic]: [&'static str; 2],
    ) -> Result<Self, Failure> {
        Ok(Self {
            established: Table::pinned(directory, established, Map::LruHashMap)?,
            embryonic: Table::pinned(directory, embryonic, Map::LruHashMap)?,
        })
    }

    /// The established entry, or else the embryonic one.
    pub(crate) fn get(&self, key: &K) -> Result<Option<V>, Failure> {
        Ok(match self.established.get(key)? {
            Some(value) => Some(value),
            None => self.embryonic.get(key)?,
        })
    }

    /// Removes entries that are not to be `kept`. Returns whether the walk came to the end of both maps.
    pub(crate) fn retain(&mut self, kept: impl Fn(&V) -> bool) -> Result<bool, Failure> {
        Ok(self.established.retain(&kept)? & self.embryonic.retain(&kept)?)
    }
}

impl<K: Plain + Ord, V: Plain> Paired<K, V> {
    /// The entries whose keys are `wanted`; an established one hides an embryonic one, as for programs.
    pub(crate) fn walk(&self, wanted: impl Fn(&K) -> bool) -> Result<BTreeMap<K, V>, Failure> {
        let mut entries = self.embryonic.walk(&wanted)?;
        entries.extend(self.established.walk(&wanted)?);
        Ok(entries)
    }
}
