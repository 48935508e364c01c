//! A hash map whose copies share what has not changed since.
//!
//! A copy costs next to nothing. Changing a key of a map that has copies copies one of 256 shards; looking for a key costs one
//! hash, as in any hash map. So what is looked at with each request can be changed often.

use hashbrown::{DefaultHashBuilder, HashTable, hash_table};
use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher as _, Hash};
use std::sync::Arc;

/// As many as an octet has values.
const SHARDS: usize = 256;

type Shard<K, V> = HashTable<(K, V)>;

/// A hash map, as `HashMap` is one.
#[derive(Clone)]
pub struct PersistentHashMap<K, V> {
    shards: Arc<[Arc<Shard<K, V>>; SHARDS]>,
    /// With random keys: labels that somebody has chosen cannot make a shard long.
    hasher: DefaultHashBuilder,
    len: usize,
}

impl<K, V> Default for PersistentHashMap<K, V> {
    fn default() -> Self {
        // One for all, until something is put there.
        let empty = Arc::new(Shard::new());
        Self {
            shards: Arc::new(std::array::from_fn(|_| Arc::clone(&empty))),
            hasher: DefaultHashBuilder::default(),
            len: 0,
        }
    }
}

/// The hash of a key, and the number of its shard: by bits that a shard does not look at to find the key.
fn place<Q: Hash + ?Sized>(hasher: &DefaultHashBuilder, key: &Q) -> (u64, usize) {
    let hash = hasher.hash_one(key);
    let [.., shard, _, _] = hash.to_le_bytes();
    (hash, usize::from(shard))
}

impl<K, V> PersistentHashMap<K, V> {
    /// The number of its entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Is there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let entries = self.shards.iter().flat_map(|shard| shard.iter());
        entries.map(|(key, value)| (key, value))
    }

    /// All keys, in no order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// All values, in no order.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// The value at `key`.
    #[must_use]
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let (hash, shard) = place(&self.hasher, key);
        let shard = self.shards.get(shard)?;
        let (_, value) = shard.find(hash, |(known, _)| key.eq(known.borrow()))?;
        Some(value)
    }

    /// Is there a value at `key`?
    #[must_use]
    pub fn contains_key<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.get(key).is_some()
    }
}

impl<K: Hash + Eq + Clone, V: Clone> PersistentHashMap<K, V> {
    /// Puts `value` at `key`; returns what was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let Self {
            shards,
            hasher,
            len,
        } = self;
        let (hash, shard) = place(hasher, &key);
        let shard = Arc::make_mut(Arc::make_mut(shards).get_mut(shard)?);
        let again = |(known, _): &(K, V)| hasher.hash_one(known);
        match shard.entry(hash, |(known, _)| *known == key, again) {
            hash_table::Entry::Occupied(mut known) => {
                let (_, old) = known.get_mut();
                Some(std::mem::replace(old, value))
            }
            hash_table::Entry::Vacant(free) => {
                free.insert((key, value));
                *len += 1;
                None
            }
        }
    }

    /// Removes `key`; returns what was there.
    pub fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        // No shard is copied for nothing.
        if !self.contains_key(key) {
            return None;
        }
        let (hash, shard) = place(&self.hasher, key);
        let shard = Arc::make_mut(Arc::make_mut(&mut self.shards).get_mut(shard)?);
        let found = shard.find_entry(hash, |(known, _)| key.eq(known.borrow()));
        let ((_, value), _) = found.ok()?.remove();
        self.len -= 1;
        Some(value)
    }

    /// Changes the value at `key`: that of `Default` where there is none, and none where it is that of `Default` thereafter.
    pub fn change(&mut self, key: K, change: impl FnOnce(&mut V))
    where
        V: Default + PartialEq,
    {
        let mut value = self.remove(&key).unwrap_or_default();
        change(&mut value);
        if value != V::default() {
            self.insert(key, value);
        }
    }
}

impl<K: Hash + Eq, V: PartialEq> PartialEq for PersistentHashMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        let mut entries = self.iter();
        self.len == other.len && entries.all(|(key, value)| other.get(key) == Some(value))
    }
}

impl<K: Hash + Eq, V: Eq> Eq for PersistentHashMap<K, V> {}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for PersistentHashMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests;
