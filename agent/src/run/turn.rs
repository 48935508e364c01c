//! One turn: what shall be, what is, and the steps between.

use super::beat::beat;
use crate::cli::Lease;
use crate::kernel::bpf::BpfKernel;
use crate::sentence::causes;
use lb_core::config::Config;
use lb_core::desired::Picture;
use lb_core::kernel::{Kernel, ObserveError, apply_all};
use lb_core::node::Node;
use lb_core::op::Op;
use lb_core::plan::{Gate, plan};
use lb_core::report::Problem;
use lb_core::snapshot::Snapshot;
use lb_core::state::{HookKind, State};
use std::collections::BTreeSet;

/// The kernel, and what it is known to hold.
pub(super) struct Turns {
    kernel: BpfKernel,
    /// None: look again.
    last: Option<Known>,
    /// Problems that were logged already.
    known: BTreeSet<Problem>,
}

/// What the last turn left behind, all of it as it was wanted.
struct Known {
    have: State,
    wanted: Picture,
}

/// How a turn went.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// What can't be served, and steps that the kernel refused.
    pub problems: Vec<Problem>,
    /// What the kernel holds now.
    pub state: State,
    /// Whether that is all that was wanted.
    pub in_sync: bool,
}

impl Turns {
    pub(super) fn new(kernel: BpfKernel) -> Self {
        Self {
            kernel,
            last: None,
            known: BTreeSet::new(),
        }
    }

    /// Makes the next turn look at the kernel instead of trusting what it did.
    pub(super) fn look_again(&mut self) {
        self.last = None;
    }

    /// What is done every second.
    pub(super) fn beat(&mut self, lease: Lease) -> Result<(), ObserveError> {
        let have = self.last.as_ref().map(|last| &last.have);
        beat(&mut self.kernel, lease, have)
    }

    /// Logs what is newly wrong, once.
    fn report(&mut self, problems: &[Problem]) {
        let now: BTreeSet<Problem> = problems.iter().cloned().collect();
        for problem in now.difference(&self.known) {
            tracing::warn!(
                object = problem.object,
                sentence = problem.sentence,
                "problem"
            );
        }
        for problem in self.known.difference(&now) {
            tracing::info!(object = problem.object, "problem is over");
        }
        self.known = now;
    }

    /// Brings the kernel to what `snapshot` asks for on `node`.
    pub(super) fn turn(
        &mut self,
        snapshot: &Snapshot,
        node: &Node,
        config: &Config,
    ) -> Result<Outcome, ObserveError> {
        let (mut have, picture) = match self.last.take() {
            Some(Known { have, wanted }) => {
                let next = wanted.next(snapshot, node, config, &have);
                (have, next)
            }
            None => {
                let have = self.kernel.observe()?;
                let picture = Picture::new(snapshot, node, config, &have);
                (have, picture)
            }
        };
        let want = &picture.want;
        let mut problems = picture.problems();
        let gate = if snapshot.complete {
            Gate::Open
        } else {
            Gate::AddOnly
        };
        let ops = plan(want, &have, gate);
        for op in &ops {
            tracing::debug!(step = %op, "step");
        }
        let errors = apply_all(&mut self.kernel, &ops);
        if !ops.is_empty() {
            tracing::info!(
                steps = ops.len(),
                failed = errors.len(),
                frontends = want.frontends.len(),
                backends = want.backends.len(),
                "applied"
            );
        }
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
        self.report(&problems);
        if in_sync {
            for op in ops
                .iter()
                .filter(|op| !errors.iter().any(|error| error.op == **op))
            {
                op.apply_to(&mut have);
            }
            have.share(want);
            self.last = Some(Known {
                have: have.clone(),
                wanted: picture,
            });
        } else {
            // What stands now is the kernel's to say, at the next turn.
            have = self.kernel.observe()?;
        }
        Ok(Outcome {
            problems,
            state: have,
            in_sync,
        })
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
