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
fn a_task_that_an_update_has_made_has_the_new_port_though_it_was_listed_before_the_new_service() {
    let mut targets = TaskTargets::default();
    let both = [("old", task("s", "n")), ("new", task("s", "n"))];
    let mut next = |target, updates: &Updates| {
        let mut next = view(target, &both);
        targets.note(&mut next, updates);
        targets.keep(&next);
        (own(&next, "old"), own(&next, "new"))
    };
    let created = [("old", 50 * SECOND), ("new", 100 * SECOND)];
    assert_eq!(next(80, &Updates::default()), (None, None));
    // The new service is listed before its update has begun, as far as is told.
    let mut begins = updating(false, &created);
    let service = ServiceId::from("s");
    begins.services.get_mut(&service).unwrap().began = 0;
    assert_eq!(next(81, &begins), (Some(80), Some(80)));
    let updating = updating(false, &created);
    for _ in 0..2 {
        assert_eq!(next(81, &updating), (Some(80), None));
    }
    // The way back is an update that begins later.
    let mut back = updating;
    let update = back.services.get_mut(&service).unwrap();
    (update.began, update.before) = (200 * SECOND, web(81).ports);
    for _ in 0..2 {
        assert_eq!(next(80, &back), (None, Some(81)));
    }
}

#[test]
fn an_old_task_keeps_its_port_where_its_service_publishes_it_no_more_or_is_gone() {
    let old = [("old", task("s", "n"))];
    let unpublished = SnapshotBuilder::new()
        .service("s", service("web", vec![]))
        .task("old", task("s", "n"))
        .build();
    let removed = SnapshotBuilder::new().task("old", task("s", "n")).build();
    for gone in [unpublished, removed] {
        let mut targets = TaskTargets::default();
        let mut next = |mut next: Snapshot| {
            targets.note(&mut next, &Updates::default());
            targets.keep(&next);
            own(&next, "old")
        };
        assert_eq!(next(view(80, &old)), None);
        assert_eq!(next(view(81, &old)), Some(80));
        for _ in 0..2 {
            assert_eq!(next(gone.clone()), Some(80));
        }
    }
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
    /// It gets another target port, and a task by that; the list of tasks has that task, which runs, before the list of services
    /// has the change.
    UpdateTasksFirst(u16),
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
        (80u16..84).prop_map(Step::UpdateTasksFirst),
        Just(Step::Made),
        Just(Step::Run),
        Just(Step::Gone),
    ]
}

/// A task: the target port that it was made with, when it was made, in seconds since 1970, and how far it has come.
#[derive(Clone, Copy)]
struct Made {
    target: u16,
    at: u64,
    state: TaskState,
}

/// A service in time: its tasks, and what the managers tell of its last update.
struct World {
    target: u16,
    tasks: BTreeMap<String, Made>,
    update: Update,
    seconds: u64,
}

impl World {
    fn make(&mut self, state: TaskState) {
        let at = self.seconds;
        let target = self.target;
        self.tasks
            .insert(format!("t{at:05}"), Made { target, at, state });
    }

    /// The service gets another target port. Tasks that do not run yet are replaced before they do.
    fn update(&mut self, target: u16) {
        self.tasks
            .retain(|_, task| task.state == TaskState::Running);
        self.update = Update {
            complete: false,
            began: self.seconds * SECOND,
            before: web(self.target).ports,
        };
        self.target = target;
    }

    /// The view with a service that has this target port, of which this update is told.
    fn listed(&self, targets: &mut TaskTargets, target: u16, update: &Update) -> Snapshot {
        let listed: Vec<(&str, Task)> = self
            .tasks
            .iter()
            .map(|(id, made)| {
                let task = Task {
                    state: made.state,
                    ..task("s", "n")
                };
                (id.as_str(), task)
            })
            .collect();
        let created = self.tasks.iter();
        let updates = Updates {
            services: [("s".into(), update.clone())].into(),
            created: created
                .map(|(id, made)| (id.as_str().into(), made.at * SECOND))
                .collect(),
        };
        let mut now = view(target, &listed);
        targets.note(&mut now, &updates);
        targets.keep(&now);
        now
    }
}

proptest! {
    #[test]
    fn whatever_happens_each_task_is_served_at_the_port_that_it_was_made_with(steps in vec(step(), 1..30)) {
        let mut targets = TaskTargets::default();
        let mut world = World {
            target: 80,
            tasks: BTreeMap::new(),
            update: Update::default(),
            seconds: 1_000,
        };
        for step in steps {
            world.seconds += 10;
            match step {
                Step::Made => world.make(TaskState::Pending),
                Step::Run => world.tasks.values_mut().for_each(|task| task.state = TaskState::Running),
                Step::Gone => drop(world.tasks.pop_first()),
                Step::Update(target) => world.update(target),
                Step::UpdateTasksFirst(target) => {
                    let (before, told) = (world.target, world.update.clone());
                    world.update(target);
                    world.make(TaskState::Running);
                    world.listed(&mut targets, before, &told);
                }
            }
            let now = world.listed(&mut targets, world.target, &world.update);
            for (id, made) in &world.tasks {
                prop_assert_eq!(own(&now, id).unwrap_or(world.target), made.target, "task {}", id);
            }
        }
    }
}
