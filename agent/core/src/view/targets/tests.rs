use super::*;
use crate::model::port::Proto;
use crate::testing::{SnapshotBuilder, port, service, task};
use proptest::collection::vec;
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;

fn web(target: u16) -> Service {
    service("web", vec![port(Proto::Tcp, 8080, target)])
}

fn pending() -> Task {
    Task {
        state: TaskState::Pending,
        ..task("s", "n")
    }
}

/// A view of the service with this target port, and of these tasks of it.
fn view(target: u16, tasks: &[(&str, Task)]) -> Snapshot {
    let view = SnapshotBuilder::new().service("s", web(target));
    let tasks = tasks.iter();
    tasks
        .fold(view, |view, (id, task)| view.task(id, task.clone()))
        .build()
}

/// The target of a task where it differs from the service's.
fn own(view: &Snapshot, task: &str) -> Option<u16> {
    let targets = &view.tasks[&task.into()].targets;
    assert!(targets.len() <= 1);
    targets.first().map(|port| port.target)
}

/// What is told of an update from the target port 80 that began 100 s after 1970.
fn updating(complete: bool, created: &[(&str, u64)]) -> Updates {
    let update = Update {
        complete,
        began: 100 * SECOND,
        before: web(80).ports,
    };
    let created = created.iter();
    Updates {
        services: [("s".into(), update)].into(),
        created: created.map(|(id, at)| ((*id).into(), *at)).collect(),
    }
}

#[test]
fn a_task_keeps_the_port_that_its_service_had_when_it_was_made() {
    let mut targets = TaskTargets::default();
    let mut next = |target, tasks: &[(&str, Task)], updates: &Updates| {
        let mut next = view(target, tasks);
        targets.note(&mut next, updates);
        targets.keep(&next);
        next
    };
    let none = Updates::default();
    let (old, new) = (("old", task("s", "n")), ("new", task("s", "n")));
    let coming = ("new", pending());
    let first = next(80, std::slice::from_ref(&old), &none);
    assert_eq!(own(&first, "old"), None);
    // A new task may be listed before the new service is.
    next(80, &[old.clone(), coming.clone()], &none);
    for tasks in [[old.clone(), coming], [old.clone(), new.clone()]] {
        let now = next(81, &tasks, &none);
        assert_eq!((own(&now, "old"), own(&now, "new")), (Some(80), None));
    }
    // Back, before all are replaced; and on to a third port.
    let both = [old, new.clone()];
    let now = next(80, &both, &none);
    assert_eq!((own(&now, "old"), own(&now, "new")), (None, Some(81)));
    let now = next(82, &both, &none);
    assert_eq!((own(&now, "old"), own(&now, "new")), (Some(80), Some(81)));
    let now = next(81, &[new], &none);
    assert_eq!(own(&now, "new"), None);
}

#[test]
fn of_tasks_that_were_never_seen_the_time_tells_the_old_ones() {
    let created = [
        ("old", 98 * SECOND),
        ("about", 99 * SECOND + 1),
        ("new", 101 * SECOND),
    ];
    let tasks = ["old", "about", "new", "unknown"].map(|id| (id, task("s", "n")));
    for (complete, old) in [(false, Some(80)), (true, None)] {
        let mut now = view(81, &tasks);
        TaskTargets::default().note(&mut now, &updating(complete, &created));
        let found = tasks.each_ref().map(|(id, _)| own(&now, id));
        assert_eq!(found, [old, None, None, None], "complete: {complete}");
    }
}

#[test]
fn when_the_update_is_complete_only_tasks_that_end_differ() {
    let ending = Task {
        desired: DesiredState::Ended,
        ..task("s", "n")
    };
    let mut targets = TaskTargets::default();
    let running = ("runs", task("s", "n"));
    let mut now = view(80, &[running.clone(), ("ends", task("s", "n"))]);
    targets.note(&mut now, &Updates::default());
    targets.keep(&now);
    let mut now = view(81, &[running, ("ends", ending)]);
    targets.note(&mut now, &updating(true, &[]));
    assert_eq!((own(&now, "runs"), own(&now, "ends")), (None, Some(80)));
}

#[test]
fn ports_that_docker_publishes_on_the_tasks_node_are_none_of_ours() {
    let by_docker = |target| {
        let mut service = web(target);
        for port in &mut service.ports {
            port.mode = PublishMode::Host;
        }
        service
    };
    let mut targets = TaskTargets::default();
    for target in [80, 81] {
        let view = SnapshotBuilder::new().service("s", by_docker(target));
        let mut now = view.task("a", task("s", "n")).build();
        targets.note(&mut now, &Updates::default());
        targets.keep(&now);
        assert_eq!(own(&now, "a"), None);
    }
}

/// What happens between two views of a service.
#[derive(Clone, Debug)]
enum Step {
    /// It gets another target port.
    Update(u16),
    /// A task of it is made, which does not run yet.
    Made,
    /// All tasks run that were made.
    Run,
    /// Its oldest task is gone.
    Gone,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (80u16..84).prop_map(Step::Update),
        Just(Step::Made),
        Just(Step::Run),
        Just(Step::Gone),
    ]
}

proptest! {
    /// Tasks that do not run yet when their service changes are replaced before they do, so here they come
    /// to run first.
    #[test]
    fn whatever_happens_each_task_is_served_at_the_port_that_it_was_made_with(steps in vec(step(), 1..30)) {
        let mut targets = TaskTargets::default();
        let (mut target, mut count) = (80, 0);
        let mut tasks: BTreeMap<String, (u16, TaskState)> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Made => {
                    tasks.insert(format!("t{count:03}"), (target, TaskState::Pending));
                    count += 1;
                }
                Step::Run => tasks.values_mut().for_each(|(_, state)| *state = TaskState::Running),
                Step::Gone => drop(tasks.pop_first()),
                Step::Update(other) => {
                    tasks.retain(|_, (_, state)| *state == TaskState::Running);
                    target = other;
                }
            }
            let listed: Vec<(&str, Task)> = tasks
                .iter()
                .map(|(id, (_, state))| (id.as_str(), Task { state: *state, ..task("s", "n") }))
                .collect();
            let mut now = view(target, &listed);
            targets.note(&mut now, &Updates::default());
            targets.keep(&now);
            for (id, (made, _)) in &tasks {
                prop_assert_eq!(own(&now, id).unwrap_or(target), *made, "task {}", id);
            }
        }
    }
}
