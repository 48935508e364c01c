//! The IPVS back end's pure half: virtual services and destinations, encapsulating routes to other nodes, and
//! the elements of the ruleset that steers packets to IPVS.
//!
//! IPVS has no place for task keys or tables: what it keeps is a state of its own kind (ADR 0012).

mod allocator;
mod cookie;
pub mod ids;
mod lower;
mod op;
mod operation;
mod plan;
mod state;

pub use lower::{Lowered, lower};
pub use op::Op;
pub use operation::Object;
pub use plan::plan;
pub use state::{
    Cookie, Destination, DestinationKey, Element, EncapRoute, Method, NodeConfig, Scheduler,
    ServiceKey, State, VirtualService,
};

use super::{Backend, Prune, TaskAddresses};
use crate::desired::{Desired, Number};
use crate::model::ids::Key;
use crate::model::node::Serving;
use crate::persistent::PersistentMap;
use std::sync::Arc;

/// What was lowered last.
#[derive(Clone, Debug, Default)]
pub struct Ipvs {
    lowered: Lowered,
    serving: PersistentMap<Number, Serving>,
}

impl Ipvs {
    /// What was lowered last, with the owners of addresses and ports.
    #[must_use]
    pub fn lowered(&self) -> &Lowered {
        &self.lowered
    }
}

impl Backend for Ipvs {
    type State = State;
    type Op = Op;

    fn lower(&mut self, desired: &Desired, have: &State) {
        let mut lowered = lower(desired, &self.lowered.peer_keys);
        if lowered.own_addresses == self.lowered.own_addresses {
            // Who compares them sees at once that nothing has changed.
            lowered.own_addresses = Arc::clone(&self.lowered.own_addresses);
        }
        self.lowered = lowered;
        self.lowered.state.keep_cookies(have);
        self.serving = desired.serving();
    }

    fn want(&self) -> &State {
        &self.lowered.state
    }

    fn holds(have: &State, task: Key) -> bool {
        have.leads_to(task)
    }

    fn task_addresses(&self) -> TaskAddresses {
        TaskAddresses::Listed(Arc::clone(&self.lowered.own_addresses))
    }

    fn plan(want: &State, have: &State, prune: Prune) -> Vec<Op> {
        plan(want, have, prune)
    }

    /// The ports of what was lowered last: the kernel's virtual services don't say whose they are.
    fn serving(&mut self, _have: &State) -> PersistentMap<Number, Serving> {
        self.serving.clone()
    }
}
