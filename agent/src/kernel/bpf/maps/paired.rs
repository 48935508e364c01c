//! Tables as one: those of settled entries, and one of embryonic entries, which anybody can make (docs/adr/0008,
//! docs/adr/0022).

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

/// Handles of its own to all of these tables.
pub(crate) struct Paired<K: Plain, V: Plain> {
    settled: Vec<Table<K, V>>,
    pub(crate) embryonic: Table<K, V>,
}

impl Flows {
    /// Opens the tables pinned in `directory`.
    pub(crate) fn open(directory: &Path) -> Result<Self, Failure> {
        Self::pinned(directory, &["LB_FLOWS", "LB_FLOWS_ANY"], "LB_EMBRYONIC")
    }
}

impl RevNats {
    /// Opens the tables pinned in `directory`.
    pub(crate) fn open(directory: &Path) -> Result<Self, Failure> {
        Self::pinned(
            directory,
            &["LB_REV_NAT", "LB_REV_NAT_ANY"],
            "LB_REV_NAT_EMB",
        )
    }
}

impl Affinities {
    /// Opens the tables pinned in `directory`.
    pub(crate) fn open(directory: &Path) -> Result<Self, Failure> {
        Self::pinned(directory, &["LB_AFFINITY"], "LB_AFFINITY_EMB")
    }
}

impl<K: Plain, V: Plain> Paired<K, V> {
    fn pinned(
        directory: &Path,
        settled: &[&'static str],
        embryonic: &'static str,
    ) -> Result<Self, Failure> {
        let open = |name| Table::pinned(directory, name, Map::LruHashMap);
        Ok(Self {
            settled: settled
                .iter()
                .map(|name| open(*name))
                .collect::<Result<_, _>>()?,
            embryonic: open(embryonic)?,
        })
    }

    /// Numbers of settled and of embryonic entries.
    pub(crate) fn counts(&self) -> Result<[u64; 2], Failure> {
        let mut settled = 0;
        for table in &self.settled {
            settled += table.count()?;
        }
        Ok([settled, self.embryonic.count()?])
    }

    /// The settled entry, or else the embryonic one.
    pub(crate) fn get(&self, key: &K) -> Result<Option<V>, Failure> {
        for table in &self.settled {
            if let Some(value) = table.get(key)? {
                return Ok(Some(value));
            }
        }
        self.embryonic.get(key)
    }

    /// Shows the entries of all tables whose keys are `wanted` to `visit`, embryonic ones first: one that settles meanwhile is not
    /// missed. Others that come, go or move meanwhile may be missed, or be seen twice. Returns whether the walk came to the end
    /// of all maps.
    pub(crate) fn visit(
        &self,
        wanted: impl Fn(&K) -> bool,
        mut visit: impl FnMut(K, V),
    ) -> Result<bool, Failure> {
        let mut whole = self.visit_embryonic(&wanted, &mut visit)?;
        for table in &self.settled {
            whole &= table.visit_keys(&wanted, &mut visit)?;
        }
        Ok(whole)
    }

    /// Shows the embryonic entries whose keys are `wanted` to `visit`. Returns whether the walk came to the end of the map.
    pub(crate) fn visit_embryonic(
        &self,
        wanted: impl Fn(&K) -> bool,
        visit: impl FnMut(K, V),
    ) -> Result<bool, Failure> {
        self.embryonic.visit_keys(wanted, visit)
    }

    /// Removes entries that are not to be `kept`. Returns whether the walk came to the end of all maps.
    pub(crate) fn retain(&mut self, kept: impl Fn(&V) -> bool) -> Result<bool, Failure> {
        let mut whole = self.embryonic.retain(&kept)?;
        for table in &mut self.settled {
            whole &= table.retain(&kept)?;
        }
        Ok(whole)
    }
}

impl<K: Plain + Ord, V: Plain> Paired<K, V> {
    /// The entries whose keys are `wanted`; a settled one hides an embryonic one, as for programs.
    pub(crate) fn walk(&self, wanted: impl Fn(&K) -> bool) -> Result<BTreeMap<K, V>, Failure> {
        let mut entries = self.embryonic.walk(&wanted)?;
        for table in self.settled.iter().rev() {
            entries.extend(table.walk(&wanted)?);
        }
        Ok(entries)
    }
}
