//! Errors of devices, routes and rules of the IPVS path.

use lb_netlink::route;
use std::net::Ipv4Addr;
use thiserror::Error;

/// Error of the IPVS path's devices, routes and rules.
#[derive(Debug, Error)]
pub enum Error {
    /// The kernel did not do or tell something.
    #[error(transparent)]
    Kernel(#[from] route::Error),
    /// A device has our name and not our mark.
    #[error(
        "there is a device {device} that swarmlb did not make; rename or delete it: ip link delete {device}"
    )]
    Foreign {
        /// Its name.
        device: &'static str,
    },
    /// Routes into a tunnel that is not there.
    #[error("there is no device {device}")]
    Missing {
        /// Its name.
        device: &'static str,
    },
    /// A tag that the tunnel can't carry.
    #[error("{id:#x}, the tag of {route_address}, has more than 24 bits")]
    Tag {
        /// The route address whose route has the tag.
        route_address: Ipv4Addr,
        /// The tag.
        id: u32,
    },
}
