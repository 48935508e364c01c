//! Removes all of swarmlb's objects from this network namespace.

use super::routes::RouteHandle;
use super::ruleset::{self, Elements, VIPS};
use super::services::id;
use super::{IpvsError, capabilities, sysctl};
use lb_netlink::ipvs::{self, Ipvs};
use lb_netlink::nft::{self, Change};
use lb_netlink::socket::NetlinkSocket;
use netlink_sys::protocols::NETLINK_NETFILTER;
use nix::errno::Errno;

/// VIPs first, so that new connections go elsewhere at once; the record of what is ours last but
/// one, so that a run that failed can be repeated; then what only packets in the tunnel need.
pub(super) fn clean() -> Result<(), IpvsError> {
    // A kernel without nf_tables has no object of swarmlb's.
    if let Ok(mut rules) = NetlinkSocket::open(NETLINK_NETFILTER)
        && nft::comment(&mut rules, ruleset::TABLE)?.is_some()
    {
        let elements = Elements::read(&mut rules)?;
        nft::apply(&mut rules, &[Change::Flush(VIPS)])?;
        remove_servers(&elements)?;
        nft::apply(&mut rules, &ruleset::removal())?;
    }
    Ok(RouteHandle::open()?.remove_all()?)
}

fn remove_servers(elements: &Elements) -> Result<(), IpvsError> {
    let services = &elements.owned;
    // To ask would load the module on a node that never served by IPVS.
    if services.is_empty() {
        return Ok(());
    }
    let mut ipvs = match Ipvs::open() {
        Err(ipvs::Error::Absent) => return Ok(()),
        opened => opened?,
    };
    for service in services {
        match ipvs.del_service(&id(*service)) {
            Err(error) if error.refused() != Some(Errno::ESRCH) => return Err(error.into()),
            _ => {}
        }
    }
    capabilities::restore(&mut ipvs);
    if ipvs.services()?.is_empty() {
        sysctl::turn_off();
    }
    Ok(())
}
