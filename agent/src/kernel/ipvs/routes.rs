//! Devices, routes and rules of the IPVS path: as one value, as read from the kernel, and the operations that change
//! them.
//!
//! A device is swarmlb's if it has one of its names and its ifalias. One with such a name and another ifalias, or none,
//! is never touched, and nothing is made in its place. All operations are idempotent.

mod drift;
mod encaps;
mod error;
mod hairpin;
mod monitor;
mod tunnel;

pub use drift::Drift;
pub use error::Error;
pub use hairpin::Hairpin;
pub use monitor::Monitor;
pub use tunnel::Tunnel;

use lb_core::backend::ipvs::EncapRoute;
use lb_core::backend::ipvs::ids::{HAIRPIN_IN, HAIRPIN_OUT, IFALIAS, PROTOCOL, TUNNEL};
use lb_netlink::route::{Link, Owner, Route, Routes, Rule};
use nix::errno::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// The owner of all devices, routes and rules that are made here.
const OWNER: Owner = Owner {
    protocol: PROTOCOL,
    ifalias: IFALIAS,
};

/// The datapath's devices, routes and rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteState {
    /// Tunnel to the other nodes.
    pub tunnel: Option<Tunnel>,
    /// Pair of devices for calls of the node itself.
    pub hairpin: Option<Hairpin>,
    /// Encapsulating routes, by route address.
    pub encaps: BTreeMap<Ipv4Addr, EncapRoute>,
    /// Routes and rules with swarmlb's protocol number that belong to none of the above.
    pub orphans: BTreeSet<Orphan>,
}

/// A route or rule with swarmlb's protocol number that no wanted object needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Orphan {
    /// A route.
    Route(Route),
    /// A rule.
    Rule(Rule),
}

/// Reads and changes devices, routes and rules of one network namespace.
#[derive(Debug)]
pub struct RouteHandle {
    routes: Routes,
}

/// All devices, routes and rules that are swarmlb's or have its names.
struct Seen {
    tunnel: Option<Link>,
    out: Option<Link>,
    inward: Option<Link>,
    routes: Vec<Route>,
    rules: Vec<Rule>,
}

impl RouteHandle {
    /// Opens a handle in the calling thread's network namespace.
    ///
    /// # Errors
    /// When there is no socket.
    pub fn open() -> Result<Self, Error> {
        let routes = Routes::open(OWNER)?;
        Ok(Self { routes })
    }

    /// Reads the kernel's devices, routes and rules.
    ///
    /// # Errors
    /// [`Error::Foreign`] if a stranger's device has one of our names; or when the kernel does not tell.
    pub fn observe(&mut self) -> Result<RouteState, Error> {
        let seen = self.see()?;
        let mut routes: BTreeSet<Route> = seen.routes.into_iter().collect();
        let mut rules: BTreeSet<Rule> = seen.rules.into_iter().collect();
        let encaps = encaps::take(seen.tunnel.as_ref(), &mut routes);
        let tunnel = seen
            .tunnel
            .map(|link| Tunnel::read(&link, &mut routes, &mut rules));
        let hairpin = Hairpin::read(seen.out.as_ref(), seen.inward.as_ref(), &mut routes);
        let orphans = routes.into_iter().map(Orphan::Route);
        Ok(RouteState {
            tunnel,
            hairpin,
            encaps,
            orphans: orphans.chain(rules.into_iter().map(Orphan::Rule)).collect(),
        })
    }

    /// Removes orphans.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn remove_orphans(&mut self, orphans: &BTreeSet<Orphan>) -> Result<(), Error> {
        for orphan in orphans {
            match orphan {
                Orphan::Route(route) => self.no_route(route)?,
                Orphan::Rule(rule) => self.no_rule(rule)?,
            }
        }
        Ok(())
    }

    /// Removes all that is ours. Devices of strangers with our names stay.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn remove_all(&mut self) -> Result<(), Error> {
        for rule in self.routes.rules()? {
            self.no_rule(&rule)?;
        }
        let routes = self.routes.routes()?;
        gone(self.routes.delete_many(&routes))?;
        for name in [TUNNEL, HAIRPIN_OUT, HAIRPIN_IN] {
            // Of a pair the second goes with the first.
            match self.ours(name) {
                Ok(Some(link)) => self.no_link(&link)?,
                Ok(None) | Err(Error::Foreign { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn see(&mut self) -> Result<Seen, Error> {
        Ok(Seen {
            tunnel: self.ours(TUNNEL)?,
            out: self.ours(HAIRPIN_OUT)?,
            inward: self.ours(HAIRPIN_IN)?,
            routes: self.routes.routes()?,
            rules: self.routes.rules()?,
        })
    }

    /// swarmlb's device of that name.
    fn ours(&mut self, name: &'static str) -> Result<Option<Link>, Error> {
        match self.routes.link(name)? {
            Some(link) if link.ifalias.as_deref() != Some(IFALIAS) => {
                Err(Error::Foreign { device: name })
            }
            link => Ok(link),
        }
    }

    fn no_link(&mut self, link: &Link) -> Result<(), Error> {
        gone(self.routes.delete_link(link.index))
    }

    fn no_route(&mut self, route: &Route) -> Result<(), Error> {
        gone(self.routes.delete_route(route))
    }

    fn no_rule(&mut self, rule: &Rule) -> Result<(), Error> {
        gone(self.routes.delete_rule(rule))
    }

    /// Sets a device's IPv4 settings, and brings it up.
    fn settle(
        &mut self,
        link: &Link,
        wanted: &[(lb_netlink::route::Setting, u32)],
    ) -> Result<(), Error> {
        for (setting, value) in wanted {
            if link.ipv4.get(setting) != Some(value) {
                self.routes.set_ipv4(link.index, *setting, *value)?;
            }
        }
        if !link.up {
            self.routes.set_up(link.index)?;
        }
        Ok(())
    }
}

/// Treats "nothing to delete" as success.
fn gone(answer: Result<(), lb_netlink::route::Error>) -> Result<(), Error> {
    match answer {
        Err(error) if error.only(&[Errno::ENODEV, Errno::ENOENT, Errno::ESRCH]) => Ok(()),
        answer => Ok(answer?),
    }
}
