//! What serves: one of two datapaths, behind the same turns.

mod choose;
mod ebpf;
mod ipvs;

pub(super) use choose::choose;
pub use choose::{ChooseError, clean};

use crate::kernel::Meter;
use lb_core::kernel::ObserveError;
use lb_core::node::Node;
use lb_core::plan::Gate;
use lb_core::report::Problem;
use lb_core::state::{Hook, State};
use std::collections::BTreeSet;
use std::time::Duration;

/// A kernel's side that can be brought to serve a state.
pub(super) trait Datapath: Send {
    /// Its name, for people.
    fn name(&self) -> &'static str;

    /// How its programs are attached to tc, for people; nothing where it has none.
    fn tc(&self) -> &'static str {
        ""
    }

    /// Looks at the kernel; returns what of a state is known to be there.
    ///
    /// # Errors
    /// When the kernel could not be asked.
    fn look(&mut self) -> Result<State, ObserveError>;

    /// Takes the steps from `have`, which was reached or seen last, to `want`.
    ///
    /// # Errors
    /// When the kernel could not be asked what it holds after a failure.
    fn reach(
        &mut self,
        want: &State,
        have: State,
        node: &Node,
        gate: Gate,
    ) -> Result<Reached, ObserveError>;

    /// What is done every second: the datapath may take new flows for so long from now
    /// (`None`: for ever), and learns how busy tasks are, where `state` has a use for that.
    /// Returns whether the kernel was seen to hold something else than it was brought to.
    ///
    /// # Errors
    /// When the kernel refused.
    fn beat(
        &mut self,
        lasts: Option<Duration>,
        state: Option<&State>,
    ) -> Result<bool, ObserveError>;

    /// A reader of traffic that holds nothing up.
    ///
    /// # Errors
    /// When it can't be opened.
    fn meter(&self) -> Result<Box<dyn Meter>, ObserveError>;
}

/// How far it went.
#[derive(Debug)]
pub(super) struct Reached {
    /// What is there now.
    pub(super) have: State,
    /// Where programs are attached.
    pub(super) hooks: BTreeSet<Hook>,
    /// What the kernel refused, and what this datapath can't do here.
    pub(super) problems: Vec<Problem>,
    /// Is everything there without which something would not be served?
    pub(super) in_sync: bool,
}
