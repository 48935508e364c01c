//! The tunnel to the other hosts: one device for all of them, and what makes its packets this host's.

use super::{Error, Flaw, Ground, flaw};
use crate::names::{LO, LOCAL_PREFERENCE, LOCAL_TABLE, TUNNEL, TUNNEL_BYTES};
use crate::route::{Kind, Link, Route, Rule, Selector, Setting, Vxlan};
use nix::errno::Errno;
use std::collections::BTreeSet;
use std::fmt;

/// Senders out of the tunnel are clients from anywhere, whose way back is by the uplink; marks lead to the
/// table where all is local.
const SETTINGS: [(Setting, u32); 3] = [
    (Setting::Forwarding, 1),
    (Setting::RpFilter, 0),
    (Setting::SrcValidMark, 1),
];

/// The tunnel, with its rule and the table that the rule leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// UDP port on all hosts.
    pub port: u16,
    /// The longest packet that goes in, in bytes.
    pub mtu: u32,
    /// What is wrong with it; nothing, where it is wanted.
    pub flaws: BTreeSet<Flaw>,
}

impl Tunnel {
    /// The tunnel over an uplink whose MTU is `uplink` bytes.
    #[must_use]
    pub fn over(uplink: u32, port: u16) -> Self {
        Self {
            port,
            mtu: uplink.saturating_sub(TUNNEL_BYTES),
            flaws: BTreeSet::new(),
        }
    }

    /// What is there; takes its routes and rules from those given.
    pub(super) fn read(
        link: &Link,
        routes: &mut BTreeSet<Route>,
        rules: &mut BTreeSet<Rule>,
    ) -> Self {
        let mut flaws = flaw::of_device(TUNNEL, link, &SETTINGS);
        let port = match link.kind {
            Kind::Vxlan(Vxlan {
                external: true,
                gpe: true,
                port,
            }) => port,
            _ => {
                flaws.insert(Flaw::Kind(TUNNEL));
                0
            }
        };
        let (route, rule) = (local_route(), local_rule());
        if !routes.remove(&route) {
            flaws.insert(Flaw::NoRoute(route));
        }
        if !rules.remove(&rule) {
            flaws.insert(Flaw::NoRule(rule));
        }
        Self {
            port,
            mtu: link.mtu,
            flaws,
        }
    }
}

impl fmt::Display for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{TUNNEL} port {} mtu {}", self.port, self.mtu)?;
        flaw::list(&self.flaws, f)
    }
}

impl Ground {
    /// Makes the tunnel, or what is there of it, as wanted. If the device has to be made anew, its routes are
    /// gone.
    ///
    /// # Errors
    /// [`Error::Foreign`]; or when the kernel refuses: `EADDRINUSE` if the port is taken.
    pub fn make_tunnel(&mut self, wanted: &Tunnel) -> Result<(), Error> {
        let kind = Kind::Vxlan(Vxlan {
            external: true,
            gpe: true,
            port: wanted.port,
        });
        let mut there = self.ours(TUNNEL)?;
        if let Some(other) = there.take_if(|link| link.kind != kind) {
            self.no_link(&other)?;
        }
        let link = match there {
            Some(link) => link,
            None => {
                self.routes.add_vxlan(TUNNEL, wanted.port, wanted.mtu)?;
                self.ours(TUNNEL)?
                    .ok_or(Error::Missing { device: TUNNEL })?
            }
        };
        if link.mtu != wanted.mtu {
            self.routes.set_mtu(link.index, wanted.mtu)?;
        }
        self.settle(&link, &SETTINGS)?;
        self.routes.replace_route(&local_route())?;
        match self.routes.add_rule(&local_rule()) {
            Err(error) if error.only(&[Errno::EEXIST]) => Ok(()),
            answer => Ok(answer?),
        }
    }

    /// Removes the tunnel, and with it all that goes into it.
    ///
    /// # Errors
    /// [`Error::Foreign`]; or when the kernel refuses.
    pub fn remove_tunnel(&mut self) -> Result<(), Error> {
        self.no_rule(&local_rule())?;
        self.no_route(&local_route())?;
        match self.ours(TUNNEL)? {
            Some(link) => self.no_link(&link),
            None => Ok(()),
        }
    }
}

/// Whatever its destination, a packet out of the tunnel is for this host: IPVS sees it by its mark.
fn local_rule() -> Rule {
    Rule {
        preference: LOCAL_PREFERENCE,
        selector: Selector::Iif(TUNNEL.to_owned()),
        table: LOCAL_TABLE,
    }
}

fn local_route() -> Route {
    Route::all_local(LOCAL_TABLE, LO)
}
