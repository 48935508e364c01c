//! The version filter: decides which snapshots of other agents replace the view.
//!
//! Every snapshot has its sender's epoch (drawn when that agent started) and a revision that only
//! grows within the epoch. Messages may come twice, out of order, or late from a source that is no
//! longer followed; none of them may turn the view back.

use crate::model::ids::NodeId;
use std::collections::VecDeque;

/// Version of a snapshot: epoch and revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotVersion {
    /// Identifies one run of the sending agent.
    pub epoch: u64,
    /// Grows with every change within the epoch.
    pub revision: u64,
}

/// Accepts or rejects each snapshot from other agents.
#[derive(Clone, Debug, Default)]
pub struct VersionFilter {
    source: Option<NodeId>,
    last: Option<SnapshotVersion>,
    /// Past epochs of the source: their messages are late.
    retired: VecDeque<u64>,
    holds_complete: bool,
}

/// Number of past epochs that are remembered.
const RETIRED_EPOCHS: usize = 16;

impl VersionFilter {
    /// Accepts snapshots from `source` only from now on.
    pub fn follow(&mut self, source: Option<NodeId>) {
        if self.source != source {
            self.source = source;
            self.last = None;
            self.retired.clear();
        }
    }

    /// Is this snapshot to replace the current view? Remembers its version if so.
    ///
    /// An incomplete snapshot is accepted only until the first complete one: an object that it lacks
    /// may still exist.
    pub fn take(&mut self, source: &NodeId, version: SnapshotVersion, complete: bool) -> bool {
        let followed = self.source.as_ref() == Some(source);
        if !followed || (self.holds_complete && !complete) {
            return false;
        }
        let late = match self.last {
            Some(last) if last.epoch == version.epoch => version.revision <= last.revision,
            _ => self.retired.contains(&version.epoch),
        };
        if late {
            return false;
        }
        if let Some(last) = self.last.filter(|last| last.epoch != version.epoch) {
            if self.retired.len() == RETIRED_EPOCHS {
                self.retired.pop_front();
            }
            self.retired.push_back(last.epoch);
        }
        self.last = Some(version);
        self.holds_complete |= complete;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn version(epoch: u64, revision: u64) -> SnapshotVersion {
        SnapshotVersion { epoch, revision }
    }

    fn following(source: &str) -> VersionFilter {
        let mut filter = VersionFilter::default();
        filter.follow(Some(source.into()));
        filter
    }

    #[test]
    fn twice_or_late_is_ignored() {
        let mut filter = following("a");
        assert!(filter.take(&"a".into(), version(1, 5), true));
        assert!(!filter.take(&"a".into(), version(1, 5), true));
        assert!(!filter.take(&"a".into(), version(1, 4), true));
        assert!(filter.take(&"a".into(), version(1, 6), true));
    }

    #[test]
    fn a_restarted_source_replaces_and_its_former_run_is_over() {
        let mut filter = following("a");
        assert!(filter.take(&"a".into(), version(1, 500), true));
        assert!(filter.take(&"a".into(), version(2, 1), true));
        assert!(!filter.take(&"a".into(), version(1, 501), true));
        assert!(filter.take(&"a".into(), version(2, 2), true));
    }

    #[test]
    fn a_source_that_restarts_over_and_over_is_not_heard_of_any_of_its_last_runs() {
        // An agent that fails at its start has a new epoch each time, and its messages may be under way for long.
        let mut filter = following("a");
        for epoch in 1..=17 {
            assert!(filter.take(&"a".into(), version(epoch, 1), true));
        }
        for epoch in 1..=16 {
            assert!(
                !filter.take(&"a".into(), version(epoch, 999), true),
                "run {epoch}"
            );
        }
        assert!(filter.take(&"a".into(), version(17, 2), true));
    }

    #[test]
    fn a_new_source_replaces_and_the_old_one_is_not_heard() {
        let mut filter = following("a");
        assert!(filter.take(&"a".into(), version(9, 500), true));
        filter.follow(Some("b".into()));
        assert!(filter.take(&"b".into(), version(3, 1), true));
        assert!(!filter.take(&"a".into(), version(9, 501), true));
        filter.follow(Some("a".into()));
        assert!(filter.take(&"a".into(), version(9, 501), true));
    }

    #[test]
    fn nothing_incomplete_replaces_something_complete() {
        let mut filter = following("a");
        assert!(filter.take(&"a".into(), version(1, 1), false));
        assert!(filter.take(&"a".into(), version(1, 2), true));
        assert!(!filter.take(&"a".into(), version(1, 3), false));
        filter.follow(Some("b".into()));
        assert!(!filter.take(&"b".into(), version(2, 1), false));
        // The refused one must not stand in the way of what it grows into.
        assert!(filter.take(&"b".into(), version(2, 2), true));
        assert!(!filter.take(&"b".into(), version(2, 3), false));
    }

    #[test]
    fn without_a_source_nothing_counts() {
        assert!(!VersionFilter::default().take(&"a".into(), version(1, 1), true));
    }

    proptest! {
        #[test]
        fn the_view_never_turns_back_and_ends_at_the_newest(
            revisions in prop::collection::vec(1_u64..20, 1..60),
            complete_from in 1_u64..20,
        ) {
            let mut filter = following("a");
            let taken: Vec<u64> = revisions
                .iter()
                .copied()
                .filter(|r| filter.take(&"a".into(), version(7, *r), *r >= complete_from))
                .collect();
            prop_assert!(taken.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert_eq!(taken.last(), revisions.iter().max());
        }
    }
}
