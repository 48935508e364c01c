//! Walking through a map in order.

use super::{Chunk, PersistentMap};
use std::slice;
use std::sync::Arc;

/// Entries in order.
pub struct Iter<'a, K, V> {
    chunks: slice::Iter<'a, Chunk<K, V>>,
    entries: slice::Iter<'a, (K, V)>,
}

impl<'a, K, V> Iter<'a, K, V> {
    pub(super) fn new(chunks: &'a [Chunk<K, V>]) -> Self {
        let mut chunks = chunks.iter();
        let entries = chunks.next().map_or(&[][..], |chunk| chunk.as_slice());
        Self {
            chunks,
            entries: entries.iter(),
        }
    }

    /// The entry that comes next.
    pub(super) fn peek(&self) -> Option<(&'a K, &'a V)> {
        let mut ahead = Iter {
            chunks: self.chunks.clone(),
            entries: self.entries.clone(),
        };
        ahead.next()
    }
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((key, value)) = self.entries.next() {
                return Some((key, value));
            }
            self.entries = self.chunks.next()?.iter();
        }
    }
}

/// Entries in order, their values to be changed: what is shared is copied first.
pub struct IterMut<'a, K, V> {
    chunks: slice::IterMut<'a, Chunk<K, V>>,
    entries: slice::IterMut<'a, (K, V)>,
}

impl<'a, K: Clone, V: Clone> Iterator for IterMut<'a, K, V> {
    type Item = (&'a K, &'a mut V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((key, value)) = self.entries.next() {
                return Some((key, value));
            }
            self.entries = Arc::make_mut(self.chunks.next()?).iter_mut();
        }
    }
}

impl<'a, K: Ord, V> IntoIterator for &'a PersistentMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, K: Ord + Clone, V: Clone> IntoIterator for &'a mut PersistentMap<K, V> {
    type Item = (&'a K, &'a mut V);
    type IntoIter = IterMut<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        IterMut {
            chunks: self.chunks.iter_mut(),
            entries: [].iter_mut(),
        }
    }
}

impl<K: Ord + Clone, V: Clone> IntoIterator for PersistentMap<K, V> {
    type Item = (K, V);
    type IntoIter = std::iter::FlatMap<
        std::vec::IntoIter<Chunk<K, V>>,
        Vec<(K, V)>,
        fn(Chunk<K, V>) -> Vec<(K, V)>,
    >;

    fn into_iter(self) -> Self::IntoIter {
        self.chunks.into_iter().flat_map(Arc::unwrap_or_clone)
    }
}
