//! A kernel in memory, with faults on demand: for tests of what stands on it.

use super::{ApplyError, Kernel, ObserveError};
use crate::op::Op;
use crate::state::State;
use std::collections::BTreeSet;

/// Holds a [`State`] and refuses the steps it was told to.
#[derive(Debug, Default)]
pub struct FakeKernel {
    state: State,
    /// Numbers (from 0) of the calls to `apply` that shall fail.
    pub faults: BTreeSet<usize>,
    calls: usize,
}

impl FakeKernel {
    /// A kernel that holds `state`.
    #[must_use]
    pub fn holding(state: State) -> Self {
        Self {
            state,
            ..Self::default()
        }
    }
}

impl Kernel for FakeKernel {
    type State = State;
    type Op = Op;

    fn observe(&mut self) -> Result<State, ObserveError> {
        Ok(self.state.clone())
    }

    fn apply(&mut self, op: &Op) -> Result<(), ApplyError> {
        let call = self.calls;
        self.calls += 1;
        if self.faults.contains(&call) {
            return Err(ApplyError {
                op: op.clone(),
                source: "told to fail".into(),
            });
        }
        op.apply_to(&mut self.state);
        Ok(())
    }
}
