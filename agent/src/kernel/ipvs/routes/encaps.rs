//! Encapsulating routes: one per route address, with the tag of a task and the host of its node.

use super::{Error, RouteHandle, gone};
use lb_core::backend::ipvs::EncapRoute;
use lb_core::backend::ipvs::ids::{METRICS, TUNNEL, TUNNEL_IDS};
use lb_netlink::route::{Encap, Kind, Link, Route};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// The kernel's route of a route address. Its metric keeps routes apart that have a device in common ([`METRICS`]).
fn kernel_route(route_address: Ipv4Addr, encap: EncapRoute, device: u32) -> Route {
    let EncapRoute { id, node, source } = encap;
    let encap = Encap {
        id: u64::from(id),
        to: node,
    };
    Route {
        metric: 1 + route_address.to_bits() % METRICS,
        source,
        ..Route::host(route_address, device, Some(encap))
    }
}

/// Removes the routes into the tunnel from those given, and returns them.
pub(super) fn take(
    tunnel: Option<&Link>,
    routes: &mut BTreeSet<Route>,
) -> BTreeMap<Ipv4Addr, EncapRoute> {
    let mut encaps = BTreeMap::new();
    let Some(tunnel) = tunnel.filter(|link| matches!(link.kind, Kind::Vxlan(_))) else {
        return encaps;
    };
    routes.retain(|route| match read(route, tunnel.index) {
        Some(encap) => {
            encaps.insert(route.to.addr(), encap);
            false
        }
        None => true,
    });
    encaps
}

fn read(route: &Route, tunnel: u32) -> Option<EncapRoute> {
    let Encap { id, to: node } = route.encap?;
    let id = u32::try_from(id).ok().filter(|id| *id < TUNNEL_IDS)?;
    let encap = EncapRoute {
        id,
        node,
        source: route.source,
    };
    (*route == kernel_route(route.to.addr(), encap, tunnel)).then_some(encap)
}

impl RouteHandle {
    /// Adds or replaces the routes of these route addresses. Other routes stay.
    ///
    /// # Errors
    /// [`Error::Tag`], before anything is changed; [`Error::Missing`] without the tunnel; or when the kernel
    /// refuses some: the others are there.
    pub fn put_encaps(&mut self, encaps: &BTreeMap<Ipv4Addr, EncapRoute>) -> Result<(), Error> {
        let long = encaps.iter().find(|(_, encap)| encap.id >= TUNNEL_IDS);
        if let Some((route_address, EncapRoute { id, .. })) = long {
            let (route_address, id) = (*route_address, *id);
            return Err(Error::Tag { route_address, id });
        }
        if encaps.is_empty() {
            return Ok(());
        }
        let link = self.ours(TUNNEL)?;
        let index = link.ok_or(Error::Missing { device: TUNNEL })?.index;
        let routes: Vec<Route> = encaps
            .iter()
            .map(|(route_address, encap)| kernel_route(*route_address, *encap, index))
            .collect();
        Ok(self.routes.replace_many(&routes)?)
    }

    /// Removes the routes of these route addresses.
    ///
    /// # Errors
    /// When the kernel refuses some: the others are gone.
    pub fn remove_encaps(&mut self, route_addresses: &BTreeSet<Ipv4Addr>) -> Result<(), Error> {
        // Without the tunnel there are none.
        let Some(tunnel) = self.ours(TUNNEL)? else {
            return Ok(());
        };
        let routes: Vec<Route> = route_addresses
            .iter()
            .map(|route_address| Route::host(*route_address, tunnel.index, None))
            .collect();
        gone(self.routes.delete_many(&routes))
    }
}
