//! The IPVS datapath.

use super::{Applied, Datapath};
use crate::error_chain::error_chain;
use crate::kernel::StatsReader;
use crate::kernel::ipvs::IpvsKernel;
use lb_core::backend::Prune;
use lb_core::backend::ipvs::{self, lower};
use lb_core::desired::{Desired, Number};
use lb_core::kernel::sparing::{Refused, Sparing};
use lb_core::kernel::{Kernel as _, ObserveError};
use lb_core::node::Serving;
use lb_core::persistent::PersistentMap;
use lb_core::report::Problem;
use lb_core::token::TokenKeys;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// Restarting a firewall flushes rules and virtual services. When there are signs of that, the whole state is
/// observed, which takes longer the larger it is: full observations may take at most 1/DUTY_DIVISOR of the agent's time.
const DUTY_DIVISOR: u32 = 3;

/// Virtual services, rules and routes.
pub(super) struct Ipvs {
    kernel: IpvsKernel,
    /// Last known state of the kernel; `None`: observe first.
    have: Option<ipvs::State>,
    /// The published ports of the desired state that was applied last.
    serving: PersistentMap<Number, Serving>,
    /// Keys of other nodes, as far as they were known then.
    peer_keys: BTreeMap<Ipv4Addr, TokenKeys>,
    refused: Refused,
    /// Earliest time of the next look for drift.
    drift_check_at: Instant,
}

impl Ipvs {
    pub(super) fn new(kernel: IpvsKernel) -> Self {
        Self {
            kernel,
            have: None,
            serving: PersistentMap::default(),
            peer_keys: BTreeMap::new(),
            refused: Refused::default(),
            drift_check_at: Instant::now(),
        }
    }
}

impl Datapath for Ipvs {
    fn name(&self) -> &'static str {
        "ipvs"
    }

    fn observe(&mut self) -> Result<(), ObserveError> {
        self.have = Some(self.kernel.observe()?);
        Ok(())
    }

    fn serving(&mut self) -> PersistentMap<Number, Serving> {
        self.serving.clone()
    }

    fn token_keys(&self) -> Result<Option<TokenKeys>, ObserveError> {
        self.kernel.token_keys()
    }

    fn retry_refused(&mut self) {
        self.refused.forget();
    }

    fn apply(&mut self, want: &Desired, prune: Prune) -> Result<Applied, ObserveError> {
        let mut have = match self.have.take() {
            Some(have) => have,
            None => self.kernel.observe()?,
        };
        let mut wanted = lower(want, &self.peer_keys);
        wanted.state.keep_cookies(&have);
        self.kernel.set_owners(&wanted);
        let ops = ipvs::plan(&wanted.state, &have, prune);
        for op in &ops {
            tracing::debug!(step = %op, "step");
        }
        let mut kernel = Sparing::new(&mut self.kernel, &mut self.refused);
        let errors = ipvs::apply_all(&mut kernel, &ops);
        let (done, refused_anew) = (kernel.done, kernel.refused_anew);
        if !ops.is_empty() {
            tracing::info!(
                steps = ops.len(),
                failed = errors.len(),
                services = wanted.state.services.len(),
                routes = wanted.state.routes.len(),
                "applied"
            );
        }
        let mut problems: Vec<Problem> = self.kernel.degraded();
        problems.extend(errors.iter().map(|error| Problem {
            object: error.op.to_string(),
            message: error_chain(error),
        }));
        let in_sync = errors.is_empty();
        // Only the kernel knows what the failed operation left.
        if !refused_anew {
            for op in &done {
                op.apply_to(&mut have);
            }
            self.have = Some(have);
        }
        self.serving = want.serving();
        self.peer_keys = wanted.peer_keys;
        Ok(Applied {
            hooks: BTreeSet::new(),
            problems,
            in_sync,
        })
    }

    fn tick(&mut self, lease: Option<Duration>) -> Result<bool, ObserveError> {
        // The lease is among the rules: if it can't be renewed, the rules are gone.
        if let Err(error) = self.kernel.lease(lease) {
            tracing::warn!(
                error = error_chain(&error),
                "the lease could not be renewed"
            );
            return Ok(true);
        }
        let begin = Instant::now();
        let Some(have) = self.have.as_ref().filter(|_| begin >= self.drift_check_at) else {
            return Ok(false);
        };
        if self.kernel.seems_unchanged()? {
            return Ok(false);
        }
        let same = self.kernel.observe()? == *have;
        self.drift_check_at = Instant::now() + begin.elapsed() * DUTY_DIVISOR;
        Ok(!same)
    }

    fn stats_reader(&self) -> Result<Box<dyn StatsReader>, ObserveError> {
        Ok(Box::new(self.kernel.stats()))
    }
}
