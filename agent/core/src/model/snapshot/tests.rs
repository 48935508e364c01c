use super::*;
use crate::model::token::TokenKey;
use crate::testing::{self, SnapshotBuilder, member};
use proptest::prelude::*;

fn task(service: &str) -> Task {
    testing::task(service, "n1")
}

fn view<S: AsRef<str>>(services: &[S], tasks: &[(S, S)]) -> Snapshot {
    let mut view = SnapshotBuilder::new();
    for id in services {
        let port = testing::port(Proto::Tcp, 8080, 80);
        view = view.service(id.as_ref(), testing::service(id.as_ref(), vec![port]));
    }
    for (id, service) in tasks {
        view = view.task(id.as_ref(), task(service.as_ref()));
    }
    view.build()
}

#[test]
fn a_snapshot_in_json_has_no_keys() {
    let keys = TokenKeys {
        epoch: 4242,
        current: TokenKey::new([77; 16]),
        next: TokenKey::new([78; 16]),
    };
    let node = SwarmNode {
        datapath: Some("ebpf".to_owned()),
        token_keys: Some(keys),
        ..member("h", None)
    };
    let json = serde_json::to_string(&node).unwrap();
    assert!(!json.contains("4242") && !json.contains("77"), "{json}");
    let read: SwarmNode = serde_json::from_str(&json).unwrap();
    assert_eq!(read.token_keys, None);
    assert_eq!(read.datapath, node.datapath);
}

#[test]
fn a_task_takes_connections_once_the_swarm_or_its_own_engine_says_that_it_runs() {
    let eligible = |state, desired, health| {
        let view = view(&["s"], &[("t", "s")]);
        let task = Task {
            state,
            desired,
            health,
            ..task("s")
        };
        assert!(view.alive(&task) || !view.eligible(&task));
        view.eligible(&task)
    };
    let runs = DesiredState::Running;
    for state in [TaskState::Pending, TaskState::Starting] {
        assert!(eligible(state, runs, LocalHealth::Ready));
        assert!(!eligible(state, runs, LocalHealth::Ok));
    }
    assert!(eligible(TaskState::Running, runs, LocalHealth::Ready));
    assert!(eligible(TaskState::Running, runs, LocalHealth::Ok));
    for state in [TaskState::Ended, TaskState::Unknown] {
        assert!(!eligible(state, runs, LocalHealth::Ready));
    }
    for desired in [
        DesiredState::Ready,
        DesiredState::Ended,
        DesiredState::Unknown,
    ] {
        assert!(!eligible(TaskState::Starting, desired, LocalHealth::Ready));
    }
}

#[test]
fn only_a_node_that_is_down_takes_its_tasks_out() {
    // One that left in good order ended its tasks itself, and of an unknown one nothing is concluded.
    for (state, takes) in [
        (None, true),
        (Some(NodeState::Ready), true),
        (Some(NodeState::Unknown), true),
        (Some(NodeState::Disconnected), true),
        (Some(NodeState::Down), false),
    ] {
        let mut view = view(&["s"], &[("t", "s")]);
        view.nodes.extend(state.map(|state| {
            let node = SwarmNode {
                state,
                ..member("h", None)
            };
            ("n1".into(), node)
        }));
        let task = &view.tasks[&"t".into()];
        assert_eq!(view.eligible(task), takes, "{state:?}");
        assert!(view.alive(task), "{state:?}: it keeps what it has");
        assert_eq!(view.lost(task), !takes, "{state:?}");
    }
}

#[test]
fn a_removed_service_stays_until_its_last_task_has_ended() {
    let first = view(&["s"], &[("t1", "s"), ("t2", "s")]);
    let mut second = view(&[], &[("t1", "s"), ("t2", "s")]);
    carry_over(&first, &mut second);
    let left = &second.services[&"s".into()];
    assert!(left.removed);
    assert_eq!(left.ports, first.services[&"s".into()].ports);
    assert!(!second.eligible(&second.tasks[&"t1".into()]));
    assert!(second.alive(&second.tasks[&"t1".into()]));

    let mut third = view(&[], &[("t2", "s")]);
    carry_over(&second, &mut third);
    assert!(third.services[&"s".into()].removed);

    let mut last = view::<&str>(&[], &[]);
    carry_over(&third, &mut last);
    assert!(last.services.is_empty());
}

#[test]
fn a_task_of_a_service_never_seen_brings_nothing_along() {
    let mut next = view(&[], &[("t", "unseen")]);
    carry_over(&Snapshot::default(), &mut next);
    assert!(next.services.is_empty());
}

#[test]
fn tasks_bear_the_ids_of_their_services_and_nodes_and_no_copies_of_them() {
    let told = || {
        let mut view = view(&["s"], &[("t1", "s"), ("t2", "s"), ("t3", "unseen")]);
        view.nodes.insert("n1".into(), member("h", None));
        view
    };
    let first = told().reusing(&Snapshot::default());
    let mut second = told();
    second.tasks.get_mut(&"t2".into()).unwrap().state = TaskState::Ended;
    second.nodes.get_mut(&"n1".into()).unwrap().draining = true;
    let next = second.reusing(&first);
    assert_eq!((&first, &next), (&told(), &second));
    let [service, node] = [
        first.services.key(&"s".into()).unwrap().as_str(),
        first.nodes.key(&"n1".into()).unwrap().as_str(),
    ];
    let same = |a: &str, b: &str| std::ptr::eq(a, b);
    for id in ["t1", "t2"] {
        for view in [&first, &next] {
            let task = &view.tasks[&id.into()];
            assert!(same(task.service.as_str(), service), "{id}");
            assert!(same(task.node.as_str(), node), "{id}");
        }
    }
}

/// A Swarm may have a hundred thousand of them.
#[test]
fn a_task_takes_little_memory() {
    let bytes = size_of::<(TaskId, Task)>();
    assert!(bytes <= 88, "{bytes}");
}

proptest! {
    #[test]
    fn what_the_swarm_says_is_never_overwritten(
        before in prop::collection::btree_set("[a-f]", 0..6),
        after in prop::collection::btree_set("[a-f]", 0..6),
        running in prop::collection::btree_set("[a-f]", 0..6),
    ) {
        let same = |ids: &std::collections::BTreeSet<String>| -> Vec<(String, String)> {
            ids.iter().map(|id| (id.clone(), id.clone())).collect()
        };
        let ids = |ids: &std::collections::BTreeSet<String>| ids.iter().cloned().collect::<Vec<_>>();
        let previous = view(&ids(&before), &[]);
        let told = view(&ids(&after), &same(&running));
        let mut next = told.clone();
        carry_over(&previous, &mut next);
        for (id, service) in &next.services {
            match told.services.get(id) {
                Some(same) => prop_assert_eq!(same, service),
                None => {
                    prop_assert!(service.removed);
                    prop_assert!(before.contains(id.as_str()) && running.contains(id.as_str()));
                }
            }
        }
        // Every service that still has tasks and was known is there.
        for id in running.iter().filter(|id| before.contains(*id)) {
            prop_assert!(next.services.contains_key(&id.as_str().into()));
        }
    }
}
