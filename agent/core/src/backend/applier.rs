//! How every back end gets its kernel to what is desired, from what the kernel is known to hold.

use super::{Backend, Operation as _, Prune, execute};
use crate::desired::{Desired, Number};
use crate::kernel::sparing::{Refused, Sparing};
use crate::kernel::{ApplyError, Kernel, ObserveError};
use crate::model::ids::Key;
use crate::model::node::Serving;
use crate::persistent::PersistentMap;
use std::collections::BTreeSet;
use std::fmt::{Debug, Display};

/// A back end with the last known state of its kernel, and the operations that the kernel refused.
#[derive(Debug)]
pub struct Applier<B: Backend> {
    backend: B,
    /// `None`: the kernel has to be read first.
    have: Option<B::State>,
    refused: Refused,
}

/// What came of a plan.
#[derive(Debug)]
pub struct Applied<O: Debug + Display> {
    /// Operations that the kernel refused, now or in an earlier pass; one for each cause.
    pub errors: Vec<ApplyError<O>>,
    /// Every operation succeeded, apart from optional ones.
    pub in_sync: bool,
}

impl<B: Backend> Applier<B> {
    /// Knows nothing of the kernel yet.
    pub fn new(backend: B) -> Self {
        Self {
            backend,
            have: None,
            refused: Refused::default(),
        }
    }

    /// The back end, with what it has lowered last.
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// The last known state of the kernel.
    pub fn have(&self) -> Option<&B::State> {
        self.have.as_ref()
    }

    /// May `task`, which runs on this node, hold flows by the last known state of the kernel?
    pub fn holds(&self, task: Key) -> bool {
        let have = self.have.as_ref();
        have.is_some_and(|have| B::holds(have, task))
    }

    /// Reads the kernel's state anew, in place of what is known of it.
    ///
    /// # Errors
    /// When the kernel could not be read; nothing is known of it then.
    pub fn observe<K>(&mut self, kernel: &mut K) -> Result<(), ObserveError>
    where
        K: Kernel<State = B::State, Op = B::Op>,
    {
        self.have = None;
        self.have = Some(self.read(kernel)?);
        Ok(())
    }

    fn read<K>(&mut self, kernel: &mut K) -> Result<B::State, ObserveError>
    where
        K: Kernel<State = B::State, Op = B::Op>,
    {
        self.backend.restart();
        kernel.observe()
    }

    /// The published ports that are served by the last known state.
    pub fn serving(&mut self) -> PersistentMap<Number, Serving> {
        let have = self.have.as_ref();
        have.map_or_else(PersistentMap::default, |have| self.backend.serving(have))
    }

    /// Lets the next pass retry operations that the kernel refused. Until then such an operation fails without
    /// being tried.
    pub fn retry_refused(&mut self) {
        self.refused.forget();
    }

    /// The operations that lead from the last known state to one that serves `desired`.
    ///
    /// # Errors
    /// When nothing is known of the kernel, and it could not be read.
    pub fn plan<K>(
        &mut self,
        kernel: &mut K,
        desired: &Desired,
        prune: Prune,
    ) -> Result<Vec<B::Op>, ObserveError>
    where
        K: Kernel<State = B::State, Op = B::Op>,
    {
        let have = match self.have.take() {
            Some(have) => have,
            None => self.read(kernel)?,
        };
        let have = self.have.insert(have);
        self.backend.lower(desired, have);
        Ok(B::plan(self.backend.want(), have, prune))
    }

    /// Executes what [`Self::plan`] returned.
    ///
    /// # Errors
    /// When an operation failed, and the kernel could not be read thereafter.
    pub fn execute<K>(
        &mut self,
        kernel: &mut K,
        ops: &[B::Op],
    ) -> Result<Applied<B::Op>, ObserveError>
    where
        K: Kernel<State = B::State, Op = B::Op>,
    {
        let mut sparing = Sparing::new(kernel, &mut self.refused);
        let mut errors = execute(&mut sparing, ops);
        let (done, refused_anew) = (sparing.done, sparing.refused_anew);
        let in_sync = errors.iter().all(|error| error.op.is_optional());
        if in_sync {
            // Optional operations are tried in each pass.
            self.refused.forget();
        }
        if in_sync || !refused_anew {
            if let Some(have) = &mut self.have {
                for op in &done {
                    op.apply_to(have);
                }
                self.backend.share(have);
            }
        } else {
            // Only the kernel knows what the failed operation left.
            self.observe(kernel)?;
        }
        let mut causes = BTreeSet::new();
        errors.retain(|error| error.op.cause().is_none_or(|cause| causes.insert(cause)));
        Ok(Applied { errors, in_sync })
    }
}

#[cfg(test)]
mod tests;
