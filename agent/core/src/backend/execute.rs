//! Execution of a plan.

use super::Operation;
use crate::kernel::{ApplyError, Kernel};
use std::collections::BTreeSet;

/// Applies operations in order, and returns those that the kernel refused. One that fails holds up only what
/// builds on its objects.
pub fn execute<K>(kernel: &mut K, ops: &[K::Op]) -> Vec<ApplyError<K::Op>>
where
    K: Kernel,
    K::Op: Operation,
{
    let mut errors = Vec::new();
    let mut failed = BTreeSet::new();
    for op in ops {
        let Some(possible) = op.possible(&failed) else {
            failed.extend(op.touches());
            continue;
        };
        if let Err(error) = kernel.apply(&possible) {
            failed.extend(possible.touches());
            errors.push(error);
        }
    }
    errors
}
