//! A laboratory whose engines or owner end as they should not.

use std::path::Path;

use harness::lab_dir::LabDir;
use harness::service::ServiceSpec;
use harness::shared::{self, TestSwarm};
use harness::{teardown, wait};

use crate::{LAB, TASKS};

#[test]
fn nothing_is_left_when_the_owner_ends() {
    if !shared::is_root() {
        return;
    }
    let _machine = shared::together();
    let test = TestSwarm::up(Path::new(LAB), "lbend", 2).unwrap();
    let (dir, prefix) = crash(&test);
    drop(test);
    assert_gone(&dir, &prefix);
}

#[test]
fn down_removes_what_a_killed_engine_left() {
    if !shared::is_root() {
        return;
    }
    let _machine = shared::together();
    let test = TestSwarm::up(Path::new(LAB), "lbdown", 2).unwrap();
    let (dir, prefix) = crash(&test);
    test.swarm.down().unwrap();
    assert_gone(&dir, &prefix);
    // A second time, there is nothing to do.
    test.swarm.down().unwrap();
}

#[test]
fn a_killed_engine_starts_again_and_its_tasks_return() {
    if !shared::is_root() {
        return;
    }
    let _machine = shared::together();
    let test = TestSwarm::up(Path::new(LAB), "lbagain", 2).unwrap();
    let service = test
        .swarm
        .service_create(&ServiceSpec::named("s").global())
        .unwrap();
    service.wait_for_tasks(2, TASKS).unwrap();
    let worker = test.swarm.node("node2").unwrap();
    worker.kill_engine().unwrap();
    assert!(!worker.engine_answers());
    test.swarm.restart_engine(worker).unwrap();
    // The manager may not have noticed yet: the engine has to know the container.
    wait::until("the task's container", TASKS, || {
        let tasks = service.tasks()?;
        let running = worker.docker(&["ps", "--quiet", "--no-trunc"])?;
        let task = tasks
            .iter()
            .find(|task| task.node == worker.name && task.is_running());
        let container = task.and_then(|task| task.container.as_deref());
        Ok(container
            .is_some_and(|id| running.contains(id))
            .then_some(()))
    })
    .unwrap();
}

/// Runs tasks on both nodes and kills one engine; its tasks are orphans now.
fn crash(test: &TestSwarm) -> (LabDir, String) {
    let swarm = &test.swarm;
    let service = swarm
        .service_create(&ServiceSpec::named("s").global())
        .unwrap();
    let tasks = service.wait_for_tasks(2, TASKS).unwrap();
    // Left to the teardown, like everything else.
    std::mem::forget(service);
    swarm.node("node2").unwrap().kill_engine().unwrap();

    let prefix = swarm.description().prefix.clone();
    let residue = teardown::residue(&prefix);
    let whoami = residue
        .processes
        .iter()
        .filter(|process| process.ends_with("/whoami"))
        .count();
    assert_eq!(whoami, tasks.len(), "{residue}");
    assert_eq!(residue.namespaces.len(), 4, "{residue}");
    assert!(
        !residue.cgroups.is_empty() && !residue.notes.is_empty(),
        "{residue}"
    );
    (LabDir::at(swarm.dir()), prefix)
}

fn assert_gone(dir: &LabDir, prefix: &str) {
    assert_eq!(teardown::residue(prefix).to_string(), "");
    assert!(!dir.path().exists());
}
