//! The two datapaths behind one trait, as the reconciler drives them.

mod choose;
mod ebpf;
mod ipvs;

pub use choose::{ChooseError, clean};
pub(super) use choose::{choose, remove_other};

use crate::kernel::StatsReader;
use lb_core::backend::Prune;
use lb_core::backend::ebpf::Hook;
use lb_core::desired::{Desired, Number};
use lb_core::kernel::ObserveError;
use lb_core::node::Serving;
use lb_core::persistent::PersistentMap;
use lb_core::report::Problem;
use lb_core::token::TokenKeys;
use std::collections::BTreeSet;
use std::time::Duration;

/// A datapath: brings the kernel to a desired state. What it has lowered that to, and what it knows of the
/// kernel, is its own.
pub(super) trait Datapath: Send {
    /// Its name, as `--datapath` has it.
    fn name(&self) -> &'static str;

    /// How its programs are attached to tc, for `lbctl status`; empty if it has no programs there.
    fn tc(&self) -> &'static str {
        ""
    }

    /// Reads the kernel's state anew, in place of what is known of it.
    ///
    /// # Errors
    /// When the kernel could not be read.
    fn observe(&mut self) -> Result<(), ObserveError>;

    /// The published ports that are served now, by the last known state.
    fn serving(&mut self) -> PersistentMap<Number, Serving>;

    /// The keys of what this node puts into the tunnel that the kernel holds, if any.
    ///
    /// # Errors
    /// When the kernel could not be read.
    fn token_keys(&self) -> Result<Option<TokenKeys>, ObserveError>;

    /// Lets the next pass retry operations that the kernel refused. Until then such an operation
    /// fails without being tried, and nothing is read because of it.
    fn retry_refused(&mut self);

    /// Plans and applies the operations that lead from the last known state to one that serves `want`.
    ///
    /// # Errors
    /// When the kernel's state could not be read, at first or after a failure.
    fn apply(&mut self, want: &Desired, prune: Prune) -> Result<Applied, ObserveError>;

    /// Called every second: renews the lease (`None`: no end), and recounts the flows of tasks if
    /// a service needs the counts. Returns whether drift was found: another program changed the
    /// kernel's state.
    ///
    /// # Errors
    /// When the kernel refused.
    fn tick(&mut self, lease: Option<Duration>) -> Result<bool, ObserveError>;

    /// A reader of counters and flows with handles of its own.
    ///
    /// # Errors
    /// When it can't be opened.
    fn stats_reader(&self) -> Result<Box<dyn StatsReader>, ObserveError>;
}

/// Result of [`Datapath::apply`].
#[derive(Debug)]
pub(super) struct Applied {
    /// Hooks with a program attached.
    pub(super) hooks: BTreeSet<Hook>,
    /// Operations that the kernel refused, and capabilities that this host lacks.
    pub(super) problems: Vec<Problem>,
    /// Every operation succeeded, apart from optional ones.
    pub(super) in_sync: bool,
}
