//! The lease: an element that expires, without which no new connection is steered to IPVS.

use super::sets::{LEASE, LEASE_BRIDGE};
use lb_netlink::nft::{self, Change, Element, Error, Key, SetName};
use lb_netlink::socket::NetlinkSocket;
use std::time::Duration;

/// Begins the lease anew: for so long new connections are steered to IPVS.
#[must_use]
pub fn lease(time: Duration) -> Vec<Change> {
    /// `NFPROTO_IPV4` and `NFPROTO_BRIDGE`, which packets of the tables bear.
    const LEASES: [(SetName, u8); 2] = [(LEASE, 2), (LEASE_BRIDGE, 7)];
    let each = LEASES.into_iter().flat_map(|(set, family)| {
        let element = Element::expiring(Key::single(&[family]), time);
        // What is there keeps its end, on older kernels.
        [Change::Flush(set), Change::AddElements(set, vec![element])]
    });
    each.collect()
}

/// Time left of the lease; `None` if it is over.
///
/// # Errors
/// When the kernel can't be asked.
pub fn lease_left(socket: &mut NetlinkSocket) -> Result<Option<Duration>, Error> {
    let elements = nft::elements(socket, LEASE)?.unwrap_or_default();
    Ok(elements.iter().filter_map(|element| element.left).max())
}
