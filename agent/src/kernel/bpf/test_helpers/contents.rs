//! Contents of the maps that programs write.

use crate::kernel::bpf::maps::{Flows, Plain, RevNats, Table, observe_error};
use crate::kernel::bpf::{BpfKernel, Failure};
use aya::maps::{Map, MapError, PerCpuArray};
use lb_abi::Be32;
use lb_abi::counters::Reason;
use lb_abi::flow::{FirstFragment, Flow, Fragments, RevNat, SnatEntry, Tuple};
use lb_abi::path_mtu::PathMtu;
use lb_abi::service::{AffinityKey, AffinityValue, Port};
use lb_abi::sock_rev_nat::{SockRevNatKey, SockRevNatValue};
use lb_core::kernel::ObserveError;
use lb_core::model::ids::Key;
use std::collections::BTreeMap;

impl BpfKernel {
    /// Sets the number of a task's open flows until [`BpfKernel::recount_loads`] counts them.
    ///
    /// # Errors
    /// When the map could not be written.
    pub fn set_load(&mut self, task: Key, flows: u64) -> Result<(), ObserveError> {
        self.maps.loads.insert(task.0, flows).map_err(observe_error)
    }

    /// Settled and embryonic flows, by the tuple of the client's packets.
    ///
    /// # Errors
    /// When the map could not be read.
    pub fn flows(&self) -> Result<BTreeMap<Tuple, Flow>, ObserveError> {
        let flows = Flows::open(&self.hooks.directory);
        flows
            .and_then(|flows| flows.walk(|_| true))
            .map_err(observe_error)
    }

    /// Shows each embryonic flow to `visit`, as garbage collection walks over them. Returns whether the walk came to
    /// the end of the map.
    ///
    /// # Errors
    /// When the map could not be read.
    pub fn visit_opening(&self, mut visit: impl FnMut(Tuple)) -> Result<bool, ObserveError> {
        let flows = Flows::open(&self.hooks.directory);
        flows
            .and_then(|flows| flows.embryonic.visit(|tuple, _| visit(tuple)))
            .map_err(observe_error)
    }

    /// Reverse NAT of settled and embryonic flows, by the tuple of the task's packets.
    ///
    /// # Errors
    /// When a map could not be read.
    pub fn replies(&self) -> Result<BTreeMap<Tuple, RevNat>, ObserveError> {
        let rev_nats = RevNats::open(&self.hooks.directory);
        rev_nats
            .and_then(|rev_nats| rev_nats.walk(|_| true))
            .map_err(observe_error)
    }

    /// First fragments of packets, by source, destination and identification.
    ///
    /// # Errors
    /// When the map could not be read.
    pub fn fragments(&self) -> Result<BTreeMap<Fragments, FirstFragment>, ObserveError> {
        self.entries("LB_FRAGMENTS")
    }

    /// Affinity of clients: of those with an established flow, and of those with embryonic ones only.
    ///
    /// # Errors
    /// When a map could not be read.
    pub fn kept(&self) -> Result<[BTreeMap<AffinityKey, AffinityValue>; 2], ObserveError> {
        Ok([
            self.entries("LB_AFFINITY")?,
            self.entries("LB_AFFINITY_EMB")?,
        ])
    }

    /// Reverse NAT of sockets of processes on the node.
    ///
    /// # Errors
    /// When the map could not be read.
    pub fn calls(&self) -> Result<BTreeMap<SockRevNatKey, SockRevNatValue>, ObserveError> {
        self.entries("LB_SOCK_REV_NAT")
    }

    /// Hairpin SNAT of this node's containers, by the tuple that they are presented under.
    ///
    /// # Errors
    /// When the map could not be read.
    pub fn callers(&self) -> Result<BTreeMap<Tuple, SnatEntry>, ObserveError> {
        self.entries("LB_HAIRPIN_SNAT")
    }

    /// Answers to the node's own datagrams from published ports, with the tick in which it last sent.
    ///
    /// # Errors
    /// When the map could not be read.
    pub fn own_flows(&self) -> Result<BTreeMap<Tuple, u32>, ObserveError> {
        self.entries("LB_OWN_FLOWS")
    }

    /// Round-robin counters by published port.
    ///
    /// # Errors
    /// When the map could not be read.
    pub fn turns(&self) -> Result<BTreeMap<Port, u64>, ObserveError> {
        self.maps.turns.entries().map_err(observe_error)
    }

    /// MTUs of the paths to other nodes, as routers say, by the nodes' addresses.
    ///
    /// # Errors
    /// When the map could not be read.
    pub fn path_mtus(&self) -> Result<BTreeMap<Be32, PathMtu>, ObserveError> {
        self.maps.path_mtus.entries().map_err(observe_error)
    }

    /// Packets dropped so far, by reason; read apart from [`crate::kernel::StatsReader::drops`], which tests check by it.
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

    /// Entries of the LRU map `name`.
    fn entries<K: Plain + Ord, V: Plain>(
        &self,
        name: &'static str,
    ) -> Result<BTreeMap<K, V>, ObserveError> {
        let map = Table::pinned(&self.hooks.directory, name, Map::LruHashMap);
        map.and_then(|map| map.entries()).map_err(observe_error)
    }
}
