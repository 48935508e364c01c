//! The eBPF datapath.

use super::{Applied, Datapath};
use crate::error_chain::error_chain;
use crate::kernel::StatsReader;
use crate::kernel::bpf::BpfKernel;
use lb_abi::service::SCHED_LC;
use lb_core::kernel::sparing::{Refused, Sparing};
use lb_core::kernel::{Kernel as _, ObserveError, apply_all};
use lb_core::node::Node;
use lb_core::op::Op;
use lb_core::plan::{Prune, plan};
use lb_core::report::Problem;
use lb_core::state::{HookKind, State};
use lb_core::token::TokenKeys;
use std::time::Duration;

/// Programs, links and maps, with the operations that the kernel refused.
pub(super) struct Ebpf {
    kernel: BpfKernel,
    refused: Refused,
}

impl Ebpf {
    pub(super) fn new(kernel: BpfKernel) -> Self {
        Self {
            kernel,
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

    fn observe(&mut self) -> Result<State, ObserveError> {
        self.kernel.observe()
    }

    fn retry_refused(&mut self) {
        self.refused.forget();
    }

    fn token_keys(&self) -> Result<Option<TokenKeys>, ObserveError> {
        self.kernel.token_keys()
    }

    fn apply(
        &mut self,
        want: &State,
        mut have: State,
        _node: &Node,
        prune: Prune,
    ) -> Result<Applied, ObserveError> {
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
        Ok(Applied {
            hooks: have.hooks.clone(),
            have,
            problems,
            in_sync,
        })
    }

    fn tick(
        &mut self,
        lease: Option<Duration>,
        state: Option<&State>,
    ) -> Result<bool, ObserveError> {
        self.kernel.lease(lease)?;
        let least = |state: &State| {
            state
                .frontends
                .values()
                .any(|port| port.scheduler == SCHED_LC)
        };
        if state.is_some_and(least) {
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
