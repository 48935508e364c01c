use super::*;
use crate::snapshot::{DesiredState, Task, TaskState};
use proptest::prelude::*;

fn event(task: &str, kind: EventKind) -> LocalEvent {
    LocalEvent {
        task: task.into(),
        kind,
    }
}

fn view(tasks: &[&str]) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for id in tasks {
        snapshot.tasks.insert(
            (*id).into(),
            Task {
                service: "s".into(),
                node: "n".into(),
                slot: 1,
                state: TaskState::Running,
                desired: DesiredState::Running,
                container: None,
                host_ports: Vec::new(),
                sign: Sign::Fine,
            },
        );
    }
    snapshot
}

fn sign_after(events: &[(EventKind, u64)], at: u64) -> Sign {
    let mut overlay = Overlay::default();
    for (kind, second) in events {
        overlay.note(&event("t", *kind), Duration::from_secs(*second));
    }
    let mut snapshot = view(&["t"]);
    overlay.apply(&mut snapshot, Duration::from_secs(at));
    snapshot.tasks[&"t".into()].sign
}

#[test]
fn a_kill_counts_for_a_while_and_a_death_for_good() {
    assert_eq!(sign_after(&[(EventKind::Kill, 0)], 29), Sign::Stopping);
    assert_eq!(sign_after(&[(EventKind::Kill, 0)], 30), Sign::Fine);
    assert_eq!(sign_after(&[(EventKind::Die, 0)], 1000), Sign::Dead);
    assert_eq!(
        sign_after(&[(EventKind::Die, 0), (EventKind::Start, 1)], 2),
        Sign::Dead
    );
}

#[test]
fn health_comes_and_goes() {
    use EventKind::{Healthy, Kill, Unhealthy};
    assert_eq!(sign_after(&[(Unhealthy, 0)], 1000), Sign::Unhealthy);
    assert_eq!(sign_after(&[(Unhealthy, 0), (Healthy, 5)], 6), Sign::Fine);
    // A program that is being stopped may well pass one more check.
    assert_eq!(sign_after(&[(Kill, 0), (Healthy, 1)], 2), Sign::Stopping);
}

#[test]
fn a_task_that_is_up_is_so_until_the_swarm_says_it_or_something_ends_it() {
    use EventKind::{Die, Healthy, Kill, Start, Unhealthy, Up};
    let sign = |state, events: &[EventKind]| {
        let mut overlay = Overlay::default();
        for kind in events {
            overlay.note(&event("t", *kind), Duration::ZERO);
        }
        let mut snapshot = view(&["t"]);
        for task in snapshot.tasks.values_mut() {
            task.state = state;
        }
        overlay.apply(&mut snapshot, Duration::from_secs(1));
        (snapshot.tasks[&"t".into()].sign, overlay.signs().count())
    };
    for state in [TaskState::Pending, TaskState::Starting] {
        assert_eq!(sign(state, &[Start, Up]), (Sign::Up, 1));
        assert_eq!(sign(state, &[Up, Healthy, Start]), (Sign::Up, 1));
        assert_eq!(sign(state, &[Up, Unhealthy]), (Sign::Unhealthy, 1));
        assert_eq!(sign(state, &[Up, Kill, Up]), (Sign::Stopping, 1));
        assert_eq!(sign(state, &[Up, Die, Up]), (Sign::Dead, 1));
    }
    for state in [TaskState::Running, TaskState::Ended, TaskState::Unknown] {
        assert_eq!(sign(state, &[Up]), (Sign::Fine, 0), "nothing to keep");
    }
}

#[test]
fn a_death_announced_before_the_task_is_listed_is_kept_for_it() {
    let mut overlay = Overlay::default();
    overlay.note(&event("t", EventKind::Die), Duration::ZERO);
    overlay.apply(&mut view(&[]), Duration::from_secs(29));
    assert_eq!(overlay.signs().count(), 1);
    overlay.apply(&mut view(&[]), Duration::from_secs(30));
    assert_eq!(overlay.signs().count(), 0);
}

#[test]
fn a_sign_that_the_sender_gave_stays_where_nothing_else_is_known() {
    let mut snapshot = view(&["far", "own"]);
    for task in snapshot.tasks.values_mut() {
        task.sign = Sign::Unhealthy;
    }
    let mut overlay = Overlay::default();
    overlay.note(&event("own", EventKind::Unhealthy), Duration::ZERO);
    overlay.note(&event("own", EventKind::Healthy), Duration::ZERO);
    overlay.apply(&mut snapshot, Duration::ZERO);
    assert_eq!(snapshot.tasks[&"far".into()].sign, Sign::Unhealthy);
    assert_eq!(snapshot.tasks[&"own".into()].sign, Sign::Fine);
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
        sender.note(&event(task, kind), Duration::ZERO);
    }
    let mut receiver = Overlay::default();
    receiver.note(&event("c", EventKind::Unhealthy), Duration::ZERO);
    for (task, sign) in sender.signs() {
        receiver.adopt(task, sign, Duration::ZERO);
    }
    let mut snapshot = view(&["a", "b", "c"]);
    receiver.apply(&mut snapshot, Duration::ZERO);
    let signs: Vec<Sign> = snapshot.tasks.values().map(|task| task.sign).collect();
    assert_eq!(signs, [Sign::Unhealthy, Sign::Dead, Sign::Fine]);
}

fn kinds() -> impl Strategy<Value = EventKind> {
    prop_oneof![
        Just(EventKind::Start),
        Just(EventKind::Up),
        Just(EventKind::Kill),
        Just(EventKind::Die),
        Just(EventKind::Healthy),
        Just(EventKind::Unhealthy),
    ]
}

proptest! {
    #[test]
    fn an_event_twice_is_an_event_once(events in prop::collection::vec((kinds(), 0_u64..5), 0..20)) {
        let twice: Vec<_> = events.iter().flat_map(|e| [*e, *e]).collect();
        prop_assert_eq!(sign_after(&events, 5), sign_after(&twice, 5));
    }

    #[test]
    fn only_what_is_listed_is_touched(events in prop::collection::vec(kinds(), 0..20)) {
        let mut overlay = Overlay::default();
        for kind in events {
            overlay.note(&event("other", kind), Duration::ZERO);
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
        prop_assert_eq!(sign_after(&events, 40), Sign::Dead);
    }
}
