//! Encapsulating routes: one per route address, with the tag of a task and the host of its node.

use super::{Error, RouteHandle, gone};
use crate::ids::{METRICS, TAGS, TUNNEL};
use crate::route::{self, Kind, Link, Route};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;

/// Destination of an encapsulating route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Encap {
    /// What it is called on the other host: the tunnel's tag (VNI), 24 bits.
    pub id: u32,
    /// The other host.
    pub to: Ipv4Addr,
}

impl fmt::Display for Encap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "id {} dst {}", self.id, self.to)
    }
}

impl Encap {
    fn route(self, route_address: Ipv4Addr, device: u32) -> Route {
        let encap = route::Encap {
            id: u64::from(self.id),
            to: self.to,
        };
        Route {
            metric: 1 + route_address.to_bits() % METRICS,
            ..Route::host(route_address, device, Some(encap))
        }
    }
}

/// Takes those routes that lead into the tunnel from those given.
pub(super) fn take(
    tunnel: Option<&Link>,
    routes: &mut BTreeSet<Route>,
) -> BTreeMap<Ipv4Addr, Encap> {
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

fn read(route: &Route, tunnel: u32) -> Option<Encap> {
    let route::Encap { id, to } = route.encap?;
    let id = u32::try_from(id).ok().filter(|id| *id < TAGS)?;
    let encap = Encap { id, to };
    (*route == encap.route(route.to.addr(), tunnel)).then_some(encap)
}

impl RouteHandle {
    /// Adds or replaces the routes of these route addresses. Other routes stay.
    ///
    /// # Errors
    /// [`Error::Tag`], before anything is changed; [`Error::Missing`] without the tunnel; or when the kernel
    /// refuses some: the others are there.
    pub fn put_encaps(&mut self, encaps: &BTreeMap<Ipv4Addr, Encap>) -> Result<(), Error> {
        let long = encaps.iter().find(|(_, encap)| encap.id >= TAGS);
        if let Some((route_address, Encap { id, .. })) = long {
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
            .map(|(route_address, encap)| encap.route(*route_address, index))
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
