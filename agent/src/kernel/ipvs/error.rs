//! Errors of the IPVS path.

use super::routes;
use lb_netlink::{ipvs, nft, socket};
use thiserror::Error;

/// Why the IPVS path can't serve, or a step failed.
#[derive(Debug, Error)]
pub enum IpvsError {
    /// No virtual services.
    #[error("virtual services")]
    Servers(#[from] ipvs::Error),
    /// No rules.
    #[error("rules of nf_tables")]
    Rules(#[from] nft::Error),
    /// No socket for rules.
    #[error("this kernel has no nf_tables, which steers packets to IPVS")]
    NoRules(#[source] socket::Error),
    /// No rules for bridges.
    #[error("this kernel has no nf_tables for frames of bridges (CONFIG_NF_TABLES_BRIDGE)")]
    NoBridgeRules(#[source] nft::Error),
    /// No socket for notifications of changes.
    #[error("this kernel gives no notifications of changes to devices and routes")]
    NoMonitor(#[source] socket::Error),
    /// No devices or routes.
    #[error("devices and routes")]
    Routes(#[from] routes::Error),
    /// Somebody else's.
    #[error(
        "another virtual service has this address and port: swarmlb leaves it alone; remove it (ipvsadm -D) or publish another port"
    )]
    Foreign,
}
