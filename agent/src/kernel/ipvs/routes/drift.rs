//! Differences between existing devices, routes and rules and the wanted ones.

use lb_netlink::route::{Link, Route, Rule, Setting};
use std::collections::BTreeSet;
use std::fmt;

/// One difference. The wanted state has none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drift {
    /// One end of the pair is missing, or is another's end.
    Unpaired,
    /// The device is of another kind than wanted, and has to be replaced.
    Kind(&'static str),
    /// The device is down.
    Down(&'static str),
    /// The ends' MAC addresses or MTUs differ from the wanted ones.
    Ends,
    /// A setting of a device has another value.
    Setting(&'static str, Setting, Option<u32>),
    /// A route is missing.
    NoRoute(Route),
    /// A rule is missing.
    NoRule(Rule),
}

impl Drift {
    /// Whether only a new device removes the difference.
    pub(super) fn needs_new(&self) -> bool {
        matches!(self, Self::Unpaired | Self::Kind(_) | Self::Ends)
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unpaired => f.write_str("the pair is torn"),
            Self::Kind(device) => write!(f, "{device} is of another kind"),
            Self::Down(device) => write!(f, "{device} is down"),
            Self::Ends => f.write_str("the pair's ends are not alike"),
            Self::Setting(device, setting, Some(value)) => {
                write!(f, "{setting} of {device} is {value}")
            }
            Self::Setting(device, setting, None) => {
                write!(f, "{device} has no {setting}")
            }
            Self::NoRoute(route) => write!(f, "no route {route}"),
            Self::NoRule(rule) => write!(f, "no rule {rule}"),
        }
    }
}

/// Wanted state of each of swarmlb's devices: up, with these settings.
pub(super) fn of_device(
    name: &'static str,
    link: &Link,
    wanted: &[(Setting, u32)],
) -> BTreeSet<Drift> {
    let down = (!link.up).then_some(Drift::Down(name));
    let other = wanted.iter().filter_map(|(setting, value)| {
        let is = link.ipv4.get(setting);
        (is != Some(value)).then(|| Drift::Setting(name, *setting, is.copied()))
    });
    down.into_iter().chain(other).collect()
}

/// Appends the differences to a line.
pub(super) fn list(drift: &BTreeSet<Drift>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    drift.iter().try_for_each(|drift| write!(f, "; {drift}"))
}
