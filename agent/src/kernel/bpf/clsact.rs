//! Programs on devices where the kernel has no tcx (before 6.6): filters of a `clsact`.
//!
//! As a pinned link does, a filter outlives the agent, and takes another program in one step. It
//! has no file: it is found by its place and name, which begins with [`MARK`], in the kernel
//! itself. The name also says whether its `clsact` is ours to remove.

use crate::kernel::device_name;
use lb_core::backend::ebpf::{Hook, HookKind};
use lb_netlink::clsact::{self, Direction, Filter, Place};
use lb_netlink::socket::{Error, NetlinkSocket};
use nix::errno::Errno;
use std::collections::BTreeSet;
use std::os::fd::BorrowedFd;
use thiserror::Error as ThisError;

/// Before those to which the kernel gives a number itself, from 49152 down, as programs under tcx
/// are before all filters. Nobody else is likely to have chosen it.
const PRIORITY: u16 = 6081;
/// What the names of our filters begin with.
const MARK: &str = "swarmlb-";
/// What they end with where an agent made the `clsact`, too.
const MADE: &str = "+clsact";

/// Why a filter could not be attached, found or removed.
#[derive(Debug, ThisError)]
pub(crate) enum Refusal {
    /// A queueing discipline that has no room for filters of packets that go out.
    #[error(
        "a queueing discipline of another program (ingress) is on {link}, where swarmlb needs clsact: remove it (`tc qdisc del dev {link} ingress`)"
    )]
    Occupied {
        /// Name of the device.
        link: String,
    },
    /// The kernel said no, or nothing.
    #[error("the kernel refused to {what} on {link}")]
    Kernel {
        /// What was tried.
        what: &'static str,
        /// Name of the device, or its index.
        link: String,
        /// Why.
        #[source]
        source: Error,
    },
}

/// Attaches `program`, in one step in place of what an earlier agent attached there.
pub(crate) fn attach(hook: Hook, program: BorrowedFd<'_>) -> Result<(), Refusal> {
    let failed = refused("attach a filter", hook.link);
    let Some(place) = place(hook) else {
        return Err(failed(Error::Refused(Errno::EINVAL)));
    };
    let mut socket = clsact::open().map_err(&failed)?;
    let made = clsact::add(&mut socket, hook.link).map_err(|error| match error.refused() {
        Some(Errno::EINVAL) => Refusal::Occupied {
            link: name_of(hook.link),
        },
        _ => failed(error),
    })?;
    let ours = made
        || on(&mut socket, hook.link)
            .map_err(&failed)?
            .iter()
            .any(|filter| filter.name.ends_with(MADE));
    let name = format!(
        "{MARK}{}{}",
        hook.kind.as_str(),
        if ours { MADE } else { "" }
    );
    let put = clsact::attach(&mut socket, place, &name, program);
    if put.is_err() && made {
        // The first error is the one that matters.
        let _ = clsact::remove(&mut socket, hook.link);
    }
    put.map_err(failed)
}

/// Attach points of swarmlb's filters, as the kernel reports them.
pub(crate) fn attached() -> Result<BTreeSet<Hook>, Refusal> {
    let mut hooks = BTreeSet::new();
    let mut socket = clsact::open().map_err(refused("look for filters", 0))?;
    for link in links() {
        let found = on(&mut socket, link).map_err(refused("look for filters", link))?;
        hooks.extend(found.iter().filter_map(hook));
    }
    Ok(hooks)
}

/// Removes the filter of a hook, if it is there, and with our last one on a device the `clsact`
/// that an agent made and nobody else uses.
pub(crate) fn detach(hook: Hook) -> Result<(), Refusal> {
    remove(hook.link, |filter| self::hook(filter) == Some(hook))
}

/// Removes all of swarmlb's filters in this network namespace, of any version.
pub(crate) fn clean() -> Result<(), Refusal> {
    links()
        .into_iter()
        .try_for_each(|link| remove(link, |_| true))
}

fn remove(link: u32, which: impl Fn(&Filter) -> bool) -> Result<(), Refusal> {
    let failed = refused("remove a filter", link);
    let mut socket = clsact::open().map_err(&failed)?;
    let (go, stay): (Vec<_>, Vec<_>) = on(&mut socket, link)
        .map_err(&failed)?
        .into_iter()
        .partition(which);
    for filter in &go {
        match clsact::detach(&mut socket, filter.place) {
            // Gone meanwhile, with the device or by somebody's hand.
            Err(error) if gone(&error) => {}
            done => done.map_err(&failed)?,
        }
    }
    let made = go.iter().any(|filter| filter.name.ends_with(MADE));
    if !made || !stay.is_empty() {
        return Ok(());
    }
    for direction in Direction::ALL {
        match clsact::any(&mut socket, link, direction) {
            Ok(false) => {}
            Ok(true) => return Ok(()),
            Err(error) if gone(&error) => return Ok(()),
            Err(error) => return Err(failed(error)),
        }
    }
    match clsact::remove(&mut socket, link) {
        Err(error) if gone(&error) => Ok(()),
        done => done.map_err(failed),
    }
}

/// swarmlb's filters on a device; none if the device is gone.
fn on(socket: &mut NetlinkSocket, link: u32) -> Result<Vec<Filter>, Error> {
    let mut found = Vec::new();
    for direction in Direction::ALL {
        match clsact::filters(socket, link, direction, PRIORITY) {
            Err(error) if gone(&error) => {}
            told => found.extend(told?),
        }
    }
    found.retain(|filter| filter.name.starts_with(MARK));
    Ok(found)
}

/// Where the filter of a hook is; none for hooks that are no filters.
fn place(hook: Hook) -> Option<Place> {
    let (direction, handle) = match hook.kind {
        HookKind::UplinkTc => (Direction::Ingress, 1),
        HookKind::BridgeTc => (Direction::Ingress, 2),
        HookKind::PortTc => (Direction::Ingress, 3),
        HookKind::UplinkEgress => (Direction::Egress, 1),
        _ => return None,
    };
    Some(Place {
        link: hook.link,
        direction,
        priority: PRIORITY,
        handle,
    })
}

/// The hook that a filter is at.
fn hook(filter: &Filter) -> Option<Hook> {
    let link = filter.place.link;
    let hooks = HookKind::ALL.map(|kind| Hook { kind, link });
    hooks
        .into_iter()
        .find(|hook| place(*hook) == Some(filter.place))
}

/// Indexes of all devices of this network namespace.
fn links() -> Vec<u32> {
    let Ok(devices) = nix::net::if_::if_nameindex() else {
        return Vec::new();
    };
    devices.iter().map(|device| device.index()).collect()
}

fn gone(error: &Error) -> bool {
    matches!(
        error.refused(),
        Some(Errno::ENOENT | Errno::ENODEV | Errno::EINVAL)
    )
}

fn refused(what: &'static str, link: u32) -> impl Fn(Error) -> Refusal {
    move |source| Refusal::Kernel {
        what,
        link: name_of(link),
        source,
    }
}

fn name_of(link: u32) -> String {
    device_name(link).unwrap_or_else(|| format!("device {link}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_names_its_hook() {
        for kind in HookKind::ALL {
            let at = Hook { kind, link: 7 };
            let Some(place) = place(at) else { continue };
            let filter = Filter {
                place,
                name: String::new(),
                program: 1,
            };
            assert_eq!(hook(&filter), Some(at));
        }
    }
}
