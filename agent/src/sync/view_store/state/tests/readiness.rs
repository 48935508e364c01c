//! Tasks that must be ready before they get connections.

use super::*;

/// Tasks that may get connections, by the current view.
fn takes(state: &State) -> Vec<String> {
    let snapshot = &state.published.snapshot;
    let tasks = snapshot.tasks.iter();
    tasks
        .filter(|(_, task)| snapshot.eligible(task))
        .map(|(id, _)| id.to_string())
        .collect()
}

#[test]
fn a_task_that_begins_to_run_gets_nothing_before_its_node_has_spoken() {
    let lists = |tasks: &[(&str, &str)]| Input::Engine(EngineUpdate::View(view(tasks)));
    let mut state = manager_with(&[("old", "far")]);
    assert_eq!(takes(&state), ["old"], "who ran before");
    let both = [("new", "far"), ("old", "far")];
    state.take(lists(&both), NOW);
    state.view(NOW).unwrap();
    assert_eq!(takes(&state), ["old"]);
    state.take(
        Input::Event("far".into(), event("new", EventKind::Start)),
        NOW,
    );
    state.take(lists(&both), NOW);
    state.view(NOW);
    assert_eq!(takes(&state), ["old"]);
    state.take(
        Input::Event("far".into(), event("new", EventKind::Ready)),
        NOW,
    );
    state.view(NOW).unwrap();
    assert_eq!(takes(&state), ["new", "old"]);
    // The Swarm's lists come after it, and change nothing.
    state.take(lists(&both), NOW);
    assert!(state.view(NOW).is_none());
}

#[test]
fn who_was_up_before_the_swarm_said_so_stays_up() {
    let mut state = manager_with(&[]);
    let lists = |task_state| {
        let mut view = view(&[("new", "far")]);
        view.tasks.get_mut(&"new".into()).unwrap().state = task_state;
        Input::Engine(EngineUpdate::View(view))
    };
    state.take(lists(TaskState::Pending), NOW);
    state.view(NOW).unwrap();
    assert!(takes(&state).is_empty());
    state.take(
        Input::Event("far".into(), event("new", EventKind::Ready)),
        NOW,
    );
    state.view(NOW).unwrap();
    assert_eq!(takes(&state), ["new"]);
    let later = NOW + Duration::from_secs(60);
    state.take(lists(TaskState::Running), later);
    state.view(later).unwrap();
    assert_eq!(takes(&state), ["new"]);
}

#[test]
fn who_hears_only_later_that_a_task_is_up_need_not_wait_either() {
    let mut state = manager_with(&[]);
    let lists = view(&[("new", "far")]);
    state.take(Input::Engine(EngineUpdate::View(lists)), NOW);
    state.view(NOW).unwrap();
    let told = PeerReport {
        task_health: vec![("new".into(), LocalHealth::Ready)],
        ..PeerReport::default()
    };
    state.take(Input::Hello("far".into(), told), NOW);
    state.view(NOW).unwrap();
    assert_eq!(takes(&state), ["new"]);
}

#[test]
fn a_node_that_says_nothing_is_not_waited_for_for_long() {
    let mut state = manager_with(&[]);
    state.take(
        Input::Engine(EngineUpdate::View(view(&[("new", "far")]))),
        NOW,
    );
    state.view(NOW).unwrap();
    assert!(takes(&state).is_empty());
    let later = NOW + Duration::from_millis(900);
    state.view(later);
    assert!(takes(&state).is_empty());
    let later = NOW + Duration::from_secs(1);
    state.view(later).unwrap();
    assert_eq!(takes(&state), ["new"]);
}
