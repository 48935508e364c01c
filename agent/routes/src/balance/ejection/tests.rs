use super::*;
use proptest::prelude::*;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The keys of the tasks 1 to `count`, all ready, that get requests.
fn ready(ejections: &Ejections, count: u64, now: Duration) -> Vec<u64> {
    let task = |key| Candidate {
        key,
        load: 0,
        local: false,
        ready: true,
    };
    let mut tasks: Vec<Candidate> = (1..=count).map(task).collect();
    ejections.apply(&mut tasks, now);
    tasks
        .iter()
        .filter(|it| it.ready)
        .map(|it| it.key)
        .collect()
}

fn fail(ejections: &mut Ejections, key: u64, times: u32, now: Duration) {
    for _ in 0..times {
        ejections.record(key, Outcome::Failed, now);
    }
}

#[test]
fn three_failures_in_a_row_eject_for_a_second() {
    let mut ejections = Ejections::default();
    fail(&mut ejections, 1, 2, seconds(9));
    ejections.record(1, Outcome::Answered, seconds(9));
    fail(&mut ejections, 1, 2, seconds(10));
    assert_eq!(ready(&ejections, 3, seconds(10)), [1, 2, 3]);
    fail(&mut ejections, 1, 1, seconds(10));
    assert_eq!(ready(&ejections, 3, seconds(10)), [2, 3]);
    assert_eq!(ready(&ejections, 3, Duration::from_millis(10_999)), [2, 3]);
    assert_eq!(ready(&ejections, 3, seconds(11)), [1, 2, 3]);
}

#[test]
fn who_fails_again_is_ejected_for_longer_up_to_30_seconds() {
    let mut ejections = Ejections::default();
    let mut now = seconds(10);
    fail(&mut ejections, 1, 3, now);
    for expected in [1, 2, 4, 8, 16, 30, 30] {
        // Failures of requests that were under way change nothing.
        fail(&mut ejections, 1, 5, now);
        assert_eq!(
            ready(
                &ejections,
                2,
                now + seconds(expected) - Duration::from_millis(1)
            ),
            [2]
        );
        now += seconds(expected);
        assert_eq!(ready(&ejections, 2, now), [1, 2]);
        fail(&mut ejections, 1, 1, now);
    }
}

#[test]
fn who_answers_for_30_seconds_begins_anew() {
    let mut ejections = Ejections::default();
    fail(&mut ejections, 1, 3, seconds(10));
    ejections.record(1, Outcome::Answered, seconds(12));
    fail(&mut ejections, 1, 1, seconds(13));
    assert_eq!(
        ready(&ejections, 2, seconds(14)),
        [2],
        "one failure is enough"
    );
    ejections.record(1, Outcome::Answered, seconds(45));
    fail(&mut ejections, 1, 2, seconds(46));
    assert_eq!(ready(&ejections, 2, seconds(46)), [1, 2]);
}

#[test]
fn never_more_than_half_are_ejected_and_none_if_all_are() {
    let mut ejections = Ejections::default();
    for key in 1..=3 {
        fail(
            &mut ejections,
            key,
            3,
            Duration::from_millis(10_000 + key * 100),
        );
    }
    let now = Duration::from_millis(10_900);
    assert_eq!(
        ready(&ejections, 4, now),
        [1, 4],
        "those that come back last are out"
    );
    assert_eq!(ready(&ejections, 5, now), [1, 4, 5]);
    assert_eq!(ready(&ejections, 3, now), [1, 2, 3]);
    assert_eq!(ready(&ejections, 1, now), [1]);
    ejections.retain(|key| key != 3);
    assert_eq!(ready(&ejections, 4, now), [3, 4]);
}

proptest! {
    #[test]
    fn half_of_the_ready_tasks_always_stay(
        failures in proptest::collection::vec((1..9_u64, any::<bool>(), 0..3000_u64), 0..60),
        count in 1..9_u64,
    ) {
        let (mut ejections, mut now) = (Ejections::default(), seconds(100));
        for (key, failed, passed) in failures {
            now += Duration::from_millis(passed);
            ejections.record(key, if failed { Outcome::Failed } else { Outcome::Answered }, now);
            let left = ready(&ejections, count, now).len() as u64;
            prop_assert!(left * 2 >= count, "{} of {}", left, count);
        }
    }
}
