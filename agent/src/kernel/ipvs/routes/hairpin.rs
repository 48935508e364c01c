//! The hairpin: a pair of devices by which calls from the host itself leave it and come in like a client's.

use super::{Drift, Error, RouteHandle, drift};
use lb_core::backend::ipvs::ids::{HAIRPIN_FROM, HAIRPIN_IN, HAIRPIN_MAC, HAIRPIN_OUT, HAIRPIN_TO};
use lb_netlink::route::{Kind, Link, Route, Setting};
use std::collections::BTreeSet;
use std::fmt;

/// A call to 127.0.0.1 leaves by this end, too.
const OUT: [(Setting, u32); 3] = [
    (Setting::Forwarding, 1),
    (Setting::RpFilter, 0),
    (Setting::RouteLocalnet, 1),
];
const IN: [(Setting, u32); 2] = [(Setting::Forwarding, 1), (Setting::RpFilter, 0)];

/// The hairpin, with the routes to both of its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hairpin {
    /// The longest packet, in bytes.
    pub mtu: u32,
    /// Differences from the wanted hairpin; empty in a wanted one.
    pub drift: BTreeSet<Drift>,
}

impl Hairpin {
    /// The hairpin for packets of `mtu` bytes.
    #[must_use]
    pub fn new(mtu: u32) -> Self {
        Self {
            mtu,
            drift: BTreeSet::new(),
        }
    }

    /// Reads the hairpin; removes its routes from those given.
    pub(super) fn read(
        out: Option<&Link>,
        inward: Option<&Link>,
        routes: &mut BTreeSet<Route>,
    ) -> Option<Self> {
        let mut drift = BTreeSet::new();
        if let Some(link) = out {
            drift.append(&mut drift::of_device(HAIRPIN_OUT, link, &OUT));
            drift.extend(missing(routes, Route::host(HAIRPIN_TO, link.index, None)));
        }
        if let Some(link) = inward {
            drift.append(&mut drift::of_device(HAIRPIN_IN, link, &IN));
            drift.extend(missing(routes, to_callers(link.index)));
        }
        if let (Some(out), Some(inward)) = (out, inward) {
            let peer = Some(inward.index);
            if out.kind != (Kind::Veth { peer }) {
                drift.insert(Drift::Unpaired);
            }
            if !(alike(out) && alike(inward) && out.mtu == inward.mtu) {
                drift.insert(Drift::Ends);
            }
        } else {
            drift.insert(Drift::Unpaired);
        }
        let mtu = out.or(inward)?.mtu;
        Some(Self { mtu, drift })
    }
}

/// The route back to callers of the node itself.
fn to_callers(inward: u32) -> Route {
    Route {
        to: HAIRPIN_FROM,
        ..Route::host(HAIRPIN_FROM.network(), inward, None)
    }
}

fn alike(end: &Link) -> bool {
    end.mac == Some(HAIRPIN_MAC) && end.noarp
}

fn missing(routes: &mut BTreeSet<Route>, route: Route) -> Option<Drift> {
    (!routes.remove(&route)).then_some(Drift::NoRoute(route))
}

impl fmt::Display for Hairpin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{HAIRPIN_OUT}, {HAIRPIN_IN} mtu {}", self.mtu)?;
        drift::list(&self.drift, f)
    }
}

impl RouteHandle {
    /// Makes the hairpin, or what is there of it, as wanted.
    ///
    /// # Errors
    /// [`Error::Foreign`]; or when the kernel refuses.
    pub fn make_hairpin(&mut self, wanted: &Hairpin) -> Result<(), Error> {
        let (mut out, mut inward) = (self.ours(HAIRPIN_OUT)?, self.ours(HAIRPIN_IN)?);
        let there = Hairpin::read(out.as_ref(), inward.as_ref(), &mut BTreeSet::new());
        if there.is_none_or(|there| there.drift.iter().any(Drift::needs_new)) {
            for end in out.iter().chain(&inward) {
                self.no_link(end)?;
            }
            self.routes
                .add_veth(HAIRPIN_OUT, HAIRPIN_IN, HAIRPIN_MAC, wanted.mtu)?;
            (out, inward) = (self.ours(HAIRPIN_OUT)?, self.ours(HAIRPIN_IN)?);
        }
        let out = out.ok_or(Error::Missing {
            device: HAIRPIN_OUT,
        })?;
        let inward = inward.ok_or(Error::Missing { device: HAIRPIN_IN })?;
        for end in [&out, &inward] {
            if end.mtu != wanted.mtu {
                self.routes.set_mtu(end.index, wanted.mtu)?;
            }
        }
        self.settle(&out, &OUT)?;
        self.settle(&inward, &IN)?;
        let to = Route::host(HAIRPIN_TO, out.index, None);
        let from = to_callers(inward.index);
        Ok(self.routes.replace_many(&[to, from])?)
    }

    /// Removes the hairpin.
    ///
    /// # Errors
    /// [`Error::Foreign`]; or when the kernel refuses.
    pub fn remove_hairpin(&mut self) -> Result<(), Error> {
        let ends = [self.ours(HAIRPIN_OUT)?, self.ours(HAIRPIN_IN)?];
        // The second goes with the first.
        for link in ends.iter().flatten() {
            self.no_link(link)?;
        }
        Ok(())
    }
}
