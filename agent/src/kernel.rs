//! The effects: everything that changes the kernel is below this module.
//!
//! It knows `lb_core`'s states and steps, and nothing of where they come from.

pub mod bpf;
mod clock;
pub mod ipvs;

use lb_abi::counters::Reason;
use lb_abi::service::Port;
use lb_core::ids::Key;
use lb_core::kernel::ObserveError;
use lb_core::report;
use lb_core::tell::FlowTable;
use lb_datapath::model::Memory;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

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

/// Reads what a datapath counts and remembers, with handles of its own: reading holds nothing up.
pub trait Meter: Send + Sync {
    /// What clients did through this node so far, and how many flows are open now.
    ///
    /// # Errors
    /// When the kernel could not be asked; so below.
    fn read(&self) -> Result<Traffic, ObserveError>;

    /// The flows that this node remembers.
    ///
    /// # Errors
    /// See above.
    fn flows(&self) -> Result<FlowTable, ObserveError>;

    /// A copy of what decides about packets of `client` to the published port `port`; none where
    /// the kernel decides by itself.
    ///
    /// # Errors
    /// See above.
    fn memory(&self, client: Ipv4Addr, port: &Port) -> Result<Option<Memory>, ObserveError>;

    /// Packets dropped on this node so far, by reason.
    ///
    /// # Errors
    /// See above.
    fn drops(&self) -> Result<BTreeMap<Reason, u64>, ObserveError>;
}
