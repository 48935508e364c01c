//! The loop: a pair of devices by which calls from the host itself leave it and come in like a client's.

use super::{Error, Flaw, Ground, flaw};
use crate::names::{LOOP_FROM, LOOP_IN, LOOP_MAC, LOOP_OUT, LOOP_TO};
use crate::route::{Kind, Link, Route, Setting};
use std::collections::BTreeSet;
use std::fmt;

/// A call to 127.0.0.1 leaves by this end, too.
const OUT: [(Setting, u32); 3] = [
    (Setting::Forwarding, 1),
    (Setting::RpFilter, 0),
    (Setting::RouteLocalnet, 1),
];
const IN: [(Setting, u32); 2] = [(Setting::Forwarding, 1), (Setting::RpFilter, 0)];

/// The loop, with the routes to both of its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loopway {
    /// The longest packet, in bytes.
    pub mtu: u32,
    /// What is wrong with it; nothing, where it is wanted.
    pub flaws: BTreeSet<Flaw>,
}

impl Loopway {
    /// The loop for packets of `mtu` bytes.
    #[must_use]
    pub fn new(mtu: u32) -> Self {
        Self {
            mtu,
            flaws: BTreeSet::new(),
        }
    }

    /// What is there of it; takes its routes from those given.
    pub(super) fn read(
        out: Option<&Link>,
        inward: Option<&Link>,
        routes: &mut BTreeSet<Route>,
    ) -> Option<Self> {
        let mut flaws = BTreeSet::new();
        if let Some(link) = out {
            flaws.append(&mut flaw::of_device(LOOP_OUT, link, &OUT));
            flaws.extend(missing(routes, Route::host(LOOP_TO, link.index, None)));
        }
        if let Some(link) = inward {
            flaws.append(&mut flaw::of_device(LOOP_IN, link, &IN));
            flaws.extend(missing(routes, Route::host(LOOP_FROM, link.index, None)));
        }
        if let (Some(out), Some(inward)) = (out, inward) {
            let peer = Some(inward.index);
            if out.kind != (Kind::Veth { peer }) {
                flaws.insert(Flaw::Unpaired);
            }
            if !(alike(out) && alike(inward) && out.mtu == inward.mtu) {
                flaws.insert(Flaw::Ends);
            }
        } else {
            flaws.insert(Flaw::Unpaired);
        }
        let mtu = out.or(inward)?.mtu;
        Some(Self { mtu, flaws })
    }
}

fn alike(end: &Link) -> bool {
    end.mac == Some(LOOP_MAC) && end.noarp
}

fn missing(routes: &mut BTreeSet<Route>, route: Route) -> Option<Flaw> {
    (!routes.remove(&route)).then_some(Flaw::NoRoute(route))
}

impl fmt::Display for Loopway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{LOOP_OUT}, {LOOP_IN} mtu {}", self.mtu)?;
        flaw::list(&self.flaws, f)
    }
}

impl Ground {
    /// Makes the loop, or what is there of it, as wanted.
    ///
    /// # Errors
    /// [`Error::Foreign`]; or when the kernel refuses.
    pub fn make_loop(&mut self, wanted: &Loopway) -> Result<(), Error> {
        let (mut out, mut inward) = (self.ours(LOOP_OUT)?, self.ours(LOOP_IN)?);
        let there = Loopway::read(out.as_ref(), inward.as_ref(), &mut BTreeSet::new());
        if there.is_none_or(|there| there.flaws.iter().any(Flaw::needs_new)) {
            for end in out.iter().chain(&inward) {
                self.no_link(end)?;
            }
            self.routes
                .add_veth(LOOP_OUT, LOOP_IN, LOOP_MAC, wanted.mtu)?;
            (out, inward) = (self.ours(LOOP_OUT)?, self.ours(LOOP_IN)?);
        }
        let out = out.ok_or(Error::Missing { device: LOOP_OUT })?;
        let inward = inward.ok_or(Error::Missing { device: LOOP_IN })?;
        for end in [&out, &inward] {
            if end.mtu != wanted.mtu {
                self.routes.set_mtu(end.index, wanted.mtu)?;
            }
        }
        self.settle(&out, &OUT)?;
        self.settle(&inward, &IN)?;
        let to = Route::host(LOOP_TO, out.index, None);
        let from = Route::host(LOOP_FROM, inward.index, None);
        Ok(self.routes.replace_many(&[to, from])?)
    }

    /// Removes the loop.
    ///
    /// # Errors
    /// [`Error::Foreign`]; or when the kernel refuses.
    pub fn remove_loop(&mut self) -> Result<(), Error> {
        let ends = [self.ours(LOOP_OUT)?, self.ours(LOOP_IN)?];
        // The second goes with the first.
        for link in ends.iter().flatten() {
            self.no_link(link)?;
        }
        Ok(())
    }
}
