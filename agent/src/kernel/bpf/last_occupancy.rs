//! The last count of the entries of the LRU tables, from the thread that counts to those that report.

use lb_core::report::build::{Occupancy, OtherTables};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Entries of the LRU tables by the last count; none before the first one.
#[derive(Clone, Default)]
pub(crate) struct LastOccupancy(Arc<Mutex<Option<Occupancy>>>);

impl LastOccupancy {
    /// The last count.
    pub(crate) fn get(&self) -> Option<Occupancy> {
        *self.last()
    }

    /// Keeps a count of flows. `others` is what was counted with it; `None`: the last one counts on.
    pub(super) fn set(&self, flows: Occupancy, others: Option<OtherTables>) {
        let mut last = self.last();
        let before = last.map(|last| last.others).unwrap_or_default();
        *last = Some(Occupancy {
            others: others.unwrap_or(before),
            ..flows
        });
    }

    /// A panic ends the process, so a poisoned lock is ignored.
    fn last(&self) -> MutexGuard<'_, Option<Occupancy>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_less_often_stays_beside_what_is_counted_more_often() {
        let last = LastOccupancy::default();
        assert_eq!(last.get(), None);
        let flows = |proved| Occupancy {
            proved,
            ..Occupancy::default()
        };
        let others = OtherTables {
            affinities: 3,
            ..OtherTables::default()
        };
        last.set(flows(1), Some(others));
        last.set(flows(2), None);
        let expected = Occupancy { others, ..flows(2) };
        assert_eq!(last.get(), Some(expected));
    }
}
