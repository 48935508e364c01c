//! For how long the datapath may serve alone; it is told so every second.

use crate::cli::Lease;
use std::path::Path;
use std::time::Duration;

/// From one beat to the next.
pub(super) const EVERY: Duration = Duration::from_secs(1);

/// The kernel shows it as long as IPVS is there, which the stock mesh is made of.
const IPVS: &str = "/proc/net/ip_vs";

/// For how long the datapath serves alone on this node.
pub(super) fn lasts(lease: Lease) -> Option<Duration> {
    lasts_where(lease, Path::new(IPVS).exists())
}

/// `stock`: there is a stock mesh on this node.
fn lasts_where(lease: Lease, stock: bool) -> Option<Duration> {
    match lease {
        Lease::Auto => stock.then_some(Lease::USUAL),
        Lease::Never => None,
        Lease::For(lasts) => Some(lasts),
    }
}

#[test]
fn only_where_somebody_else_serves_does_the_datapath_stop_by_itself() {
    let own = Duration::from_secs(7);
    assert_eq!(lasts_where(Lease::Auto, true), Some(Lease::USUAL));
    assert_eq!(lasts_where(Lease::Auto, false), None);
    assert_eq!(lasts_where(Lease::Never, true), None);
    assert_eq!(lasts_where(Lease::For(own), false), Some(own));
}
