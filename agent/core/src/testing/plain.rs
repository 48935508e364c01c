//! The smallest back end: published ports that name tasks. It shows what a back end has to bring, and lets tests
//! drive the applier without a datapath.

use crate::backend::{Backend, Operation, Prune};
use crate::desired::{Desired, Number};
use crate::model::ids::Key;
use crate::model::node::Serving;
use crate::persistent::PersistentMap;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Tasks, and the ports that name them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Tasks that may hold flows.
    pub tasks: BTreeSet<Key>,
    /// Published ports, with their services and the tasks that take new flows.
    pub ports: BTreeMap<Number, (Key, BTreeSet<Key>)>,
}

/// An operation on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Let a task hold flows.
    AddTask(Key),
    /// Answer a port, by tasks that are there.
    PutPort(Number, Key, BTreeSet<Key>),
    /// No longer answer a port.
    RemovePort(Number),
    /// Let a task that no port names hold no flows any more.
    RemoveTask(Key),
}

/// A task or a port, on which operations build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// A task.
    Task(Key),
    /// A port.
    Port(Number),
}

/// The back end.
#[derive(Clone, Debug, Default)]
pub struct Plain {
    want: State,
}

impl Backend for Plain {
    type State = State;
    type Op = Op;

    fn lower(&mut self, desired: &Desired, _have: &State) {
        self.want = State::default();
        for (key, service) in &desired.services {
            self.want.tasks.extend(service.backends.keys());
            let active = service.backends.iter().filter(|(_, task)| task.active);
            let active: BTreeSet<Key> = active.map(|(task, _)| *task).collect();
            for frontend in service.frontends.iter().filter(|port| !port.barred) {
                let port = (frontend.published, frontend.proto);
                self.want.ports.insert(port, (*key, active.clone()));
            }
            for frontend in &service.withdrawn {
                let port = (frontend.published, frontend.proto);
                self.want.ports.insert(port, (*key, BTreeSet::new()));
            }
        }
    }

    fn want(&self) -> &State {
        &self.want
    }

    fn plan(want: &State, have: &State, prune: Prune) -> Vec<Op> {
        let mut ops: Vec<Op> = Vec::new();
        ops.extend(want.tasks.difference(&have.tasks).copied().map(Op::AddTask));
        for (port, (service, tasks)) in &want.ports {
            if have.ports.get(port) != want.ports.get(port) {
                ops.push(Op::PutPort(*port, *service, tasks.clone()));
            }
        }
        if prune == Prune::Allowed {
            let ports = have.ports.keys();
            let gone = ports.filter(|port| !want.ports.contains_key(port));
            ops.extend(gone.copied().map(Op::RemovePort));
            let tasks = have.tasks.difference(&want.tasks);
            ops.extend(tasks.copied().map(Op::RemoveTask));
        }
        ops
    }

    fn holds(have: &State, task: Key) -> bool {
        have.tasks.contains(&task)
    }

    fn serving(&mut self, have: &State) -> PersistentMap<Number, Serving> {
        let ports = have.ports.iter();
        let serving = ports.map(|(port, (service, tasks))| {
            let serving = Serving {
                service: *service,
                target: 80,
                has_tasks: !tasks.is_empty(),
            };
            (*port, serving)
        });
        serving.collect()
    }
}

impl Operation for Op {
    type State = State;
    type Object = Object;

    fn apply_to(&self, state: &mut State) {
        match self {
            Self::AddTask(task) => {
                state.tasks.insert(*task);
            }
            Self::PutPort(port, service, tasks) => {
                state.ports.insert(*port, (*service, tasks.clone()));
            }
            Self::RemovePort(port) => {
                state.ports.remove(port);
            }
            Self::RemoveTask(task) => {
                state.tasks.remove(task);
            }
        }
    }

    fn touches(&self) -> Vec<Object> {
        match self {
            Self::AddTask(task) => vec![Object::Task(*task)],
            Self::PutPort(port, ..) | Self::RemovePort(port) => vec![Object::Port(*port)],
            Self::RemoveTask(_) => vec![],
        }
    }

    fn possible(&self, failed: &BTreeSet<Object>) -> Option<Cow<'_, Self>> {
        let port = |object: &Object| matches!(object, Object::Port(_));
        let held_up = match self {
            Self::PutPort(_, _, tasks) => {
                let mut tasks = tasks.iter();
                tasks.any(|task| failed.contains(&Object::Task(*task)))
            }
            // A port that should be gone, or name others, may still name the task.
            Self::RemoveTask(_) => failed.iter().any(port),
            Self::AddTask(_) | Self::RemovePort(_) => false,
        };
        (!held_up).then_some(Cow::Borrowed(self))
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddTask(task) => write!(f, "add task {task}"),
            Self::PutPort((port, _), _, tasks) => write!(f, "port {port}: {} tasks", tasks.len()),
            Self::RemovePort((port, _)) => write!(f, "remove port {port}"),
            Self::RemoveTask(task) => write!(f, "remove task {task}"),
        }
    }
}
