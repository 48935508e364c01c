//! The eBPF datapath.

use super::{Applied, Datapath};
use crate::error_chain::error_chain;
use crate::kernel::StatsReader;
use crate::kernel::bpf::BpfKernel;
use lb_abi::service::SCHED_LC;
use lb_core::backend::Prune;
use lb_core::backend::ebpf::{HookKind, InUse, Lowered, Op, State, apply_all, plan};
use lb_core::desired::{Desired, Number};
use lb_core::kernel::sparing::{Refused, Sparing};
use lb_core::kernel::{Kernel as _, ObserveError};
use lb_core::node::Serving;
use lb_core::persistent::PersistentMap;
use lb_core::report::Problem;
use lb_core::token::TokenKeys;
use std::time::Duration;

/// Programs, links and maps, with the operations that the kernel refused.
pub(super) struct Ebpf {
    kernel: BpfKernel,
    /// Last known state of the kernel; `None`: observe first.
    have: Option<State>,
    lowered: Lowered,
    in_use: InUse,
    refused: Refused,
}

impl Ebpf {
    pub(super) fn new(kernel: BpfKernel) -> Self {
        Self {
            kernel,
            have: None,
            lowered: Lowered::default(),
            in_use: InUse::default(),
            refused: Refused::default(),
        }
    }
}

impl Datapath for Ebpf {
    fn name(&self) -> &'static str {
        "ebpf"
    }

    fn tc(&self) -> &'static str {
        self.kernel.tc().as_str()
    }

    fn observe(&mut self) -> Result<(), ObserveError> {
        self.have = None;
        // What was lowered relied on what was known.
        self.lowered = Lowered::default();
        self.have = Some(self.kernel.observe()?);
        Ok(())
    }

    fn serving(&mut self) -> PersistentMap<Number, Serving> {
        let have = self.have.as_ref();
        have.map_or_else(PersistentMap::default, |have| self.in_use.of(have).clone())
    }

    fn retry_refused(&mut self) {
        self.refused.forget();
    }

    fn token_keys(&self) -> Result<Option<TokenKeys>, ObserveError> {
        self.kernel.token_keys()
    }

    fn apply(&mut self, want: &Desired, prune: Prune) -> Result<Applied, ObserveError> {
        let mut have = match self.have.take() {
            Some(have) => have,
            None => {
                self.lowered = Lowered::default();
                self.kernel.observe()?
            }
        };
        self.lowered = std::mem::take(&mut self.lowered).update(want, &have);
        let want = &self.lowered.want;
        let ops = plan(want, &have, prune);
        for op in &ops {
            tracing::debug!(step = %op, "step");
        }
        let mut kernel = Sparing::new(&mut self.kernel, &mut self.refused);
        let errors = apply_all(&mut kernel, &ops);
        let (done, refused_anew) = (kernel.done, kernel.refused_anew);
        if !ops.is_empty() {
            tracing::info!(
                steps = ops.len(),
                failed = errors.len(),
                frontends = want.frontends.len(),
                backends = want.backends.len(),
                "applied"
            );
        }
        let mut problems = Vec::new();
        let in_sync = errors.iter().all(|error| optional(&error.op));
        let mut host = false;
        for error in &errors {
            // Those on the root cgroup fail for one reason, which is reported once.
            if on_host(&error.op) && std::mem::replace(&mut host, true) {
                continue;
            }
            problems.push(Problem {
                object: error.op.to_string(),
                message: error_chain(error),
            });
        }
        if in_sync {
            // Optional operations are tried in each pass.
            self.refused.forget();
        }
        if in_sync || !refused_anew {
            for op in &done {
                op.apply_to(&mut have);
            }
            have.reuse_from(want);
        } else {
            // Only the kernel knows what the failed operation left.
            have = self.kernel.observe()?;
        }
        let hooks = have.hooks.clone();
        self.have = Some(have);
        Ok(Applied {
            hooks,
            problems,
            in_sync,
        })
    }

    fn tick(&mut self, lease: Option<Duration>) -> Result<bool, ObserveError> {
        self.kernel.lease(lease)?;
        let least = |state: &State| {
            let mut frontends = state.frontends.values();
            frontends.any(|port| port.scheduler == SCHED_LC)
        };
        if self.have.as_ref().is_some_and(least) {
            self.kernel.recount_loads();
        }
        // Links and maps are pinned: other programs don't change them by accident.
        Ok(false)
    }

    fn stats_reader(&self) -> Result<Box<dyn StatsReader>, ObserveError> {
        Ok(Box::new(self.kernel.stats_reader()?))
    }
}

/// Operations without which every service is still served.
fn optional(op: &Op) -> bool {
    matches!(op, Op::Attach(hook) if hook.kind == HookKind::UplinkXdp) || on_host(op)
}

/// Operations that serve only processes on the node itself.
fn on_host(op: &Op) -> bool {
    matches!(op, Op::Attach(hook) if hook.kind.on_host())
}
