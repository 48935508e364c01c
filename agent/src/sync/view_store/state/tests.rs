mod others;
mod peer_reports;
mod readiness;

use super::*;
use lb_core::model::snapshot::{Service, TaskState};
use lb_core::testing::{SnapshotBuilder, member};
use lb_core::view::overlay::EventKind;

const NOW: Duration = Duration::from_secs(100);

fn info(id: &str, manager: bool) -> Arc<Info> {
    Arc::new(Info {
        id: id.into(),
        member: true,
        manager,
        address: Some(Ipv4Addr::new(10, 0, 0, 9)),
        ..Info::default()
    })
}

fn view(tasks: &[(&str, &str)]) -> Snapshot {
    SnapshotBuilder::new()
        .service("s", Service::default())
        .node("me", member("h", None))
        .node("far", member("h", None))
        .tasks("s", tasks.iter().copied())
        .build()
}

fn manager_with(tasks: &[(&str, &str)]) -> State {
    let mut state = State::default();
    state.info(info("me", true));
    state.take(Input::Engine(EngineUpdate::View(view(tasks))), NOW);
    state.view(NOW).unwrap();
    state
}

fn event(task: &str, kind: EventKind) -> LocalEvent {
    LocalEvent {
        task: task.into(),
        kind,
    }
}

fn health(state: &mut State, task: &str) -> LocalHealth {
    state.view(NOW);
    state.published.snapshot.tasks[&task.into()].health
}

fn upstream(from: &str, revision: u64, view: Snapshot) -> Input {
    let version = SnapshotVersion { epoch: 1, revision };
    Input::Upstream(from.into(), version, view)
}

#[test]
fn an_own_event_takes_effect_before_anyone_else_is_asked() {
    for manager in [true, false] {
        let mut state = State::default();
        state.info(info("me", manager));
        state.follow(Some("m".into()));
        state.take(Input::Engine(EngineUpdate::View(view(&[("t", "me")]))), NOW);
        state.take(upstream("m", 1, view(&[("t", "me")])), NOW);
        let told = state.take(
            Input::Local(LocalUpdate::Event(event("t", EventKind::Kill))),
            NOW,
        );
        assert_eq!(told, Some(event("t", EventKind::Kill)), "passed on");
        assert_eq!(health(&mut state, "t"), LocalHealth::Stopping);
        assert_eq!(*state.own_health(), [("t".into(), LocalHealth::Stopping)]);
    }
}

#[test]
fn trouble_removes_nothing() {
    let mut state = manager_with(&[("t", "me")]);
    state.take(
        Input::Engine(EngineUpdate::Trouble("no leader".into())),
        NOW,
    );
    let after = state.view(NOW).unwrap();
    assert!(!after.fresh);
    assert_eq!(after.revision, 1, "the view itself is the same");
    assert_eq!(after.snapshot.tasks.len(), 1);
    let source = state.source(&BTreeMap::new(), 6081, None);
    assert_eq!(
        (source.connected, source.message.as_deref()),
        (false, Some("no leader"))
    );
    state.take(Input::Engine(EngineUpdate::View(view(&[("t", "me")]))), NOW);
    assert!(state.view(NOW).unwrap().fresh);
    assert!(state.source(&BTreeMap::new(), 6081, None).connected);
}

#[test]
fn a_change_of_role_keeps_the_view() {
    let mut state = manager_with(&[("t", "me")]);
    state.info(info("me", false));
    assert_eq!(state.view(NOW).unwrap().snapshot.tasks.len(), 1);
    // A list that was under way during the demotion.
    state.take(Input::Engine(EngineUpdate::View(Snapshot::default())), NOW);
    assert!(state.view(NOW).is_none());
    state.follow(Some("m".into()));
    state.take(upstream("m", 1, view(&[("t", "me"), ("u", "far")])), NOW);
    assert_eq!(state.view(NOW).unwrap().snapshot.tasks.len(), 2);
    state.info(info("me", true));
    // What other managers say is complete and newer, but a manager asks its own engine.
    let others = view(&[("u", "far"), ("v", "far"), ("w", "far")]);
    state.take(upstream("m", 2, others), NOW);
    state.view(NOW);
    assert_eq!(state.published.snapshot.tasks.len(), 2);
    state.take(
        Input::Engine(EngineUpdate::View(view(&[("u", "far")]))),
        NOW,
    );
    assert_eq!(state.view(NOW).unwrap().snapshot.tasks.len(), 1);
}

#[test]
fn only_the_chosen_source_counts_and_only_news() {
    let mut state = State::default();
    state.info(info("me", false));
    state.take(upstream("a", 1, view(&[("t", "me")])), NOW);
    assert!(state.published.snapshot.tasks.is_empty());
    state.follow(Some("a".into()));
    state.take(upstream("a", 5, view(&[("t", "me")])), NOW);
    state.take(upstream("a", 4, view(&[])), NOW);
    state.take(upstream("b", 9, view(&[])), NOW);
    assert_eq!(state.view(NOW).unwrap().snapshot.tasks.len(), 1);
}

#[test]
fn a_removed_service_stays_while_it_has_tasks() {
    let mut state = manager_with(&[("t", "me")]);
    let mut removed = view(&[("t", "me")]);
    removed.services.clear();
    state.take(Input::Engine(EngineUpdate::View(removed)), NOW);
    assert!(state.view(NOW).unwrap().snapshot.services[&"s".into()].removed);
    let mut gone = view(&[]);
    gone.services.clear();
    state.take(Input::Engine(EngineUpdate::View(gone)), NOW);
    assert!(state.view(NOW).unwrap().snapshot.services.is_empty());
}

#[test]
fn addresses_that_the_swarm_does_not_know_come_from_the_nodes() {
    let mut state = manager_with(&[]);
    let told = Some(Ipv4Addr::new(10, 0, 0, 7));
    let hello = PeerReport {
        address: told,
        ..PeerReport::default()
    };
    state.take(Input::Hello("far".into(), hello), NOW);
    let view = state.view(NOW).unwrap();
    assert_eq!(view.snapshot.nodes[&"far".into()].address, told);
    assert_eq!(
        view.snapshot.nodes[&"me".into()].address,
        Some(Ipv4Addr::new(10, 0, 0, 9))
    );
}

#[test]
fn a_survived_kill_is_forgotten_without_news_from_anywhere() {
    let mut state = manager_with(&[("t", "me")]);
    state.take(
        Input::Local(LocalUpdate::Event(event("t", EventKind::Kill))),
        NOW,
    );
    assert_eq!(health(&mut state, "t"), LocalHealth::Stopping);
    let later = state
        .view(NOW + lb_core::view::overlay::KILL_COUNTS_FOR)
        .unwrap();
    assert_eq!(later.snapshot.tasks[&"t".into()].health, LocalHealth::Ok);
    assert!(state.own_health().is_empty());
}

#[test]
fn a_view_is_encoded_once_and_truly() {
    let state = manager_with(&[("t", "me")]);
    let view = &state.published;
    assert_eq!(view.encoded().as_ptr(), view.encoded().as_ptr());
    assert_eq!(lb_wire::decode(view.encoded()).unwrap(), *view.snapshot);
}

#[test]
fn a_worker_without_a_source_says_why() {
    let mut state = State::default();
    state.info(info("me", false));
    let says = |state: &State, identity| {
        state
            .source(&BTreeMap::new(), 6081, identity)
            .message
            .unwrap()
    };
    assert!(says(&state, None).contains("must run on every manager"));
    assert_eq!(says(&state, Some("no certificate")), "no certificate");
    let outside = Info {
        message: Some("a member of no Swarm".into()),
        ..Info::default()
    };
    state.info(Arc::new(outside));
    assert_eq!(says(&state, Some("no certificate")), "a member of no Swarm");
}
