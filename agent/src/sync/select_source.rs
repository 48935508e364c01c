//! Selects the manager from which a worker gets its view. Pure.

use lb_core::model::ids::{Key, NodeId};
use std::collections::BTreeMap;

/// State of a session to a manager's agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// The agent answers.
    pub(super) up: bool,
    /// Its view is complete and its engine answers it.
    pub(super) fresh: bool,
}

/// The source to use. The present one is kept while it answers, so that the source does not
/// flap; workers spread over the managers by their ids.
pub(super) fn select_source(
    own: &NodeId,
    candidates: &BTreeMap<NodeId, Candidate>,
    present: Option<&NodeId>,
) -> Option<NodeId> {
    candidates
        .iter()
        .filter(|(_, candidate)| candidate.up)
        .max_by_key(|(id, candidate)| {
            let rank = Key::of(&format!("{own} {id}"));
            (candidate.fresh, present == Some(id), rank)
        })
        .map(|(id, _)| id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn candidates(list: &[(&str, bool, bool)]) -> BTreeMap<NodeId, Candidate> {
        list.iter()
            .map(|(id, up, fresh)| {
                let candidate = Candidate {
                    up: *up,
                    fresh: *fresh,
                };
                ((*id).into(), candidate)
            })
            .collect()
    }

    #[test]
    fn a_source_that_lost_touch_is_left_only_for_a_better_one() {
        let me = "me".into();
        let a: NodeId = "a".into();
        let both_stale = candidates(&[("a", true, false), ("b", true, false)]);
        assert_eq!(select_source(&me, &both_stale, Some(&a)), Some("a".into()));
        let b_fresh = candidates(&[("a", true, false), ("b", true, true)]);
        assert_eq!(select_source(&me, &b_fresh, Some(&a)), Some("b".into()));
        let a_gone = candidates(&[("a", false, true), ("b", true, false)]);
        assert_eq!(select_source(&me, &a_gone, Some(&a)), Some("b".into()));
        assert_eq!(
            select_source(&me, &candidates(&[("a", false, true)]), Some(&a)),
            None
        );
    }

    #[test]
    fn a_source_that_serves_is_kept_whoever_else_would_be_chosen_now() {
        let me = "me".into();
        for fresh in [true, false] {
            let all = candidates(&[("a", true, fresh), ("b", true, fresh), ("c", true, fresh)]);
            for present in all.keys() {
                assert_eq!(
                    select_source(&me, &all, Some(present)).as_ref(),
                    Some(present)
                );
            }
        }
    }

    #[test]
    fn workers_spread() {
        let managers = candidates(&[("a", true, true), ("b", true, true), ("c", true, true)]);
        let mut load: BTreeMap<NodeId, u32> = BTreeMap::new();
        for worker in 0..300 {
            let chosen = select_source(&format!("w{worker}").into(), &managers, None).unwrap();
            *load.entry(chosen).or_default() += 1;
        }
        assert!(
            load.len() == 3 && load.values().all(|workers| *workers > 60),
            "{load:?}"
        );
    }

    proptest! {
        #[test]
        fn the_choice_is_stable(states in prop::collection::btree_map("[a-e]", (any::<bool>(), any::<bool>()), 0..5)) {
            let candidates: BTreeMap<NodeId, Candidate> = states
                .into_iter()
                .map(|(id, (up, fresh))| (NodeId::from(id), Candidate { up, fresh }))
                .collect();
            let me = "me".into();
            let first = select_source(&me, &candidates, None);
            prop_assert_eq!(first.is_some(), candidates.values().any(|c| c.up));
            prop_assert_eq!(select_source(&me, &candidates, first.as_ref()), first);
        }
    }
}
