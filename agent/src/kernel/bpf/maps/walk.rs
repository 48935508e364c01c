//! Reading maps that programs write at the same time.

use super::{Plain, Table, absent, failed};
use crate::kernel::bpf::Failure;
use std::collections::BTreeMap;

/// The kernel begins anew when the key that a walk stands at is removed. Twice the
/// largest map is enough for every walk that gets on at all.
const STEPS: usize = 2 * lb_abi::limits::FLOWS as usize;

impl<K: Plain + Ord, V: Plain> Table<K, V> {
    /// The entries whose keys are `wanted`, each once. Ones that come or go meanwhile
    /// may be missing or not; the walk always ends.
    pub(crate) fn walk(&self, wanted: impl Fn(&K) -> bool) -> Result<BTreeMap<K, V>, Failure> {
        let mut found = BTreeMap::new();
        for key in self.1.keys().take(STEPS) {
            let key = key.map_err(failed(self.0))?;
            if !wanted(&key.0) {
                continue;
            }
            if let Some(value) = absent(self.1.get(&key, 0)).map_err(failed(self.0))? {
                found.insert(key.0, value.0);
            }
        }
        Ok(found)
    }
}
