//! Differences between two maps. Chunks that both share are skipped unread.

use super::{Chunk, PersistentMap};
use std::cmp::Ordering;
use std::sync::Arc;

/// One key at which two maps differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a, K, V> {
    /// It is there now.
    New(&'a K, &'a V),
    /// It has this value now, and had that.
    Other(&'a K, &'a V, &'a V),
    /// It is not there any more.
    Gone(&'a K, &'a V),
}

impl<'a, K, V> Change<'a, K, V> {
    /// Where.
    #[must_use]
    pub fn key(&self) -> &'a K {
        match self {
            Self::New(key, _) | Self::Other(key, ..) | Self::Gone(key, _) => key,
        }
    }

    /// What is there now.
    #[must_use]
    pub fn now(&self) -> Option<&'a V> {
        match self {
            Self::New(_, now) | Self::Other(_, now, _) => Some(now),
            Self::Gone(..) => None,
        }
    }

    /// What was there.
    #[must_use]
    pub fn before(&self) -> Option<&'a V> {
        match self {
            Self::New(..) => None,
            Self::Other(_, _, before) | Self::Gone(_, before) => Some(before),
        }
    }
}

/// A place in a map.
struct Cursor<'a, K, V> {
    chunks: &'a [Chunk<K, V>],
    place: usize,
}

impl<'a, K, V> Cursor<'a, K, V> {
    fn entry(&self) -> Option<&'a (K, V)> {
        self.chunks.first()?.get(self.place)
    }

    fn next(&mut self) {
        self.place += 1;
        if self
            .chunks
            .first()
            .is_some_and(|chunk| self.place >= chunk.len())
        {
            self.next_chunk();
        }
    }

    fn next_chunk(&mut self) {
        self.chunks = self.chunks.get(1..).unwrap_or_default();
        self.place = 0;
    }
}

/// The differences between two maps, in the order of keys.
struct Changes<'a, K, V> {
    now: Cursor<'a, K, V>,
    before: Cursor<'a, K, V>,
}

impl<'a, K: Ord, V: PartialEq> Iterator for Changes<'a, K, V> {
    type Item = Change<'a, K, V>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (now, before) = (&mut self.now, &mut self.before);
            if now.place == 0
                && before.place == 0
                && let (Some(a), Some(b)) = (now.chunks.first(), before.chunks.first())
                && Arc::ptr_eq(a, b)
            {
                now.next_chunk();
                before.next_chunk();
                continue;
            }
            let order = match (now.entry(), before.entry()) {
                (None, None) => return None,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((a, _)), Some((b, _))) => a.cmp(b),
            };
            match order {
                Ordering::Less => {
                    let (key, value) = now.entry()?;
                    now.next();
                    return Some(Change::New(key, value));
                }
                Ordering::Greater => {
                    let (key, value) = before.entry()?;
                    before.next();
                    return Some(Change::Gone(key, value));
                }
                Ordering::Equal => {
                    let ((key, value), (_, old)) = (now.entry()?, before.entry()?);
                    now.next();
                    before.next();
                    if value != old {
                        return Some(Change::Other(key, value, old));
                    }
                }
            }
        }
    }
}

impl<K: Ord, V: PartialEq> PersistentMap<K, V> {
    /// How this map differs from what it was `before`, in the order of keys.
    pub fn changes<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = Change<'a, K, V>> {
        let cursor = |map: &'a Self| Cursor {
            chunks: &map.chunks,
            place: 0,
        };
        Changes {
            now: cursor(self),
            before: cursor(before),
        }
    }

    pub(super) fn first_change<'a>(&'a self, before: &'a Self) -> Option<Change<'a, K, V>> {
        self.changes(before).next()
    }

    /// Becomes `other` where both are equal, so that later comparisons need not read them.
    pub fn reuse_from(&mut self, other: &Self) {
        if self == other {
            self.chunks.clone_from(&other.chunks);
        }
    }
}

impl<K: Ord + Clone, V: Clone + PartialEq> PersistentMap<K, V> {
    /// This map's entries in a map that shares with `before` what has not changed since.
    #[must_use]
    pub fn reusing(&self, before: &Self) -> Self {
        self.reusing_with(before, V::clone)
    }

    /// What [`Self::reusing`] returns, where `copy` makes the copies of values that have changed; each equals its original.
    #[must_use]
    pub fn reusing_with(&self, before: &Self, copy: impl Fn(&V) -> V) -> Self {
        let mut map = before.clone();
        for change in self.changes(before) {
            match change.now() {
                Some(value) => map.insert(change.key().clone(), copy(value)),
                None => map.remove(change.key()),
            };
        }
        map
    }
}
