//! Persistent ordered maps and sets: copies share their unchanged parts.
//!
//! A copy costs next to nothing, a change copies a few dozen entries, and the difference of two maps
//! that share parts is found without reading those: if one task of a hundred thousand changes, the
//! work is that of one task. Entries lie in sorted chunks, which copies share until one of them changes.

mod changes;
mod impls;
mod iter;
mod set;

pub use changes::Change;
pub use iter::{Iter, IterMut};
pub use set::PersistentSet;

use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

/// Entries of a chunk at the most: copied with each change of one.
const MOST: usize = 64;
/// Entries of a chunk of a map made in one go, so that few chunks are split soon.
const FILL: usize = 48;
/// Entries by which the memory of a chunk grows: doubled each time, a third of it would be used.
const ROOM: usize = 8;

/// Sorted, never empty.
type Chunk<K, V> = Arc<Vec<(K, V)>>;

/// An ordered map, as `BTreeMap` is one.
#[derive(Clone)]
pub struct PersistentMap<K, V> {
    chunks: Vec<Chunk<K, V>>,
    len: usize,
}

impl<K, V> Default for PersistentMap<K, V> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            len: 0,
        }
    }
}

impl<K: Ord, V> PersistentMap<K, V> {
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

    /// The number of the chunk in which `key` is, or would be.
    fn chunk(&self, key: &K) -> usize {
        let begun = |chunk: &Chunk<K, V>| chunk.first().is_some_and(|(first, _)| first <= key);
        self.chunks.partition_point(begun).saturating_sub(1)
    }

    /// Chunk and place of `key`, if it is there.
    fn find(&self, key: &K) -> Option<(usize, usize)> {
        let number = self.chunk(key);
        let chunk = self.chunks.get(number)?;
        let place = chunk.binary_search_by(|(other, _)| other.cmp(key)).ok()?;
        Some((number, place))
    }

    /// The value at `key`.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        let (number, place) = self.find(key)?;
        let (_, value) = self.chunks.get(number)?.get(place)?;
        Some(value)
    }

    /// The key that equals `key`, as the map has it.
    #[must_use]
    pub fn key(&self, key: &K) -> Option<&K> {
        let (number, place) = self.find(key)?;
        let (own, _) = self.chunks.get(number)?.get(place)?;
        Some(own)
    }

    /// Is there a value at `key`?
    #[must_use]
    pub fn contains_key(&self, key: &K) -> bool {
        self.find(key).is_some()
    }

    /// All entries, in order.
    #[must_use]
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter::new(&self.chunks)
    }

    /// All keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// All values, in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// The entries whose keys are in `range`, in order.
    pub fn range<'a, R: RangeBounds<K> + 'a>(
        &'a self,
        range: R,
    ) -> impl Iterator<Item = (&'a K, &'a V)> + 'a {
        let number = match range.start_bound() {
            Bound::Included(key) | Bound::Excluded(key) => self.chunk(key),
            Bound::Unbounded => 0,
        };
        let early = |key: &K| match range.start_bound() {
            Bound::Included(start) => key < start,
            Bound::Excluded(start) => key <= start,
            Bound::Unbounded => false,
        };
        let mut entries = Iter::new(self.chunks.get(number..).unwrap_or_default());
        while entries.peek().is_some_and(|(key, _)| early(key)) {
            entries.next();
        }
        entries.take_while(move |(key, _)| range.contains(*key))
    }
}

impl<K: Ord + Clone, V: Clone> PersistentMap<K, V> {
    /// The value at `key`, to be changed.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let (number, place) = self.find(key)?;
        let chunk = Arc::make_mut(self.chunks.get_mut(number)?);
        chunk.get_mut(place).map(|(_, value)| value)
    }

    /// Puts `value` at `key`; returns what was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let number = self.chunk(&key);
        let last = number + 1 == self.chunks.len();
        let Some(chunk) = self.chunks.get_mut(number) else {
            self.chunks.push(Arc::new(vec![(key, value)]));
            self.len = 1;
            return None;
        };
        let chunk = Arc::make_mut(chunk);
        match chunk.binary_search_by(|(other, _)| other.cmp(&key)) {
            Ok(place) => {
                let (_, old) = chunk.get_mut(place)?;
                return Some(std::mem::replace(old, value));
            }
            Err(place) => {
                if chunk.len() == chunk.capacity() {
                    chunk.reserve_exact(ROOM);
                }
                chunk.insert(place, (key, value));
            }
        }
        self.len += 1;
        if chunk.len() > MOST {
            // At the end, entries mostly come in order: a full chunk stays behind.
            let rest = chunk.split_off(if last { FILL } else { MOST / 2 });
            chunk.shrink_to_fit();
            self.chunks.insert(number + 1, Arc::new(rest));
        }
        None
    }

    /// Removes `key`; returns what was there.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let (number, place) = self.find(key)?;
        let chunk = Arc::make_mut(self.chunks.get_mut(number)?);
        let (_, value) = chunk.remove(place);
        self.len -= 1;
        if chunk.is_empty() {
            self.chunks.remove(number);
        }
        Some(value)
    }

    /// Removes what is not to be kept.
    pub fn retain(&mut self, mut kept: impl FnMut(&K, &V) -> bool) {
        let gone: Vec<K> = self
            .iter()
            .filter(|(key, value)| !kept(key, value))
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            self.remove(&key);
        }
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// All values, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.into_iter().map(|(_, value)| value)
    }

    /// All values, in the order of their keys.
    pub fn into_values(self) -> impl Iterator<Item = V> {
        self.into_iter().map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests;
