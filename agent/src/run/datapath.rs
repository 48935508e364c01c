//! The datapath that serves on this node: a back end of whichever kind, behind one trait.

mod choose;

pub use choose::{ChooseError, clean};
pub(super) use choose::{choose, remove_other};

use crate::error_chain::error_chain;
use crate::kernel::{NodeKernel, StatsReader};
use lb_core::backend::ebpf::Hook;
use lb_core::backend::{Applier, Backend as _, Prune, TaskAddresses};
use lb_core::desired::{Desired, Number, WithdrawnPorts};
use lb_core::kernel::ObserveError;
use lb_core::model::ids::Key;
use lb_core::model::node::Serving;
use lb_core::model::token::TokenKeys;
use lb_core::persistent::PersistentMap;
use lb_core::report::Problem;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

/// Brings the kernel to a desired state. What it has lowered that to, and what it knows of the kernel, is its own.
pub(super) trait Datapath: Send {
    /// Its name, as `--datapath` has it.
    fn name(&self) -> &'static str;

    /// How its programs are attached to tc, for `lbctl status`; empty if it has no programs there.
    fn tc(&self) -> &'static str;

    /// Reads the kernel's state anew, in place of what is known of it.
    ///
    /// # Errors
    /// When the kernel could not be read.
    fn observe(&mut self) -> Result<(), ObserveError>;

    /// The published ports that are served now, by the last known state.
    fn serving(&mut self) -> PersistentMap<Number, Serving>;

    /// May `task`, which runs on this node, hold flows by the last known state?
    fn holds(&self, task: Key) -> bool;

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

    /// The addresses by which processes of this node call the tasks of what was applied last.
    fn task_addresses(&self) -> TaskAddresses;

    /// Called every second: renews the lease (`None`: no end). Returns whether drift was found: another program
    /// changed the kernel's state.
    ///
    /// # Errors
    /// When the kernel refused.
    fn tick(&mut self, lease: Option<Duration>) -> Result<bool, ObserveError>;

    /// Those of the ports in `withdrawn` that have no connection any more, as far as that is known by now. To be asked also
    /// where no port is withdrawn: what was found about others is forgotten then.
    ///
    /// # Errors
    /// When the kernel could not be read.
    fn drained(&mut self, withdrawn: &WithdrawnPorts) -> Result<BTreeSet<Number>, ObserveError>;

    /// MTUs of the paths to other nodes, by their addresses and in bytes, that routers have told this node lately about tunnel
    /// packets.
    ///
    /// # Errors
    /// When the kernel could not be read.
    fn learned_path_mtus(&mut self) -> Result<BTreeMap<Ipv4Addr, u32>, ObserveError>;

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

/// The datapath of one back end: its pure half with what is known of the kernel, and its kernel half.
pub(super) struct BackendDatapath<K: NodeKernel> {
    kernel: K,
    applier: Applier<K::Backend>,
}

impl<K: NodeKernel> BackendDatapath<K> {
    /// Knows nothing of the kernel yet.
    pub(super) fn new(kernel: K) -> Self {
        Self::with(kernel, K::Backend::default())
    }

    /// Knows nothing of the kernel yet; `backend` is the pure half.
    fn with(kernel: K, backend: K::Backend) -> Self {
        Self {
            kernel,
            applier: Applier::new(backend),
        }
    }
}

impl<K: NodeKernel> Datapath for BackendDatapath<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn tc(&self) -> &'static str {
        self.kernel.tc()
    }

    fn observe(&mut self) -> Result<(), ObserveError> {
        self.applier.observe(&mut self.kernel)
    }

    fn serving(&mut self) -> PersistentMap<Number, Serving> {
        self.applier.serving()
    }

    fn holds(&self, task: Key) -> bool {
        self.applier.holds(task)
    }

    fn token_keys(&self) -> Result<Option<TokenKeys>, ObserveError> {
        self.kernel.token_keys()
    }

    fn retry_refused(&mut self) {
        self.applier.retry_refused();
    }

    fn apply(&mut self, want: &Desired, prune: Prune) -> Result<Applied, ObserveError> {
        let ops = self.applier.plan(&mut self.kernel, want, prune)?;
        self.kernel.lowered(self.applier.backend());
        for op in &ops {
            tracing::debug!(%op, "operation");
        }
        let applied = self.applier.execute(&mut self.kernel, &ops)?;
        if !ops.is_empty() {
            tracing::info!(
                operations = ops.len(),
                failed = applied.errors.len(),
                services = want.services.len(),
                "applied"
            );
        }
        let mut problems = self.kernel.degraded();
        problems.extend(applied.errors.iter().map(|error| Problem {
            object: error.op.to_string(),
            message: error_chain(error),
        }));
        Ok(Applied {
            hooks: self.applier.have().map(K::hooks).unwrap_or_default(),
            problems,
            in_sync: applied.in_sync,
        })
    }

    fn task_addresses(&self) -> TaskAddresses {
        self.applier.backend().task_addresses()
    }

    fn tick(&mut self, lease: Option<Duration>) -> Result<bool, ObserveError> {
        self.kernel.tick(lease, self.applier.have())
    }

    fn drained(&mut self, withdrawn: &WithdrawnPorts) -> Result<BTreeSet<Number>, ObserveError> {
        match self.applier.have() {
            Some(have) => self.kernel.drained(withdrawn, have),
            None => Ok(BTreeSet::new()),
        }
    }

    fn learned_path_mtus(&mut self) -> Result<BTreeMap<Ipv4Addr, u32>, ObserveError> {
        self.kernel.learned_path_mtus()
    }

    fn stats_reader(&self) -> Result<Box<dyn StatsReader>, ObserveError> {
        self.kernel.stats_reader()
    }
}
