//! Interface to the kernel: read all state, apply one operation.

use crate::op::Op;
use std::collections::BTreeSet;
use std::fmt;
use thiserror::Error;

pub mod fake;
pub mod sparing;

/// Reads and changes swarmlb's kernel objects.
pub trait Kernel {
    /// All objects of a datapath.
    type State;
    /// One step.
    type Op: fmt::Debug + fmt::Display;

    /// All of swarmlb's objects that exist now.
    ///
    /// # Errors
    /// When the kernel could not be asked; nothing was changed.
    fn observe(&mut self) -> Result<Self::State, ObserveError>;

    /// Does one step.
    ///
    /// # Errors
    /// When the kernel refused; whatever else the plan holds may go on.
    fn apply(&mut self, op: &Self::Op) -> Result<(), ApplyError<Self::Op>>;
}

/// The kernel could not be asked.
#[derive(Debug, Error)]
#[error("{object} could not be read")]
pub struct ObserveError {
    /// The map, link or directory concerned.
    pub object: String,
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// The kernel refused a step.
#[derive(Debug, Error)]
#[error("could not {op}")]
pub struct ApplyError<O: fmt::Debug + fmt::Display = Op> {
    /// The step.
    pub op: O,
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Takes the steps in order. A step that fails holds up only what builds on it.
pub fn apply_all(kernel: &mut impl Kernel<Op = Op>, ops: &[Op]) -> Vec<ApplyError> {
    let mut errors = Vec::new();
    let mut tasks = BTreeSet::new();
    let mut tables = BTreeSet::new();
    let mut ports = BTreeSet::new();
    for op in ops {
        let blocked = match op {
            Op::PutTable(_, _, members) => members.iter().any(|task| tasks.contains(task)),
            Op::PutFrontend(port, frontend) => tables.contains(&(*port, frontend.table)),
            Op::RemoveTable(port, ..) => ports.contains(port),
            Op::RemoveBackend(..) | Op::CollectGarbage => !ports.is_empty(),
            _ => false,
        };
        let failed = if blocked {
            true
        } else if let Err(error) = kernel.apply(op) {
            errors.push(error);
            true
        } else {
            false
        };
        if failed {
            match op {
                Op::PutBackend(task, _) => {
                    tasks.insert(*task);
                }
                Op::PutTable(port, table, _) => {
                    tables.insert((*port, *table));
                }
                Op::PutFrontend(port, _) | Op::RemoveFrontend(port) | Op::RemoveTable(port, ..) => {
                    ports.insert(*port);
                }
                _ => {}
            }
        }
    }
    errors
}
