//! Kernel back ends: everything that changes the kernel is below this module.
//!
//! It depends on `lb_core`'s states and operations, not on their sources.

pub mod bpf;
mod clock;
pub mod ipvs;
pub mod machine;

use lb_abi::counters::Reason;
use lb_abi::service::Port;
use lb_core::backend::Backend;
use lb_core::backend::ebpf::Hook;
use lb_core::desired::{Number, WithdrawnPorts};
use lb_core::kernel::{Kernel, ObserveError};
use lb_core::model::ids::Key;
use lb_core::model::token::TokenKeys;
use lb_core::report::build::{FlowTable, Occupancy};
use lb_core::report::{self, Problem};
use lb_core::table_sizes::TableSizes;
use lb_datapath::model::Memory;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

/// The kernel half of a back end, on a node that serves.
pub trait NodeKernel: Kernel<State: Send> + Send {
    /// The pure half.
    type Backend: Backend<State = Self::State, Op = Self::Op> + Default + Send;

    /// The name of the datapath, as `--datapath` has it.
    const NAME: &'static str;

    /// How programs are attached to tc; empty if there are none.
    fn tc(&self) -> &'static str {
        ""
    }

    /// Hooks with a program attached.
    fn hooks(_state: &Self::State) -> BTreeSet<Hook> {
        BTreeSet::new()
    }

    /// Capabilities that this kernel lacks.
    fn degraded(&self) -> Vec<Problem> {
        Vec::new()
    }

    /// The keys of what this node puts into the tunnel, if the kernel holds any.
    ///
    /// # Errors
    /// When the kernel could not be read.
    fn token_keys(&self) -> Result<Option<TokenKeys>, ObserveError>;

    /// Something was lowered, and is about to be applied.
    fn lowered(&mut self, _backend: &Self::Backend) {}

    /// Called every second, with the last known state: renews the lease (`None`: no end), and does what else is
    /// due. Returns whether another program has changed the state.
    ///
    /// # Errors
    /// When the kernel refused.
    fn tick(
        &mut self,
        lease: Option<Duration>,
        have: Option<&Self::State>,
    ) -> Result<bool, ObserveError>;

    /// Those of the ports in `withdrawn` that have no connection any more, as far as that is known by now. `have` is the last
    /// known state. To be asked also where no port is withdrawn: what was found about others is forgotten then.
    ///
    /// # Errors
    /// When the kernel could not be read.
    fn drained(
        &mut self,
        _withdrawn: &WithdrawnPorts,
        _have: &Self::State,
    ) -> Result<BTreeSet<Number>, ObserveError> {
        Ok(BTreeSet::new())
    }

    /// MTUs of the paths to other nodes, by their addresses and in bytes, that routers have told this node lately about tunnel
    /// packets. None where the kernel itself follows them.
    ///
    /// # Errors
    /// When the kernel could not be read.
    fn learned_path_mtus(&mut self) -> Result<BTreeMap<Ipv4Addr, u32>, ObserveError> {
        Ok(BTreeMap::new())
    }

    /// A reader of counters and flows with handles of its own.
    ///
    /// # Errors
    /// When it can't be opened.
    fn stats_reader(&self) -> Result<Box<dyn StatsReader>, ObserveError>;
}

/// Name of the device with an index in this network namespace, if there is one.
fn device_name(index: u32) -> Option<String> {
    let name = nix::net::if_::if_indextoname(index).ok()?;
    name.into_string().ok()
}

/// Counters of this node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Per task that may hold flows.
    pub tasks: BTreeMap<Key, report::Counters>,
    /// Per service: tasks that are gone.
    pub retired: BTreeMap<Key, report::Counters>,
}

/// Reads a datapath's counters and flows, with handles of its own, so that it never blocks the main loop.
pub trait StatsReader: Send + Sync {
    /// Counters of this node's traffic so far, and the number of open flows.
    ///
    /// # Errors
    /// When the kernel could not be read.
    fn read(&self) -> Result<Traffic, ObserveError>;

    /// The flow table of this node.
    ///
    /// # Errors
    /// When the kernel could not be read.
    fn flows(&self) -> Result<FlowTable, ObserveError>;

    /// A copy of the maps' entries that decide about packets of `client` to the published port `port`; `None`
    /// if the kernel has no such maps (IPVS).
    ///
    /// # Errors
    /// When the kernel could not be read.
    fn map_snapshot(&self, client: Ipv4Addr, port: &Port) -> Result<Option<Memory>, ObserveError>;

    /// Packets dropped on this node so far, by reason.
    ///
    /// # Errors
    /// When the kernel could not be read.
    fn drops(&self) -> Result<BTreeMap<Reason, u64>, ObserveError>;

    /// Entries of the tables that programs fill, as of the last count, and the sizes of these tables. `None` before the first
    /// count, and by IPVS, which has no such tables.
    fn occupancy(&self) -> Option<(Occupancy, TableSizes)> {
        None
    }
}
