//! Tables of flows with so many places, of which the entry that was used least recently goes first: as the
//! kernel's, but for that being exact.

use lb_abi::flow::{Flow, Kind, RevNat, Tuple};
use std::collections::BTreeMap;

/// Places in the tables of each kind, each way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// For [`Kind::Proved`].
    pub proved: usize,
    /// For [`Kind::Timed`].
    pub timed: usize,
    /// For [`Kind::Embryonic`].
    pub embryonic: usize,
}

impl Capacity {
    const fn of(&self, kind: Kind) -> usize {
        match kind {
            Kind::Proved => self.proved,
            Kind::Timed => self.timed,
            Kind::Embryonic => self.embryonic,
        }
    }
}

/// What stands in tables of flows.
pub trait Entry: Copy {
    /// The table that it is in, by its key.
    fn table(&self, tuple: &Tuple) -> Kind;
}

impl Entry for Flow {
    fn table(&self, tuple: &Tuple) -> Kind {
        Flow::kind(tuple.proto, self.state)
    }
}

impl Entry for RevNat {
    fn table(&self, tuple: &Tuple) -> Kind {
        self.kind(tuple.proto)
    }
}

/// The order in which entries of the tables of one way were used, and those that are shadowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lru<V> {
    /// Opening entries of tuples that have a settled one too, which is found first.
    pub shadowed: BTreeMap<Tuple, V>,
    /// When each entry was used, where there is a [`Capacity`]: a number that grows.
    pub used: BTreeMap<Tuple, u64>,
    /// The last of those.
    pub last: u64,
}

impl<V> Default for Lru<V> {
    fn default() -> Self {
        Self {
            shadowed: BTreeMap::new(),
            used: BTreeMap::new(),
            last: 0,
        }
    }
}

impl<V: Entry> Lru<V> {
    /// The entry of `tuple` was looked up.
    pub(crate) fn uses(&mut self, tuple: &Tuple, capacity: Option<Capacity>) {
        if capacity.is_some() {
            self.last += 1;
            self.used.insert(*tuple, self.last);
        }
    }

    /// Puts an entry into the table of its kind.
    pub(crate) fn put(
        &mut self,
        shown: &mut BTreeMap<Tuple, V>,
        (tuple, value): (&Tuple, V),
        capacity: Option<Capacity>,
    ) {
        let kind = value.table(tuple);
        let known = shown.get(tuple).map(|known| known.table(tuple));
        if kind == Kind::Embryonic && known.is_some_and(|known| known != Kind::Embryonic) {
            self.shadowed.insert(*tuple, value);
        } else {
            if known != Some(kind) {
                self.evict(shown, kind, capacity);
            }
            self.shadowed.remove(tuple);
            shown.insert(*tuple, value);
        }
        self.uses(tuple, capacity);
    }

    /// Removes a settled entry; what it shadowed is found from now on.
    pub(crate) fn forget_settled(&mut self, shown: &mut BTreeMap<Tuple, V>, tuple: &Tuple) {
        let settled = |value: &V| value.table(tuple) != Kind::Embryonic;
        if shown.get(tuple).is_some_and(settled) {
            shown.remove(tuple);
        }
        if let Some(value) = self.shadowed.remove(tuple) {
            shown.insert(*tuple, value);
        }
    }

    /// Removes the entry of `tuple`, and what it shadowed.
    pub(crate) fn forget(&mut self, shown: &mut BTreeMap<Tuple, V>, tuple: &Tuple) {
        shown.remove(tuple);
        self.shadowed.remove(tuple);
        self.used.remove(tuple);
    }

    fn evict(&mut self, shown: &mut BTreeMap<Tuple, V>, kind: Kind, capacity: Option<Capacity>) {
        let Some(places) = capacity.map(|capacity| capacity.of(kind)) else {
            return;
        };
        loop {
            let same = shown
                .iter()
                .filter(|(tuple, value)| value.table(tuple) == kind);
            let used = |tuple: &Tuple| self.used.get(tuple).copied().unwrap_or_default();
            let mut by_use: Vec<_> = same.map(|(tuple, _)| (used(tuple), *tuple)).collect();
            if by_use.len() < places {
                return;
            }
            by_use.sort_unstable();
            let Some((_, oldest)) = by_use.first() else {
                return;
            };
            shown.remove(oldest);
            self.used.remove(oldest);
        }
    }
}
