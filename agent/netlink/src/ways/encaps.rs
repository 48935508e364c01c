//! Encapsulating routes: one per alias address, with the tag of a task and the host of its node.

use super::{Error, Ground, gone};
use crate::names::{METRICS, TAGS, TUNNEL};
use crate::route::{self, Kind, Link, Route};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;

/// Where an alias leads.
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
    fn route(self, alias: Ipv4Addr, device: u32) -> Route {
        let encap = route::Encap {
            id: u64::from(self.id),
            to: self.to,
        };
        Route {
            metric: 1 + alias.to_bits() % METRICS,
            ..Route::host(alias, device, Some(encap))
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

impl Ground {
    /// Adds or replaces the routes of these aliases. Other routes stay.
    ///
    /// # Errors
    /// [`Error::Tag`], before anything is changed; [`Error::Missing`] without the tunnel; or when the kernel
    /// refuses some: the others are there.
    pub fn put_encaps(&mut self, encaps: &BTreeMap<Ipv4Addr, Encap>) -> Result<(), Error> {
        let long = encaps.iter().find(|(_, encap)| encap.id >= TAGS);
        if let Some((alias, Encap { id, .. })) = long {
            let (alias, id) = (*alias, *id);
            return Err(Error::Tag { alias, id });
        }
        if encaps.is_empty() {
            return Ok(());
        }
        let link = self.ours(TUNNEL)?;
        let index = link.ok_or(Error::Missing { device: TUNNEL })?.index;
        let routes: Vec<Route> = encaps
            .iter()
            .map(|(alias, encap)| encap.route(*alias, index))
            .collect();
        Ok(self.routes.replace_many(&routes)?)
    }

    /// From now on these aliases lead nowhere.
    ///
    /// # Errors
    /// When the kernel refuses some: the others are gone.
    pub fn remove_encaps(&mut self, aliases: &BTreeSet<Ipv4Addr>) -> Result<(), Error> {
        // Without the tunnel there are none.
        let Some(tunnel) = self.ours(TUNNEL)? else {
            return Ok(());
        };
        let routes: Vec<Route> = aliases
            .iter()
            .map(|alias| Route::host(*alias, tunnel.index, None))
            .collect();
        gone(self.routes.delete_many(&routes))
    }
}
