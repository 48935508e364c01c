//! The IPVS path under the turns.

use super::{Datapath, Reached};
use crate::kernel::Meter;
use crate::kernel::ipvs::IpvsKernel;
use crate::sentence::causes;
use lb_core::ipvs::{self, lower};
use lb_core::kernel::{Kernel as _, ObserveError};
use lb_core::node::Node;
use lb_core::plan::Gate;
use lb_core::report::Problem;
use lb_core::state::State;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Rules are flushed and servers cleared by the way, by whoever restarts a firewall. Where there are signs of
/// that, everything is looked at. That takes longer the more there is: at most one part in so many of the
/// agent's time.
const SHARE: u32 = 3;

/// Virtual servers, rules and ways.
pub(super) struct Ipvs {
    kernel: IpvsKernel,
    /// What the kernel holds of it; none: look first.
    have: Option<ipvs::State>,
    /// What it was last brought to serve.
    served: State,
    /// Not to look whether that still stands before then.
    watch: Instant,
}

impl Ipvs {
    pub(super) fn new(kernel: IpvsKernel) -> Self {
        Self {
            kernel,
            have: None,
            served: State::default(),
            watch: Instant::now(),
        }
    }
}

impl Datapath for Ipvs {
    fn name(&self) -> &'static str {
        "ipvs"
    }

    fn look(&mut self) -> Result<State, ObserveError> {
        self.have = Some(self.kernel.observe()?);
        Ok(self.served.clone())
    }

    fn reach(
        &mut self,
        want: &State,
        _have: State,
        node: &Node,
        gate: Gate,
    ) -> Result<Reached, ObserveError> {
        let mut have = match self.have.take() {
            Some(have) => have,
            None => self.kernel.observe()?,
        };
        let wanted = lower(want, node);
        self.kernel.name(&wanted);
        let ops = ipvs::plan(&wanted.state, &have, gate);
        for op in &ops {
            tracing::debug!(step = %op, "step");
        }
        let errors = ipvs::apply_all(&mut self.kernel, &ops);
        if !ops.is_empty() {
            tracing::info!(
                steps = ops.len(),
                failed = errors.len(),
                servers = wanted.state.servers.len(),
                ways = wanted.state.ways.len(),
                "applied"
            );
        }
        let mut problems: Vec<Problem> = self.kernel.degraded();
        problems.extend(errors.iter().map(|error| Problem {
            object: error.op.to_string(),
            sentence: causes(error),
        }));
        let in_sync = errors.is_empty();
        if in_sync {
            for op in &ops {
                op.apply_to(&mut have);
            }
            self.have = Some(have);
        }
        self.served = want.clone();
        Ok(Reached {
            have: want.clone(),
            hooks: BTreeSet::new(),
            problems,
            in_sync,
        })
    }

    fn beat(
        &mut self,
        lasts: Option<Duration>,
        _state: Option<&State>,
    ) -> Result<bool, ObserveError> {
        // The lease is among the rules: where it is not to be renewed, those are gone.
        if let Err(error) = self.kernel.lease(lasts) {
            tracing::warn!(error = causes(&error), "the lease could not be renewed");
            return Ok(true);
        }
        let begin = Instant::now();
        let Some(have) = self.have.as_ref().filter(|_| begin >= self.watch) else {
            return Ok(false);
        };
        if self.kernel.seems_unchanged()? {
            return Ok(false);
        }
        let same = self.kernel.observe()? == *have;
        self.watch = Instant::now() + begin.elapsed() * SHARE;
        Ok(!same)
    }

    fn meter(&self) -> Result<Box<dyn Meter>, ObserveError> {
        Ok(Box::new(self.kernel.meter()))
    }
}
