//! Which devices, routes and rules the IPVS datapath has, as one value; how the kernel's is seen, and the
//! steps by which it changes.
//!
//! A device is ours if it has one of our names and our ifalias. One with our name and another ifalias, or none, is
//! a stranger's: it is never touched, and nothing is made in its stead. Every step may be taken again: that it
//! has been taken already is no error.

mod drift;
mod encaps;
mod error;
mod hairpin;
mod monitor;
mod tunnel;

pub use drift::Drift;
pub use encaps::Encap;
pub use error::Error;
pub use hairpin::Hairpin;
pub use monitor::Monitor;
pub use tunnel::Tunnel;

use crate::ids::{HAIRPIN_IN, HAIRPIN_OUT, IFALIAS, TUNNEL};
use crate::route::{Link, Route, Routes, Rule};
use nix::errno::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// The datapath's devices, routes and rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteState {
    /// To the other hosts.
    pub tunnel: Option<Tunnel>,
    /// For calls from the host itself.
    pub hairpin: Option<Hairpin>,
    /// What goes into the tunnel: by route address, the tag and the host that it goes to.
    pub encaps: BTreeMap<Ipv4Addr, Encap>,
    /// What bears our number and belongs to nothing of the above.
    pub orphans: BTreeSet<Orphan>,
}

/// A route or rule with our number that has no business to be there.
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

/// All that is ours or has our names.
struct Seen {
    tunnel: Option<Link>,
    out: Option<Link>,
    inward: Option<Link>,
    routes: Vec<Route>,
    rules: Vec<Rule>,
}

impl RouteHandle {
    /// That of the calling thread's network namespace.
    ///
    /// # Errors
    /// When there is no socket.
    pub fn open() -> Result<Self, Error> {
        let routes = Routes::open()?;
        Ok(Self { routes })
    }

    /// What the kernel has.
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

    /// Removes what belongs to nothing.
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

    /// Our device of that name.
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

    /// Takes away what stands in the way of a device as wanted.
    fn settle(
        &mut self,
        link: &Link,
        wanted: &[(crate::route::Setting, u32)],
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

/// That there is nothing to delete is as wanted.
fn gone(answer: Result<(), crate::route::Error>) -> Result<(), Error> {
    match answer {
        Err(error) if error.only(&[Errno::ENODEV, Errno::ENOENT, Errno::ESRCH]) => Ok(()),
        answer => Ok(answer?),
    }
}
