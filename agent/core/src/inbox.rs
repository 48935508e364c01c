//! Which of the snapshots that arrive from other agents are news.
//!
//! Every snapshot bears its sender's epoch (drawn when that agent started) and a
//! revision that only grows within the epoch. Messages may come twice, out of order,
//! or late from a source that was left; none of them may turn the view back.

use crate::ids::NodeId;
use std::collections::VecDeque;

/// Where in its sender's history a snapshot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Names one run of the sending agent.
    pub epoch: u64,
    /// Grows with every change within the epoch.
    pub revision: u64,
}

/// Decides on each snapshot from other agents whether to take it.
#[derive(Clone, Debug, Default)]
pub struct Inbox {
    source: Option<NodeId>,
    last: Option<Stamp>,
    /// Epochs that were followed by another one of the same source: late messages only.
    retired: VecDeque<u64>,
    holds_complete: bool,
}

/// Runs of one source that are remembered as over.
const RETIRED_EPOCHS: usize = 16;

impl Inbox {
    /// From now on, snapshots count only when they come from `source`.
    pub fn follow(&mut self, source: Option<NodeId>) {
        if self.source != source {
            self.source = source;
            self.last = None;
            self.retired.clear();
        }
    }

    /// Is this snapshot to replace the view in force? Remembers it if so.
    ///
    /// One that is not complete is taken only while nothing complete was ever seen:
    /// what is missing from it proves nothing.
    pub fn take(&mut self, source: &NodeId, stamp: Stamp, complete: bool) -> bool {
        let followed = self.source.as_ref() == Some(source);
        if !followed || (self.holds_complete && !complete) {
            return false;
        }
        let late = match self.last {
            Some(last) if last.epoch == stamp.epoch => stamp.revision <= last.revision,
            _ => self.retired.contains(&stamp.epoch),
        };
        if late {
            return false;
        }
        if let Some(last) = self.last.filter(|last| last.epoch != stamp.epoch) {
            if self.retired.len() == RETIRED_EPOCHS {
                self.retired.pop_front();
            }
            self.retired.push_back(last.epoch);
        }
        self.last = Some(stamp);
        self.holds_complete |= complete;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stamp(epoch: u64, revision: u64) -> Stamp {
        Stamp { epoch, revision }
    }

    fn following(source: &str) -> Inbox {
        let mut inbox = Inbox::default();
        inbox.follow(Some(source.into()));
        inbox
    }

    #[test]
    fn twice_or_late_is_ignored() {
        let mut inbox = following("a");
        assert!(inbox.take(&"a".into(), stamp(1, 5), true));
        assert!(!inbox.take(&"a".into(), stamp(1, 5), true));
        assert!(!inbox.take(&"a".into(), stamp(1, 4), true));
        assert!(inbox.take(&"a".into(), stamp(1, 6), true));
    }

    #[test]
    fn a_restarted_source_replaces_and_its_former_run_is_over() {
        let mut inbox = following("a");
        assert!(inbox.take(&"a".into(), stamp(1, 500), true));
        assert!(inbox.take(&"a".into(), stamp(2, 1), true));
        assert!(!inbox.take(&"a".into(), stamp(1, 501), true));
        assert!(inbox.take(&"a".into(), stamp(2, 2), true));
    }

    #[test]
    fn a_new_source_replaces_and_the_old_one_is_not_heard() {
        let mut inbox = following("a");
        assert!(inbox.take(&"a".into(), stamp(9, 500), true));
        inbox.follow(Some("b".into()));
        assert!(inbox.take(&"b".into(), stamp(3, 1), true));
        assert!(!inbox.take(&"a".into(), stamp(9, 501), true));
        inbox.follow(Some("a".into()));
        assert!(inbox.take(&"a".into(), stamp(9, 501), true));
    }

    #[test]
    fn nothing_incomplete_replaces_something_complete() {
        let mut inbox = following("a");
        assert!(inbox.take(&"a".into(), stamp(1, 1), false));
        assert!(inbox.take(&"a".into(), stamp(1, 2), true));
        assert!(!inbox.take(&"a".into(), stamp(1, 3), false));
        inbox.follow(Some("b".into()));
        assert!(!inbox.take(&"b".into(), stamp(2, 1), false));
        // The refused one must not stand in the way of what it grows into.
        assert!(inbox.take(&"b".into(), stamp(2, 2), true));
    }

    #[test]
    fn without_a_source_nothing_counts() {
        assert!(!Inbox::default().take(&"a".into(), stamp(1, 1), true));
    }

    proptest! {
        #[test]
        fn the_view_never_turns_back_and_ends_at_the_newest(
            revisions in prop::collection::vec(1_u64..20, 1..60),
            complete_from in 1_u64..20,
        ) {
            let mut inbox = following("a");
            let taken: Vec<u64> = revisions
                .iter()
                .copied()
                .filter(|r| inbox.take(&"a".into(), stamp(7, *r), *r >= complete_from))
                .collect();
            prop_assert!(taken.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert_eq!(taken.last(), revisions.iter().max());
        }
    }
}
