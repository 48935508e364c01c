//! The eBPF back end's pure half: what the maps and hooks of the programs hold.

mod in_use;
mod lower;
mod op;
mod operation;
mod plan;
mod state;
mod task_address;

pub use in_use::InUse;
pub use lower::Lowered;
pub use op::Op;
pub use operation::Object;
pub use plan::plan;
pub use state::{Hook, HookKind, State};
pub use task_address::task_address;

use super::{Backend, Prune, TaskAddressFamily, TaskAddresses};
use crate::desired::{Desired, Number};
use crate::model::ids::Key;
use crate::model::node::Serving;
use crate::persistent::PersistentMap;

/// What was lowered last, and the ports in use, both kept up step by step.
#[derive(Clone, Debug, Default)]
pub struct Ebpf {
    lowered: Lowered,
    in_use: InUse,
}

impl Ebpf {
    /// A back end with task addresses of this family.
    #[must_use]
    pub fn new(family: TaskAddressFamily) -> Self {
        Self {
            lowered: Lowered::new(family),
            in_use: InUse::default(),
        }
    }
}

impl Backend for Ebpf {
    type State = State;
    type Op = Op;

    fn lower(&mut self, desired: &Desired, have: &State) {
        self.lowered = std::mem::take(&mut self.lowered).update(desired, have);
    }

    fn want(&self) -> &State {
        &self.lowered.want
    }

    fn plan(want: &State, have: &State, prune: Prune) -> Vec<Op> {
        plan(want, have, prune)
    }

    fn serving(&mut self, have: &State) -> PersistentMap<Number, Serving> {
        self.in_use.of(have).clone()
    }

    fn holds(have: &State, task: Key) -> bool {
        have.backends.contains_key(&task)
    }

    fn task_addresses(&self) -> TaskAddresses {
        self.lowered.task_addresses()
    }

    fn restart(&mut self) {
        self.lowered.restart();
    }

    fn share(&self, have: &mut State) {
        have.reuse_from(&self.lowered.want);
    }
}
