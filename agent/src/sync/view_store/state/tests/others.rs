//! Limits on reports of other nodes.

use super::*;

#[test]
fn a_node_speaks_only_of_its_own_tasks() {
    let mut state = manager_with(&[("mine", "me"), ("theirs", "far")]);
    for task in ["mine", "theirs"] {
        state.take(Input::Event("far".into(), event(task, EventKind::Die)), NOW);
    }
    assert_eq!(health(&mut state, "mine"), LocalHealth::Ok);
    assert_eq!(health(&mut state, "theirs"), LocalHealth::Dead);
    let task_health = vec![("mine".into(), LocalHealth::Dead)];
    let hello = PeerReport {
        task_health,
        ..PeerReport::default()
    };
    state.take(Input::Hello("far".into(), hello), NOW);
    assert_eq!(health(&mut state, "mine"), LocalHealth::Ok);
    assert!(
        state.own_health().is_empty(),
        "others' events are not passed on"
    );
}

#[test]
fn a_word_about_a_task_without_a_node_counts_only_if_the_speaker_gets_it() {
    for (speaker, health_of_t) in [("evil", LocalHealth::Ok), ("far", LocalHealth::Dead)] {
        let mut state = manager_with(&[("t", "")]);
        state.take(
            Input::Event(speaker.into(), event("t", EventKind::Die)),
            NOW,
        );
        let task_health = vec![("u".into(), LocalHealth::Dead)];
        let hello = PeerReport {
            task_health,
            ..PeerReport::default()
        };
        state.take(Input::Hello(speaker.into(), hello), NOW);
        assert_eq!(health(&mut state, "t"), LocalHealth::Ok, "it has no node");
        let placed = view(&[("t", "far"), ("u", "far")]);
        state.take(Input::Engine(EngineUpdate::View(placed)), NOW);
        assert_eq!(health(&mut state, "t"), health_of_t, "{speaker}");
        assert_eq!(health(&mut state, "u"), health_of_t, "{speaker}");
    }
}

#[test]
fn another_node_does_not_end_the_wait_for_a_tasks_own() {
    let mut state = manager_with(&[]);
    let pending = view(&[("t", "")]);
    state.take(Input::Engine(EngineUpdate::View(pending)), NOW);
    state.take(
        Input::Event("evil".into(), event("t", EventKind::Ready)),
        NOW,
    );
    let placed = view(&[("t", "far")]);
    state.take(Input::Engine(EngineUpdate::View(placed)), NOW);
    state.take(
        Input::Event("evil".into(), event("t", EventKind::Ready)),
        NOW,
    );
    let view = state.view(NOW).unwrap();
    assert!(!view.snapshot.eligible(&view.snapshot.tasks[&"t".into()]));
}

#[test]
fn a_word_of_a_nodes_own_tasks_has_the_lists_read_again_and_others_do_not() {
    let mut state = manager_with(&[("mine", "me"), ("theirs", "far")]);
    let mut resyncs = |task: &str| {
        state.take(
            Input::Event("far".into(), event(task, EventKind::Start)),
            NOW,
        );
        state.take_resync()
    };
    assert!(!resyncs("mine"));
    assert!(resyncs("theirs") && resyncs("new"));
}

#[test]
fn a_node_that_never_stops_talking_has_the_lists_read_now_and_then() {
    let mut state = manager_with(&[("t", "far")]);
    let mut read = 0;
    for number in 0..30_000_u64 {
        let now = NOW + Duration::from_millis(number);
        let started = event("t", EventKind::Start);
        for word in [
            Input::Event("far".into(), started),
            Input::Hello("far".into(), PeerReport::default()),
        ] {
            state.take(word, now);
            read += u32::from(state.take_resync());
        }
    }
    assert!((20..=26).contains(&read), "{read} in 30 s");
}

#[test]
fn what_the_engine_said_before_this_node_knew_its_name_is_of_its_own_tasks() {
    let mut state = State::default();
    state.take(
        Input::Local(LocalUpdate::Event(event("t", EventKind::Unhealthy))),
        NOW,
    );
    state.info(info("me", true));
    state.take(Input::Engine(EngineUpdate::View(view(&[("t", "me")]))), NOW);
    assert_eq!(health(&mut state, "t"), LocalHealth::Unhealthy);
    assert_eq!(*state.own_health(), [("t".into(), LocalHealth::Unhealthy)]);
}
