//! The eBPF path under the turns.

use super::{Datapath, Reached};
use crate::kernel::Meter;
use crate::kernel::bpf::BpfKernel;
use crate::sentence::causes;
use lb_abi::service::PICK_LEAST;
use lb_core::kernel::{Kernel as _, ObserveError, apply_all};
use lb_core::node::Node;
use lb_core::op::Op;
use lb_core::plan::{Gate, plan};
use lb_core::report::Problem;
use lb_core::state::{HookKind, State};
use std::time::Duration;

/// Programs, links and maps.
pub(super) struct Ebpf(pub(super) BpfKernel);

impl Datapath for Ebpf {
    fn name(&self) -> &'static str {
        "ebpf"
    }

    fn tc(&self) -> &'static str {
        self.0.tc().as_str()
    }

    fn look(&mut self) -> Result<State, ObserveError> {
        self.0.observe()
    }

    fn reach(
        &mut self,
        want: &State,
        mut have: State,
        _node: &Node,
        gate: Gate,
    ) -> Result<Reached, ObserveError> {
        let ops = plan(want, &have, gate);
        for op in &ops {
            tracing::debug!(step = %op, "step");
        }
        let errors = apply_all(&mut self.0, &ops);
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
            // Those on the root cgroup fail for one reason, which is told once.
            if on_host(&error.op) && std::mem::replace(&mut host, true) {
                continue;
            }
            problems.push(Problem {
                object: error.op.to_string(),
                sentence: causes(error),
            });
        }
        if in_sync {
            for op in ops
                .iter()
                .filter(|op| !errors.iter().any(|error| error.op == **op))
            {
                op.apply_to(&mut have);
            }
            have.share(want);
        } else {
            // What stands now is the kernel's to say, at the next turn.
            have = self.0.observe()?;
        }
        Ok(Reached {
            hooks: have.hooks.clone(),
            have,
            problems,
            in_sync,
        })
    }

    fn beat(
        &mut self,
        lasts: Option<Duration>,
        state: Option<&State>,
    ) -> Result<bool, ObserveError> {
        self.0.lease(lasts)?;
        let least = |state: &State| state.frontends.values().any(|port| port.pick == PICK_LEAST);
        if state.is_some_and(least) {
            self.0.weigh()?;
        }
        // Links and maps are pinned: nobody changes them by the way.
        Ok(false)
    }

    fn meter(&self) -> Result<Box<dyn Meter>, ObserveError> {
        Ok(Box::new(self.0.meter()?))
    }
}

/// Steps without which everything is still served.
fn optional(op: &Op) -> bool {
    matches!(op, Op::Attach(hook) if hook.kind == HookKind::UplinkXdp) || on_host(op)
}

/// A step that serves processes on the node itself.
fn on_host(op: &Op) -> bool {
    matches!(op, Op::Attach(hook) if hook.kind.on_host())
}
