//! The eBPF kernel half as the agent's loop drives it.

use super::BpfKernel;
use crate::kernel::{NodeKernel, StatsReader};
use lb_abi::service::SCHED_LC;
use lb_core::backend::ebpf::{Ebpf, Hook, State};
use lb_core::desired::{Number, WithdrawnPorts};
use lb_core::kernel::ObserveError;
use lb_core::model::token::TokenKeys;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

impl NodeKernel for BpfKernel {
    type Backend = Ebpf;

    const NAME: &'static str = "ebpf";

    fn tc(&self) -> &'static str {
        BpfKernel::tc(self).as_str()
    }

    fn hooks(state: &State) -> BTreeSet<Hook> {
        state.hooks.clone()
    }

    fn token_keys(&self) -> Result<Option<TokenKeys>, ObserveError> {
        BpfKernel::token_keys(self)
    }

    /// Links and maps are pinned: other programs don't change them by accident, so that no drift is looked for.
    fn tick(
        &mut self,
        lease: Option<Duration>,
        have: Option<&State>,
    ) -> Result<bool, ObserveError> {
        self.lease(lease)?;
        let least_conn = |state: &State| {
            let mut frontends = state.frontends.values();
            frontends.any(|port| port.scheduler == SCHED_LC)
        };
        if have.is_some_and(least_conn) {
            self.recount_loads();
        } else {
            self.recount_now_and_then();
        }
        Ok(false)
    }

    fn drained(
        &mut self,
        withdrawn: &WithdrawnPorts,
        _have: &State,
    ) -> Result<BTreeSet<Number>, ObserveError> {
        Ok(self.chores.drained(withdrawn))
    }

    fn learned_path_mtus(&mut self) -> Result<BTreeMap<Ipv4Addr, u32>, ObserveError> {
        BpfKernel::learned_path_mtus(self)
    }

    fn stats_reader(&self) -> Result<Box<dyn StatsReader>, ObserveError> {
        Ok(Box::new(BpfKernel::stats_reader(self)?))
    }
}
