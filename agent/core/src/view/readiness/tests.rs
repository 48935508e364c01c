use super::*;
use crate::testing::{SnapshotBuilder, task};

const NOW: Duration = Duration::from_secs(100);

/// A complete view of one task in this state, or of none.
fn view(state: Option<TaskState>) -> Snapshot {
    let view = SnapshotBuilder::new();
    let view = match state {
        Some(state) => view.task(
            "t",
            Task {
                state,
                ..task("s", "n")
            },
        ),
        None => view,
    };
    view.build()
}

/// What becomes of the task, in the view that has it running, so long after that came.
fn state(readiness: &mut ReadinessGate, later: Duration) -> TaskState {
    readiness.expire(NOW + later);
    let mut view = view(Some(TaskState::Running));
    readiness.apply(&mut view);
    view.tasks[&"t".into()].state
}

/// After the second view followed the first one.
fn after(before: &Snapshot, next: &Snapshot, up: bool) -> ReadinessGate {
    let mut readiness = ReadinessGate::default();
    readiness.note(before, next, |_, _| up, NOW);
    readiness
}

#[test]
fn a_task_that_begins_to_run_is_starting_until_its_node_speaks_or_a_second_has_passed() {
    let runs = view(Some(TaskState::Running));
    for before in [None, Some(TaskState::Pending), Some(TaskState::Starting)] {
        let mut readiness = after(&view(before), &runs, false);
        assert_eq!(state(&mut readiness, Duration::ZERO), TaskState::Starting);
        let later = Duration::from_millis(999);
        assert_eq!(state(&mut readiness, later), TaskState::Starting);
        // Swarm stops the task before it after 2 s: by then this one has to take connections.
        let later = Duration::from_secs(1);
        assert_eq!(state(&mut readiness, later), TaskState::Running);
        let mut readiness = after(&view(before), &runs, false);
        assert!(readiness.end(&"t".into()));
        assert_eq!(state(&mut readiness, Duration::ZERO), TaskState::Running);
        let mut readiness = after(&view(before), &runs, true);
        assert_eq!(state(&mut readiness, Duration::ZERO), TaskState::Running);
    }
}

#[test]
fn what_ran_before_is_not_waited_for() {
    let runs = view(Some(TaskState::Running));
    // An agent that starts has seen nothing yet: what it finds ran before.
    for before in [runs.clone(), Snapshot::default()] {
        let mut readiness = after(&before, &runs, false);
        assert_eq!(state(&mut readiness, Duration::ZERO), TaskState::Running);
    }
}

#[test]
fn the_end_of_waiting_is_told_once() {
    let mut readiness = after(&view(None), &view(Some(TaskState::Running)), false);
    assert!(!readiness.expire(NOW));
    assert!(readiness.expire(NOW + READY_TIMEOUT));
    assert!(!readiness.expire(NOW + READY_TIMEOUT));
    assert!(!readiness.end(&"t".into()));
}
