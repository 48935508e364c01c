//! Walks over maps that programs write at the same time.
//!
//! The kernel begins a walk again when its current key was removed. A flood of new flows removes keys as fast as
//! they can be read, so that a walk might never end and see the same keys over and over: the steps of every walk
//! and the entries that it keeps are bounded.

use super::{Failure, Plain, Table, absent, failed};
use aya::maps::{Map, MapError};
use lb_abi::limits;
use std::collections::BTreeMap;

/// Limit on the steps of a walk over a map that the agent alone fills: twice the entries of the largest one.
pub(super) const STEPS: usize = 2 * limits::SLOTS as usize;

/// Limit on the steps of a walk over a map: twice the entries that there is room for.
pub(super) fn steps(map: &Map) -> Result<usize, MapError> {
    match map {
        Map::HashMap(map) | Map::LruHashMap(map) => Ok(2 * map.info()?.max_entries() as usize),
        _ => Ok(STEPS),
    }
}

impl<K: Plain, V: Plain> Table<K, V> {
    /// Shows each entry to `visit`. Ones that come or go meanwhile may be missed, or be seen twice.
    /// Returns whether the walk came to the end of the map.
    pub(crate) fn visit(&self, visit: impl FnMut(K, V)) -> Result<bool, Failure> {
        self.visit_keys(|_| true, visit)
    }

    /// Shows each entry whose key is `wanted` to `visit`, as [`Self::visit`] does.
    pub(super) fn visit_keys(
        &self,
        wanted: impl Fn(&K) -> bool,
        mut visit: impl FnMut(K, V),
    ) -> Result<bool, Failure> {
        let mut steps = 0;
        for key in self.1.keys().take(self.2) {
            steps += 1;
            let key = key.map_err(failed(self.0))?;
            if !wanted(&key.0) {
                continue;
            }
            if let Some(value) = absent(self.1.get(&key, 0)).map_err(failed(self.0))? {
                visit(key.0, value.0);
            }
        }
        Ok(steps < self.2)
    }

    /// Number of entries. Ones that come or go meanwhile may be missed, or be counted twice.
    pub(crate) fn count(&self) -> Result<u64, Failure> {
        let mut count = 0;
        for key in self.1.keys().take(self.2) {
            key.map_err(failed(self.0))?;
            count += 1;
        }
        Ok(count)
    }

    /// Removes entries that are not to be `kept`. Returns whether the walk came to the end of the map.
    pub(crate) fn retain(&mut self, kept: impl Fn(&V) -> bool) -> Result<bool, Failure> {
        self.retain_by(|_, value| kept(value))
    }

    /// Removes entries that are not to be `kept`, by their keys and values. Returns whether the walk came to the end of
    /// the map.
    pub(crate) fn retain_by(&mut self, kept: impl Fn(&K, &V) -> bool) -> Result<bool, Failure> {
        let mut gone = Vec::new();
        let whole = self.visit(|key, value| {
            if !kept(&key, &value) {
                gone.push(key);
            }
        })?;
        for key in gone {
            // The key may have a new value by now.
            if self.get(&key)?.is_some_and(|value| !kept(&key, &value)) {
                self.remove(&key)?;
            }
        }
        Ok(whole)
    }
}

impl<K: Plain + Ord, V: Plain> Table<K, V> {
    /// All entries, each once. Ones that come or go meanwhile may be missing or not.
    pub(crate) fn entries(&self) -> Result<BTreeMap<K, V>, Failure> {
        self.walk(|_| true)
    }

    /// The entries whose keys are `wanted`, each once. Ones that come or go meanwhile
    /// may be missing or not.
    pub(crate) fn walk(&self, wanted: impl Fn(&K) -> bool) -> Result<BTreeMap<K, V>, Failure> {
        let mut found = BTreeMap::new();
        self.visit_keys(wanted, |key, value| {
            found.insert(key, value);
        })?;
        Ok(found)
    }
}
