//! A kernel in memory, with faults on demand: for tests of what stands on it.

use super::{ApplyError, Kernel, ObserveError};
use crate::backend::Operation;
use std::collections::BTreeSet;

/// Holds a state of one back end and refuses the operations it was told to.
#[derive(Debug)]
pub struct FakeKernel<O: Operation> {
    /// What it holds.
    pub state: O::State,
    /// Numbers (from 0) of the calls to `apply` that fail. One with an odd number has taken effect nonetheless.
    pub faults: BTreeSet<usize>,
    /// The operations that it was asked for so far, those that it refused among them.
    pub calls: Vec<O>,
}

impl<O: Operation> FakeKernel<O> {
    /// A kernel that holds `state`.
    #[must_use]
    pub fn of(state: O::State) -> Self {
        Self {
            state,
            faults: BTreeSet::new(),
            calls: Vec::new(),
        }
    }
}

impl<O: Operation<State: Clone>> Kernel for FakeKernel<O> {
    type State = O::State;
    type Op = O;

    fn observe(&mut self) -> Result<O::State, ObserveError> {
        Ok(self.state.clone())
    }

    fn apply(&mut self, op: &O) -> Result<(), ApplyError<O>> {
        let call = self.calls.len();
        self.calls.push(op.clone());
        let fails = self.faults.contains(&call);
        if !fails || call % 2 == 1 {
            op.apply_to(&mut self.state);
        }
        if fails {
            return Err(ApplyError {
                op: op.clone(),
                source: "told to fail".into(),
            });
        }
        Ok(())
    }
}
