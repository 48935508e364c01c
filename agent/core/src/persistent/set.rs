//! An ordered set of the same kind.

use super::{Change, PersistentMap};
use std::fmt;

/// An ordered set, as `BTreeSet` is one.
#[derive(Clone, PartialEq, Eq)]
pub struct PersistentSet<K: Ord>(PersistentMap<K, ()>);

impl<K: Ord> Default for PersistentSet<K> {
    fn default() -> Self {
        Self(PersistentMap::default())
    }
}

impl<K: Ord> PersistentSet<K> {
    /// The number of its members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Is there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Is `key` one of them?
    #[must_use]
    pub fn contains(&self, key: &K) -> bool {
        self.0.contains_key(key)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &K> {
        self.0.keys()
    }

    /// Those that are not in `other`, in order.
    pub fn difference<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a K> {
        self.0.changes(&other.0).filter_map(|change| match change {
            Change::New(key, ()) => Some(key),
            _ => None,
        })
    }

    /// Becomes `other` where both are equal, so that later comparisons need not read them.
    pub fn reuse_from(&mut self, other: &Self) {
        self.0.reuse_from(&other.0);
    }
}

impl<K: Ord + Clone> PersistentSet<K> {
    /// Adds `key`; false if it was there.
    pub fn insert(&mut self, key: K) -> bool {
        self.0.insert(key, ()).is_none()
    }

    /// Removes `key`; false if it was not there.
    pub fn remove(&mut self, key: &K) -> bool {
        self.0.remove(key).is_some()
    }
}

impl<K: Ord + Clone> FromIterator<K> for PersistentSet<K> {
    fn from_iter<I: IntoIterator<Item = K>>(keys: I) -> Self {
        Self(keys.into_iter().map(|key| (key, ())).collect())
    }
}

impl<K: Ord + Clone, const N: usize> From<[K; N]> for PersistentSet<K> {
    fn from(keys: [K; N]) -> Self {
        keys.into_iter().collect()
    }
}

impl<K: Ord + fmt::Debug> fmt::Debug for PersistentSet<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
