//! Takes the steps of a plan; one that fails holds up only what builds on it.

use super::op::Op;
use crate::kernel::{ApplyError, Kernel};
use std::collections::BTreeSet;

/// Takes the steps in order. A step that fails holds up only what builds on it.
pub fn apply_all(kernel: &mut impl Kernel<Op = Op>, ops: &[Op]) -> Vec<ApplyError<Op>> {
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
