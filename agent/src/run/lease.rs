//! The lease: how long the datapath takes new flows without an agent. Renewed every second.

use crate::cli::Lease;
use std::path::Path;
use std::time::Duration;

/// Interval between two renewals.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// Exists while the kernel's IPVS is loaded, of which the stock mesh is made.
const IPVS: &str = "/proc/net/ip_vs";

/// How long the datapath takes new flows after a renewal on this node; `None`: without limit.
pub(super) fn duration(lease: Lease) -> Option<Duration> {
    duration_where(lease, Path::new(IPVS).exists())
}

/// `stock`: the stock mesh runs on this node.
fn duration_where(lease: Lease, stock: bool) -> Option<Duration> {
    match lease {
        Lease::Auto => stock.then_some(Lease::USUAL),
        Lease::Never => None,
        Lease::For(lasts) => Some(lasts),
    }
}

#[test]
fn only_where_somebody_else_serves_does_the_datapath_stop_by_itself() {
    let own = Duration::from_secs(7);
    assert_eq!(duration_where(Lease::Auto, true), Some(Lease::USUAL));
    assert_eq!(duration_where(Lease::Auto, false), None);
    assert_eq!(duration_where(Lease::Never, true), None);
    assert_eq!(duration_where(Lease::For(own), false), Some(own));
}
