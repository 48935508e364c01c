//! The IPVS kernel half as the agent's loop drives it.

use super::{IpvsKernel, observe};
use crate::error_chain::error_chain;
use crate::kernel::{NodeKernel, StatsReader};
use lb_core::backend::ipvs::{Ipvs, State};
use lb_core::desired::{Number, WithdrawnPorts};
use lb_core::kernel::{Kernel as _, ObserveError};
use lb_core::model::token::TokenKeys;
use lb_core::report::Problem;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Restarting a firewall flushes rules and virtual services. When there are signs of that, the whole state is
/// observed, which takes longer the larger it is: full observations may take at most 1/DUTY_DIVISOR of the agent's time.
const DUTY_DIVISOR: u32 = 3;

impl NodeKernel for IpvsKernel {
    type Backend = Ipvs;

    const NAME: &'static str = "ipvs";

    fn degraded(&self) -> Vec<Problem> {
        IpvsKernel::degraded(self)
    }

    fn token_keys(&self) -> Result<Option<TokenKeys>, ObserveError> {
        IpvsKernel::token_keys(self)
    }

    fn lowered(&mut self, backend: &Ipvs) {
        self.set_owners(backend.lowered());
    }

    fn tick(
        &mut self,
        lease: Option<Duration>,
        have: Option<&State>,
    ) -> Result<bool, ObserveError> {
        // The lease is among the rules: if it can't be renewed, the rules are gone.
        if let Err(error) = self.lease(lease) {
            tracing::warn!(
                error = error_chain(&error),
                "the lease could not be renewed"
            );
            return Ok(true);
        }
        let begin = Instant::now();
        let Some(have) = have.filter(|_| begin >= self.drift_check_at) else {
            return Ok(false);
        };
        if self.seems_unchanged()? {
            return Ok(false);
        }
        let same = self.observe()? == *have;
        self.drift_check_at = Instant::now() + begin.elapsed() * DUTY_DIVISOR;
        Ok(!same)
    }

    /// Of a connection that is over, IPVS remembers the ports for up to two minutes; so long it counts. None while it is not time
    /// to look again.
    fn drained(
        &mut self,
        withdrawn: &WithdrawnPorts,
        have: &State,
    ) -> Result<BTreeSet<Number>, ObserveError> {
        let mut looks = std::mem::take(&mut self.drain_looks);
        let services = have.services_of_ports();
        let is_in_use = |service| self.is_in_use(service);
        let drained = looks.look(withdrawn.ports(), services, is_in_use, Instant::now);
        self.drain_looks = looks;
        drained.map_err(|error| observe("connections", error))
    }

    fn stats_reader(&self) -> Result<Box<dyn StatsReader>, ObserveError> {
        Ok(Box::new(self.stats()))
    }
}
