mod kept;

use super::*;
use crate::model::snapshot::TaskState;
use crate::testing::SnapshotBuilder;
use proptest::prelude::*;

fn event(task: &str, kind: EventKind) -> LocalEvent {
    LocalEvent {
        task: task.into(),
        kind,
    }
}

fn view(tasks: &[&str]) -> Snapshot {
    let tasks = tasks.iter().map(|id| (*id, "n"));
    SnapshotBuilder::new().tasks("s", tasks).build()
}

/// Its node tells it.
fn note(overlay: &mut Overlay, task: &str, kind: EventKind, now: Duration) -> bool {
    overlay.note(&view(&[task]), &"n".into(), &event(task, kind), now)
}

fn health_after(events: &[(EventKind, u64)], at: u64) -> LocalHealth {
    let mut overlay = Overlay::default();
    for (kind, second) in events {
        note(&mut overlay, "t", *kind, Duration::from_secs(*second));
    }
    let mut snapshot = view(&["t"]);
    overlay.apply(&mut snapshot, Duration::from_secs(at));
    snapshot.tasks[&"t".into()].health
}

#[test]
fn a_kill_counts_for_a_while_and_a_death_for_good() {
    assert_eq!(
        health_after(&[(EventKind::Kill, 0)], 29),
        LocalHealth::Stopping
    );
    assert_eq!(health_after(&[(EventKind::Kill, 0)], 30), LocalHealth::Ok);
    assert_eq!(
        health_after(&[(EventKind::Die, 0)], 1000),
        LocalHealth::Dead
    );
    assert_eq!(
        health_after(&[(EventKind::Die, 0), (EventKind::Start, 1)], 2),
        LocalHealth::Dead
    );
}

#[test]
fn health_comes_and_goes() {
    use EventKind::{Healthy, Kill, Unhealthy};
    assert_eq!(
        health_after(&[(Unhealthy, 0)], 1000),
        LocalHealth::Unhealthy
    );
    assert_eq!(
        health_after(&[(Unhealthy, 0), (Healthy, 5)], 6),
        LocalHealth::Ok
    );
    // A program that is being stopped may well pass one more check.
    assert_eq!(
        health_after(&[(Kill, 0), (Healthy, 1)], 2),
        LocalHealth::Stopping
    );
}

#[test]
fn a_second_kill_counts_for_as_long_as_the_first_one_and_is_no_news() {
    let twice = [(EventKind::Kill, 0), (EventKind::Kill, 25)];
    for (at, health) in [
        (31, LocalHealth::Stopping),
        (54, LocalHealth::Stopping),
        (55, LocalHealth::Ok),
    ] {
        assert_eq!(health_after(&twice, at), health, "after {at} s");
    }
    let mut overlay = Overlay::default();
    for (second, news) in [(0, true), (25, false)] {
        let at = Duration::from_secs(second);
        assert_eq!(note(&mut overlay, "t", EventKind::Kill, at), news);
    }
    let told = overlay.expire(&view(&["t"]), Duration::from_secs(31));
    assert!(!told, "nothing is over");
}

#[test]
fn what_health_checks_say_of_a_task_that_is_sent_a_signal_counts_once_it_has_survived_that() {
    use EventKind::{Healthy, Kill, Unhealthy};
    for (events, health) in [
        ([(Kill, 0), (Unhealthy, 1)], LocalHealth::Unhealthy),
        ([(Unhealthy, 0), (Kill, 0)], LocalHealth::Unhealthy),
        ([(Kill, 0), (Healthy, 1)], LocalHealth::Ok),
    ] {
        assert_eq!(health_after(&events, 29), LocalHealth::Stopping);
        assert_eq!(health_after(&events, 30), health, "{events:?}");
    }
    let back = [(Unhealthy, 0), (Kill, 1), (Healthy, 2)];
    assert_eq!(health_after(&back, 31), LocalHealth::Ok);
    // The end of the kill is news, and what counts then stays.
    let mut overlay = Overlay::default();
    note(&mut overlay, "t", Kill, Duration::ZERO);
    assert!(!note(&mut overlay, "t", Unhealthy, Duration::ZERO));
    let listed = view(&["t"]);
    assert!(overlay.expire(&listed, KILL_COUNTS_FOR));
    assert!(!overlay.expire(&listed, KILL_COUNTS_FOR * 2));
    let said: Vec<LocalHealth> = overlay.task_health().map(|(_, health)| health).collect();
    assert_eq!(said, [LocalHealth::Unhealthy]);
}

#[test]
fn a_task_that_is_up_is_so_until_the_swarm_says_it_or_something_ends_it() {
    use EventKind::{Die, Healthy, Kill, Ready, Start, Unhealthy};
    let health = |state, events: &[EventKind]| {
        let mut overlay = Overlay::default();
        for kind in events {
            note(&mut overlay, "t", *kind, Duration::ZERO);
        }
        let mut snapshot = view(&["t"]);
        for task in snapshot.tasks.values_mut() {
            task.state = state;
        }
        overlay.apply(&mut snapshot, Duration::from_secs(1));
        (
            snapshot.tasks[&"t".into()].health,
            overlay.task_health().count(),
        )
    };
    for state in [TaskState::Pending, TaskState::Starting] {
        assert_eq!(health(state, &[Start, Ready]), (LocalHealth::Ready, 1));
        assert_eq!(
            health(state, &[Ready, Healthy, Start]),
            (LocalHealth::Ready, 1)
        );
        assert_eq!(
            health(state, &[Ready, Unhealthy]),
            (LocalHealth::Unhealthy, 1)
        );
        assert_eq!(
            health(state, &[Ready, Kill, Ready]),
            (LocalHealth::Stopping, 1)
        );
        assert_eq!(health(state, &[Ready, Die, Ready]), (LocalHealth::Dead, 1));
    }
    for state in [TaskState::Running, TaskState::Ended, TaskState::Unknown] {
        assert_eq!(
            health(state, &[Ready]),
            (LocalHealth::Ok, 0),
            "nothing to keep"
        );
    }
}

#[test]
fn a_death_announced_before_the_task_is_listed_is_kept_for_it() {
    let mut overlay = Overlay::default();
    let died = event("t", EventKind::Die);
    overlay.note(&view(&[]), &"n".into(), &died, Duration::ZERO);
    overlay.apply(&mut view(&[]), Duration::from_secs(29));
    assert_eq!(overlay.task_health().count(), 1);
    overlay.apply(&mut view(&[]), Duration::from_secs(30));
    assert_eq!(overlay.task_health().count(), 0);
}

#[test]
fn a_sign_that_the_sender_gave_stays_where_nothing_else_is_known() {
    let mut snapshot = view(&["far", "own"]);
    for task in snapshot.tasks.values_mut() {
        task.health = LocalHealth::Unhealthy;
    }
    let mut overlay = Overlay::default();
    note(&mut overlay, "own", EventKind::Unhealthy, Duration::ZERO);
    note(&mut overlay, "own", EventKind::Healthy, Duration::ZERO);
    overlay.apply(&mut snapshot, Duration::ZERO);
    assert_eq!(snapshot.tasks[&"far".into()].health, LocalHealth::Unhealthy);
    assert_eq!(snapshot.tasks[&"own".into()].health, LocalHealth::Ok);
}

#[test]
fn signs_make_up_for_missed_events() {
    let mut sender = Overlay::default();
    for (task, kind) in [
        ("a", EventKind::Unhealthy),
        ("b", EventKind::Die),
        ("c", EventKind::Unhealthy),
        ("c", EventKind::Healthy),
    ] {
        note(&mut sender, task, kind, Duration::ZERO);
    }
    let mut receiver = Overlay::default();
    note(&mut receiver, "c", EventKind::Unhealthy, Duration::ZERO);
    let mut snapshot = view(&["a", "b", "c"]);
    for (task, health) in sender.task_health() {
        receiver.adopt(&snapshot, &"n".into(), task, health, Duration::ZERO);
    }
    receiver.apply(&mut snapshot, Duration::ZERO);
    let task_health: Vec<LocalHealth> = snapshot.tasks.values().map(|task| task.health).collect();
    assert_eq!(
        task_health,
        [LocalHealth::Unhealthy, LocalHealth::Dead, LocalHealth::Ok]
    );
}

#[test]
fn what_is_said_before_a_task_has_a_node_counts_only_if_it_becomes_the_speakers() {
    let mut pending = view(&["t"]);
    pending.tasks.get_mut(&"t".into()).unwrap().node = NodeId::default();
    for unlisted in [true, false] {
        for speaker in ["n", "evil"] {
            let before = if unlisted { view(&[]) } else { pending.clone() };
            let mut overlay = Overlay::default();
            let died = event("t", EventKind::Die);
            overlay.note(&before, &speaker.into(), &died, Duration::ZERO);
            overlay.apply(&mut before.clone(), Duration::ZERO);
            let mut after = view(&["t"]);
            overlay.apply(&mut after, Duration::from_secs(1));
            let expected = if speaker == "n" {
                LocalHealth::Dead
            } else {
                LocalHealth::Ok
            };
            assert_eq!(after.tasks[&"t".into()].health, expected, "{speaker}");
            // And the word of the node that has it counts, whatever was said before.
            note(&mut overlay, "t", EventKind::Kill, Duration::from_secs(1));
            overlay.apply(&mut after, Duration::from_secs(1));
            assert_ne!(after.tasks[&"t".into()].health, LocalHealth::Ok);
        }
    }
}

#[test]
fn a_node_speaks_of_few_tasks_that_are_not_its_own() {
    let mut overlay = Overlay::default();
    let say = |overlay: &mut Overlay, node: &str, number: usize, now| {
        let died = event(&format!("t{number}"), EventKind::Die);
        overlay.note(&view(&["own"]), &node.into(), &died, now)
    };
    let taken = (0..10_000).filter(|number| say(&mut overlay, "evil", *number, Duration::ZERO));
    assert_eq!(taken.count(), EARLY);
    assert!(
        say(&mut overlay, "other", 1, Duration::ZERO),
        "each has its own share"
    );
    assert!(note(&mut overlay, "own", EventKind::Die, Duration::ZERO));
    overlay.expire(&view(&["own"]), KILL_COUNTS_FOR);
    assert_eq!(overlay.task_health().count(), 1);
    assert!(say(&mut overlay, "evil", 1, KILL_COUNTS_FOR));
}

fn kinds() -> impl Strategy<Value = EventKind> {
    prop_oneof![
        Just(EventKind::Start),
        Just(EventKind::Ready),
        Just(EventKind::Kill),
        Just(EventKind::Die),
        Just(EventKind::Healthy),
        Just(EventKind::Unhealthy),
    ]
}

#[test]
fn no_sign_revives_the_dead() {
    // A session that begins anew tells task_health, and one that was under way may be older than the death.
    for health in [
        LocalHealth::Ok,
        LocalHealth::Ready,
        LocalHealth::Unhealthy,
        LocalHealth::Stopping,
    ] {
        let mut overlay = Overlay::default();
        note(&mut overlay, "t", EventKind::Die, Duration::ZERO);
        let mut snapshot = view(&["t"]);
        let told = overlay.adopt(&snapshot, &"n".into(), &"t".into(), health, Duration::ZERO);
        assert!(!told, "{health:?} is news");
        overlay.apply(&mut snapshot, Duration::ZERO);
        assert_eq!(
            snapshot.tasks[&"t".into()].health,
            LocalHealth::Dead,
            "{health:?}"
        );
    }
}

proptest! {
    #[test]
    fn an_event_twice_is_an_event_once(events in prop::collection::vec((kinds(), 0_u64..5), 0..20)) {
        let twice: Vec<_> = events.iter().flat_map(|e| [*e, *e]).collect();
        prop_assert_eq!(health_after(&events, 5), health_after(&twice, 5));
    }

    #[test]
    fn only_what_is_listed_is_touched(events in prop::collection::vec(kinds(), 0..20)) {
        let mut overlay = Overlay::default();
        for kind in events {
            note(&mut overlay, "other", kind, Duration::ZERO);
        }
        let mut snapshot = view(&["t"]);
        let before = snapshot.clone();
        overlay.apply(&mut snapshot, Duration::ZERO);
        prop_assert_eq!(snapshot, before);
    }

    #[test]
    fn dead_is_final(before in prop::collection::vec(kinds(), 0..10), after in prop::collection::vec(kinds(), 0..10)) {
        let mut events: Vec<_> = before.into_iter().map(|kind| (kind, 0)).collect();
        events.push((EventKind::Die, 0));
        events.extend(after.into_iter().map(|kind| (kind, 0)));
        prop_assert_eq!(health_after(&events, 40), LocalHealth::Dead);
    }
}
