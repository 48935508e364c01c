use super::super::hash::mixed;
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn candidate(key: u64, load: u32, local: bool) -> Candidate {
    Candidate {
        key,
        load,
        local,
        ready: true,
    }
}

fn eligible<'a>(candidates: &'a [Candidate], tried: &'a [u64]) -> Eligible<'a> {
    Eligible { candidates, tried }
}

/// How often each task is chosen in 10,000 draws.
fn shares(candidates: &[Candidate]) -> BTreeMap<u64, u32> {
    let mut shares = BTreeMap::new();
    for draw in 0..10_000 {
        let chosen = eligible(candidates, &[]).least_loaded(mixed(draw)).unwrap();
        *shares.entry(chosen.key).or_default() += 1;
    }
    shares
}

#[test]
fn equal_loads_are_drawn_evenly() {
    let candidates: Vec<Candidate> = (1..=5).map(|key| candidate(key, 3, false)).collect();
    let shares = shares(&candidates);
    assert_eq!(shares.len(), 5);
    let even = |share: &u32| (1_800..=2_200).contains(share);
    assert!(shares.values().all(even), "{shares:?}");
}

#[test]
fn the_most_loaded_one_is_never_chosen_and_the_least_loaded_one_most() {
    let candidates = [
        candidate(1, 9, true),
        candidate(2, 5, false),
        candidate(3, 1, false),
    ];
    let shares = shares(&candidates);
    assert_eq!(shares.get(&1), None);
    assert!(shares[&3] > 6_000, "{shares:?}");
}

#[test]
fn of_equal_loads_the_local_one_is_chosen_and_load_is_above_it() {
    let tie = [candidate(1, 2, false), candidate(2, 2, true)];
    assert_eq!(shares(&tie), [(2, 10_000)].into());
    let loaded = [candidate(1, 2, false), candidate(2, 3, true)];
    assert_eq!(shares(&loaded), [(1, 10_000)].into());
}

#[test]
fn turns_go_round_and_leave_out_who_is_not_ready() {
    let mut candidates: Vec<Candidate> = (1..=4).map(|key| candidate(key, 0, false)).collect();
    candidates[1].ready = false;
    let turns = (0..6).map(|count| eligible(&candidates, &[]).round_robin(count).unwrap().key);
    assert_eq!(turns.collect::<Vec<_>>(), [1, 3, 4, 1, 3, 4]);
    let of_rest = eligible(&candidates, &[3, 4]).round_robin(u64::MAX);
    assert_eq!(of_rest.unwrap().key, 1);
}

#[test]
fn weights_are_the_same_in_every_version() {
    let candidates: Vec<Candidate> = (1..=5).map(|key| candidate(key, 0, false)).collect();
    let chosen = (0..8).map(|hash| eligible(&candidates, &[]).highest_weight(hash).unwrap().key);
    assert_eq!(chosen.collect::<Vec<_>>(), [2, 1, 1, 1, 5, 4, 4, 4]);
}

fn tasks() -> impl Strategy<Value = Vec<Candidate>> {
    let task = (1..50_u64, 0..4_u32, any::<bool>(), any::<bool>());
    proptest::collection::vec(task, 0..8).prop_map(|tasks| {
        let tasks = tasks.into_iter();
        let tasks = tasks.map(|(key, load, local, ready)| Candidate {
            key,
            load,
            local,
            ready,
        });
        let by_key: BTreeMap<u64, Candidate> = tasks.map(|task| (task.key, task)).collect();
        by_key.into_values().collect()
    })
}

proptest! {
    /// Each way finds a task exactly if there is one that is ready and has not been tried, and such a one.
    #[test]
    fn who_is_chosen_is_ready_and_not_tried(
        tasks in tasks(),
        tried in proptest::collection::vec(1..50_u64, 0..3),
        random in any::<u64>(),
    ) {
        let any = tasks.iter().any(|task| task.ready && !tried.contains(&task.key));
        let eligible = eligible(&tasks, &tried);
        for chosen in [eligible.least_loaded(random), eligible.round_robin(random), eligible.highest_weight(random)] {
            prop_assert_eq!(chosen.is_some(), any);
            prop_assert!(chosen.is_none_or(|task| task.ready && !tried.contains(&task.key)));
        }
    }

    /// Of two or more tasks, the two that are drawn are different: the one with the highest load is never chosen.
    #[test]
    fn two_different_ones_are_drawn(count in 2..9_u64, random in any::<u64>(), worst in 0..9_u64) {
        let worst = worst % count;
        let tasks: Vec<Candidate> = (0..count).map(|key| candidate(key, u32::from(key == worst), false)).collect();
        let chosen = eligible(&tasks, &[]).least_loaded(random).unwrap();
        prop_assert_ne!(chosen.key, worst);
    }

    /// A task that goes moves its own hashes only, whatever the order of the list.
    #[test]
    fn who_stays_keeps_its_hashes(mut tasks in tasks(), gone in any::<prop::sample::Index>(), hash in any::<u64>()) {
        tasks.iter_mut().for_each(|task| task.ready = true);
        prop_assume!(!tasks.is_empty());
        let before = eligible(&tasks, &[]).highest_weight(hash).unwrap().key;
        let gone = tasks.remove(gone.index(tasks.len())).key;
        tasks.reverse();
        let after = eligible(&tasks, &[]).highest_weight(hash).map(|task| task.key);
        if before != gone {
            prop_assert_eq!(after, Some(before));
        }
    }
}
