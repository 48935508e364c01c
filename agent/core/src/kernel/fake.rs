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
        let state = &mut self.state;
        match op.clone() {
            Op::PutSettings(settings) => state.settings = Some(settings),
            Op::AddAddress(address) => {
                state.addresses.insert(address);
            }
            Op::RemoveAddress(address) => {
                state.addresses.remove(&address);
            }
            Op::AddPeer(address) => {
                state.peers.insert(address);
            }
            Op::RemovePeer(address) => {
                state.peers.remove(&address);
            }
            Op::AddService(key) => {
                state.services.insert(key);
            }
            Op::RemoveService(key) => {
                state.services.remove(&key);
            }
            Op::PutBackend(key, backend) => {
                state.backends.insert(key, backend);
            }
            Op::RemoveBackend(key, _) => {
                state.backends.remove(&key);
            }
            Op::PutTable(port, table, tasks) => {
                state.tables.insert((port, table), tasks);
            }
            Op::RemoveTable(port, table, _) => {
                state.tables.remove(&(port, table));
            }
            Op::PutFrontend(port, frontend) => {
                state.frontends.insert(port, frontend);
            }
            Op::RemoveFrontend(port) => {
                state.frontends.remove(&port);
            }
            Op::Attach(hook) => {
                state.hooks.insert(hook);
            }
            Op::Detach(hook) => {
                state.hooks.remove(&hook);
            }
            Op::Sweep => {}
        }
        Ok(())
    }
}
