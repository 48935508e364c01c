//! What is done every second, whether or not there are news: the datapath learns that its
//! agent lives, and how busy tasks are.

use crate::cli::Lease;
use crate::kernel::bpf::BpfKernel;
use lb_abi::service::PICK_LEAST;
use lb_core::kernel::ObserveError;
use lb_core::state::State;
use std::path::Path;
use std::time::Duration;

/// From one beat to the next.
pub(super) const EVERY: Duration = Duration::from_secs(1);

/// The kernel shows it as long as IPVS is there, which the stock mesh is made of.
const IPVS: &str = "/proc/net/ip_vs";

/// Renews the lease, and counts flows where `state` has a use for that.
pub(super) fn beat(
    kernel: &mut BpfKernel,
    lease: Lease,
    state: Option<&State>,
) -> Result<(), ObserveError> {
    kernel.lease(lasts(lease, Path::new(IPVS).exists()))?;
    let least = |state: &State| state.frontends.values().any(|port| port.pick == PICK_LEAST);
    if state.is_some_and(least) {
        kernel.weigh()?;
    }
    Ok(())
}

/// For how long the datapath serves alone. `stock`: there is a stock mesh on this node.
fn lasts(lease: Lease, stock: bool) -> Option<Duration> {
    match lease {
        Lease::Auto => stock.then_some(Lease::USUAL),
        Lease::Never => None,
        Lease::For(lasts) => Some(lasts),
    }
}

#[test]
fn only_where_somebody_else_serves_does_the_datapath_stop_by_itself() {
    let own = Duration::from_secs(7);
    assert_eq!(lasts(Lease::Auto, true), Some(Lease::USUAL));
    assert_eq!(lasts(Lease::Auto, false), None);
    assert_eq!(lasts(Lease::Never, true), None);
    assert_eq!(lasts(Lease::For(own), false), Some(own));
}
