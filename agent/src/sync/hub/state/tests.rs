mod arrivals;

use super::*;
use crate::sync::wire;
use lb_core::overlay::EventKind;
use lb_core::snapshot::{DesiredState, NodeState, Service, SwarmNode, Task, TaskState};

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
    let node = |address| SwarmNode {
        hostname: "h".into(),
        address,
        state: NodeState::Ready,
        manager: false,
        draining: false,
        datapath: None,
    };
    let mut snapshot = Snapshot {
        complete: true,
        ..Snapshot::default()
    };
    snapshot.services.insert("s".into(), Service::default());
    snapshot.nodes.insert("me".into(), node(None));
    snapshot.nodes.insert("far".into(), node(None));
    for (id, node) in tasks {
        let task = Task {
            service: "s".into(),
            node: (*node).into(),
            slot: 1,
            state: TaskState::Running,
            desired: DesiredState::Running,
            container: None,
            host_ports: Vec::new(),
            sign: Sign::Fine,
        };
        snapshot.tasks.insert((*id).into(), task);
    }
    snapshot
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

fn sign(state: &mut State, task: &str) -> Sign {
    state.view(NOW);
    state.published.snapshot.tasks[&task.into()].sign
}

fn upstream(from: &str, revision: u64, view: Snapshot) -> Input {
    let stamp = Stamp { epoch: 1, revision };
    Input::Upstream(from.into(), stamp, view)
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
        assert_eq!(sign(&mut state, "t"), Sign::Stopping);
        assert_eq!(*state.own_signs(), [("t".into(), Sign::Stopping)]);
    }
}

#[test]
fn a_node_speaks_only_of_its_own_tasks() {
    let mut state = manager_with(&[("mine", "me"), ("theirs", "far")]);
    for task in ["mine", "theirs"] {
        state.take(Input::Event("far".into(), event(task, EventKind::Die)), NOW);
    }
    assert_eq!(sign(&mut state, "mine"), Sign::Fine);
    assert_eq!(sign(&mut state, "theirs"), Sign::Dead);
    let signs = vec![("mine".into(), Sign::Dead)];
    let hello = Told {
        signs,
        ..Told::default()
    };
    state.take(Input::Hello("far".into(), hello), NOW);
    assert_eq!(sign(&mut state, "mine"), Sign::Fine);
    assert!(
        state.own_signs().is_empty(),
        "others' events are not passed on"
    );
}

#[test]
fn every_word_of_another_agent_has_the_lists_read_again() {
    let mut state = manager_with(&[]);
    state.take(
        Input::Event("far".into(), event("new", EventKind::Start)),
        NOW,
    );
    assert!(state.take_nudge());
    assert!(!state.take_nudge());
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
        (source.connected, source.sentence.as_deref()),
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
    state.take(upstream("m", 2, Snapshot::default()), NOW);
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
    let hello = Told {
        address: told,
        ..Told::default()
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
fn by_what_nodes_serve_is_known_of_those_that_said_so() {
    let mut state = manager_with(&[]);
    let hello = Told {
        datapath: Some("ipvs".into()),
        ..Told::default()
    };
    state.take(Input::Hello("far".into(), hello), NOW);
    state.serving("");
    let by = |state: &mut State, node: &str| {
        let nodes = &state.view(NOW).unwrap().snapshot.nodes;
        nodes[&node.into()].datapath.clone()
    };
    assert_eq!(by(&mut state, "me"), None);
    state.serving("ebpf");
    assert_eq!(by(&mut state, "me").as_deref(), Some("ebpf"));
    state.serving("ebpf");
    assert!(state.view(NOW).is_none(), "no news");
    state.take(Input::Hello("far".into(), Told::default()), NOW);
    assert!(
        state.view(NOW).is_none(),
        "an agent that does not say keeps what it said"
    );
}

#[test]
fn a_survived_kill_is_forgotten_without_news_from_anywhere() {
    let mut state = manager_with(&[("t", "me")]);
    state.take(
        Input::Local(LocalUpdate::Event(event("t", EventKind::Kill))),
        NOW,
    );
    assert_eq!(sign(&mut state, "t"), Sign::Stopping);
    let later = state.view(NOW + lb_core::overlay::KILL_COUNTS_FOR).unwrap();
    assert_eq!(later.snapshot.tasks[&"t".into()].sign, Sign::Fine);
    assert!(state.own_signs().is_empty());
}

#[test]
fn a_view_is_encoded_once_and_truly() {
    let state = manager_with(&[("t", "me")]);
    let view = &state.published;
    assert_eq!(view.encoded().as_ptr(), view.encoded().as_ptr());
    assert_eq!(wire::decode(view.encoded()).unwrap(), *view.snapshot);
}

#[test]
fn a_worker_without_a_source_says_why() {
    let mut state = State::default();
    state.info(info("me", false));
    let says = |state: &State, identity| {
        state
            .source(&BTreeMap::new(), 6081, identity)
            .sentence
            .unwrap()
    };
    assert!(says(&state, None).contains("must run on every manager"));
    assert_eq!(says(&state, Some("no certificate")), "no certificate");
    let outside = Info {
        sentence: Some("a member of no Swarm".into()),
        ..Info::default()
    };
    state.info(Arc::new(outside));
    assert_eq!(says(&state, Some("no certificate")), "a member of no Swarm");
}
