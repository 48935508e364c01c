//! Updates that change the target port of a service: each task is served at its own, after each step.

use super::*;
use std::collections::BTreeSet;

/// The port at which a new flow to `port` reaches `task`.
fn reached(state: &State, port: &Port, task: &Key) -> u16 {
    let frontend = state.frontends.get(port).unwrap();
    let own = state.targets.get(&(*port, *task));
    let own = own.filter(|_| frontend.flags & TARGETS != 0);
    own.copied().unwrap_or(frontend.target.get())
}

/// Port 1 with these tasks, each of which listens on a port that follows from its key, where the service has the port `target`.
fn updating(tasks: &BTreeSet<u64>, target: u16, table: u32) -> State {
    let port = Port::new(Be16::new(1), TCP);
    let mut state = State::default();
    let tasks: Vec<Key> = tasks.iter().map(|task| Key(*task)).collect();
    for task in &tasks {
        let backend = Backend::new(Be32::new(1), 0, 1);
        state.backends.insert(*task, backend);
        if listens(*task) != target {
            state.targets.insert((port, *task), listens(*task));
        }
    }
    let count = u32::try_from(tasks.len()).unwrap();
    let flags = if state.targets.is_empty() { 0 } else { TARGETS };
    let frontend = Frontend {
        flags,
        ..Frontend::new(Be16::new(target), count, table, 1)
    };
    state.frontends.insert(port, frontend);
    if count != 0 {
        state.tables.insert(table, tasks);
    }
    state
}

/// The port that a task listens on.
fn listens(task: Key) -> u16 {
    if task.0 < 10 { 80 } else { 81 }
}

proptest! {
    #[test]
    fn in_an_update_of_the_target_each_task_is_reached_at_its_own_port_throughout(
        before in btree_set(1u64..20, 0..8), after in btree_set(1u64..20, 0..8), back in any::<bool>(),
        faults in btree_set(0usize..40, 0..4),
    ) {
        let (old, new) = if back { (81, 80) } else { (80, 81) };
        let (have, want) = (updating(&before, old, 1), updating(&after, new, 2));
        let each = |state: &State| {
            for (port, frontend) in state.frontends.iter().filter(|(_, frontend)| frontend.count != 0) {
                for task in &state.tables[&frontend.table] {
                    prop_assert_eq!(reached(state, port, task), listens(*task), "task {}", task);
                }
            }
            Ok(())
        };
        let ops = plan(&want, &have, Prune::Allowed);
        let mut kernel = FakeKernel::of(have.clone());
        for op in &ops {
            kernel.apply(op).unwrap();
            each(&kernel.observe().unwrap())?;
        }
        // Whatever the kernel refuses.
        let mut kernel = FakeKernel::of(have);
        kernel.faults = faults;
        execute(&mut kernel, &ops);
        each(&kernel.observe().unwrap())?;
    }
}
