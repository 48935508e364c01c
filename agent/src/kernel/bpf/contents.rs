//! Reading what programs keep, for tests and looks.

use super::maps::{Plain, Table, observe_error, pinned};
use super::{BpfKernel, Failure};
use aya::maps::{Map, MapError, PerCpuArray};
use lb_abi::counters::Reason;
use lb_abi::flow::{FirstFragment, Flow, Fragments, RevNat, SnatEntry, Tuple};
use lb_abi::service::{AffinityKey, AffinityValue, Port};
use lb_abi::sock_rev_nat::{SockRevNatKey, SockRevNatValue};
use lb_core::ids::Key;
use lb_core::kernel::ObserveError;
use std::collections::BTreeMap;

impl BpfKernel {
    /// Says how many flows a task has; [`BpfKernel::recount_loads`] knows better.
    ///
    /// # Errors
    /// When the map could not be written.
    pub fn set_load(&mut self, task: Key, flows: u64) -> Result<(), ObserveError> {
        self.maps.loads.insert(task.0, flows).map_err(observe_error)
    }

    /// Flows, as clients see them.
    ///
    /// # Errors
    /// When the map could not be read.
    pub fn flows(&self) -> Result<BTreeMap<Tuple, Flow>, ObserveError> {
        self.maps.flows.walk(|_| true).map_err(observe_error)
    }

    /// What tasks' packets become.
    ///
    /// # Errors
    /// When the map could not be read.
    pub fn replies(&self) -> Result<BTreeMap<Tuple, RevNat>, ObserveError> {
        let mut replies = all(&self.maps.answering)?;
        replies.extend(all(&self.maps.replies)?);
        Ok(replies)
    }

    /// First fragments of packets.
    ///
    /// # Errors
    /// When the map could not be read.
    pub fn fragments(&self) -> Result<BTreeMap<Fragments, FirstFragment>, ObserveError> {
        all(&self.maps.fragments)
    }

    /// Clients that stay with their tasks, and those that are to, once they have proved to be there.
    ///
    /// # Errors
    /// When a map could not be read.
    pub fn kept(&self) -> Result<[BTreeMap<AffinityKey, AffinityValue>; 2], ObserveError> {
        let kept = |name| -> Result<_, ObserveError> {
            let map = pinned(&self.hooks.directory, name, Map::LruHashMap);
            all(&map
                .and_then(|map| Table::new(name, map))
                .map_err(observe_error)?)
        };
        Ok([kept("LB_AFFINITY")?, kept("LB_AFFINITY_EMB")?])
    }

    /// What processes on the node asked for.
    ///
    /// # Errors
    /// When the map could not be read.
    pub fn calls(&self) -> Result<BTreeMap<SockRevNatKey, SockRevNatValue>, ObserveError> {
        all(&self.maps.calls)
    }

    /// Containers of this node that call, by the tuple that they are presented under.
    ///
    /// # Errors
    /// When the map could not be read.
    pub fn callers(&self) -> Result<BTreeMap<Tuple, SnatEntry>, ObserveError> {
        all(&self.maps.callers)
    }

    /// Round-robin counters by published port.
    ///
    /// # Errors
    /// When the map could not be read.
    pub fn turns(&self) -> Result<BTreeMap<Port, u64>, ObserveError> {
        all(&self.maps.turns)
    }

    /// Packets dropped so far, by reason.
    ///
    /// # Errors
    /// When the map could not be read.
    pub fn drops(&self) -> Result<BTreeMap<Reason, u64>, ObserveError> {
        const NAME: &str = "LB_DROPS";
        let failed = |source| observe_error(Failure::Map { map: NAME, source });
        let map = self.hooks.ebpf.map(NAME).ok_or_else(|| {
            failed(MapError::InvalidName {
                name: NAME.to_owned(),
            })
        })?;
        let map = PerCpuArray::<_, u64>::try_from(map).map_err(failed)?;
        let mut drops = BTreeMap::new();
        for reason in Reason::ALL {
            let cpus = map.get(&(*reason as u32), 0).map_err(failed)?;
            drops.insert(*reason, cpus.iter().sum());
        }
        Ok(drops)
    }
}

fn all<K: Plain + Ord, V: Plain>(map: &Table<K, V>) -> Result<BTreeMap<K, V>, ObserveError> {
    map.entries().map_err(observe_error)
}
