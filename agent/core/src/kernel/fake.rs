//! A kernel in memory, with faults on demand: for tests of what stands on it.

use super::{ApplyError, Kernel, ObserveError};
use std::collections::BTreeSet;
use std::fmt;

/// Holds a state of one datapath and refuses the steps it was told to.
#[derive(Debug)]
pub struct FakeKernel<S, O> {
    state: S,
    /// Numbers (from 0) of the calls to `apply` that fail.
    pub faults: BTreeSet<usize>,
    calls: usize,
    take: fn(&O, &mut S),
}

impl<S, O> FakeKernel<S, O> {
    /// A kernel that holds `state`, of which a step makes what `take` says.
    #[must_use]
    pub fn of(state: S, take: fn(&O, &mut S)) -> Self {
        Self {
            state,
            faults: BTreeSet::new(),
            calls: 0,
            take,
        }
    }
}

impl<S: Clone, O: Clone + fmt::Debug + fmt::Display> Kernel for FakeKernel<S, O> {
    type State = S;
    type Op = O;

    fn observe(&mut self) -> Result<S, ObserveError> {
        Ok(self.state.clone())
    }

    fn apply(&mut self, op: &O) -> Result<(), ApplyError<O>> {
        let call = self.calls;
        self.calls += 1;
        if self.faults.contains(&call) {
            return Err(ApplyError {
                op: op.clone(),
                source: "told to fail".into(),
            });
        }
        (self.take)(op, &mut self.state);
        Ok(())
    }
}
