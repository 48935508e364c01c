//! The tunnel to the other hosts: one device for all of them, and what makes its packets this host's.

use super::{Drift, Error, RouteHandle, drift};
use lb_core::backend::ipvs::ids::{
    LOCAL_PREFERENCE, LOCAL_TABLE, SOURCE_PREFERENCE, SOURCE_TABLE, TUNNEL, TUNNEL_BYTES,
    TUNNEL_MARKS, TUNNEL_MASK,
};
use lb_netlink::route::{Kind, LO, Link, Route, Rule, Selector, Setting, Vxlan};
use nix::errno::Errno;
use std::collections::BTreeSet;
use std::fmt;

/// IPv4 settings of the tunnel's device. Reverse-path filtering is off: client addresses have no route through the
/// tunnel, and a sender may be this host itself, which called another node. Where the host filters strictly on all
/// devices (`net.ipv4.conf.all.rp_filter`), the mark is part of the lookup, and leads to the table in which everyone is
/// reached by the tunnel.
const SETTINGS: [(Setting, u32); 4] = [
    (Setting::Forwarding, 1),
    (Setting::RpFilter, 0),
    (Setting::AcceptLocal, 1),
    (Setting::SrcValidMark, 1),
];

/// The tunnel, with its rules and the tables that they lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// UDP port on all hosts.
    pub port: u16,
    /// The longest packet that goes in, in bytes.
    pub mtu: u32,
    /// Differences from the wanted tunnel; empty in a wanted one.
    pub drift: BTreeSet<Drift>,
}

impl Tunnel {
    /// The tunnel over an uplink whose MTU is `uplink` bytes.
    #[must_use]
    pub fn over(uplink: u32, port: u16) -> Self {
        Self {
            port,
            mtu: uplink.saturating_sub(TUNNEL_BYTES),
            drift: BTreeSet::new(),
        }
    }

    /// Reads the tunnel; removes its routes and rules from those given.
    pub(super) fn read(
        link: &Link,
        routes: &mut BTreeSet<Route>,
        rules: &mut BTreeSet<Rule>,
    ) -> Self {
        let mut drift = drift::of_device(TUNNEL, link, &SETTINGS);
        let port = match link.kind {
            Kind::Vxlan(Vxlan {
                external: true,
                gpe: true,
                port,
            }) => port,
            _ => {
                drift.insert(Drift::Kind(TUNNEL));
                0
            }
        };
        for (rule, route) in tables(link.index) {
            if !routes.remove(&route) {
                drift.insert(Drift::NoRoute(route));
            }
            if !rules.remove(&rule) {
                drift.insert(Drift::NoRule(rule));
            }
        }
        Self {
            port,
            mtu: link.mtu,
            drift,
        }
    }
}

impl fmt::Display for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{TUNNEL} port {} mtu {}", self.port, self.mtu)?;
        drift::list(&self.drift, f)
    }
}

impl RouteHandle {
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
        for (rule, route) in tables(link.index) {
            self.routes.replace_route(&route)?;
            match self.routes.add_rule(&rule) {
                Err(error) if error.only(&[Errno::EEXIST]) => {}
                answer => answer?,
            }
        }
        Ok(())
    }

    /// Removes the tunnel, and with it all that goes into it.
    ///
    /// # Errors
    /// [`Error::Foreign`]; or when the kernel refuses.
    pub fn remove_tunnel(&mut self) -> Result<(), Error> {
        let link = self.ours(TUNNEL)?;
        // Without it, the route by it is gone already.
        for (rule, route) in tables(link.as_ref().map_or(LO, |link| link.index)) {
            self.no_rule(&rule)?;
            self.no_route(&route)?;
        }
        link.map_or(Ok(()), |link| self.no_link(&link))
    }
}

/// Whatever its destination, a packet out of the tunnel is for this host: IPVS sees it by its mark. And
/// whoever sent it, the tunnel is the way to its sender, for whoever asks by that mark.
fn tables(tunnel: u32) -> [(Rule, Route); 2] {
    let local = Rule {
        preference: LOCAL_PREFERENCE,
        selector: Selector::Iif(TUNNEL.to_owned()),
        table: LOCAL_TABLE,
    };
    let marked = Rule {
        preference: SOURCE_PREFERENCE,
        selector: Selector::Mark {
            value: TUNNEL_MARKS,
            mask: TUNNEL_MASK,
        },
        table: SOURCE_TABLE,
    };
    [
        (local, Route::all_local(LOCAL_TABLE, LO)),
        (marked, Route::everyone(SOURCE_TABLE, tunnel)),
    ]
}
