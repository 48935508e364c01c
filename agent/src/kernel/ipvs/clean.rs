//! Removes all of swarmlb's objects from this network namespace.

use super::elements::owned;
use super::servers::id;
use super::{IpvsError, degraded, switches};
use lb_netlink::claim::{self, CLAIMS, Elements};
use lb_netlink::ipvs::{self, Ipvs};
use lb_netlink::nft::{self, Change};
use lb_netlink::socket::Wire;
use lb_netlink::ways::Ground;
use netlink_sys::protocols::NETLINK_NETFILTER;
use nix::errno::Errno;

/// Claims first, so that new connections go elsewhere at once; the record of what is ours last but
/// one, so that a run that failed can be repeated; then what only packets in the tunnel need.
pub(super) fn clean() -> Result<(), IpvsError> {
    // A kernel without nf_tables has no object of swarmlb's.
    if let Ok(mut rules) = Wire::open(NETLINK_NETFILTER)
        && nft::comment(&mut rules, claim::TABLE)?.is_some()
    {
        let elements = Elements::read(&mut rules)?;
        nft::apply(&mut rules, &[Change::Flush(CLAIMS)])?;
        remove_servers(&elements)?;
        nft::apply(&mut rules, &claim::removal())?;
    }
    Ok(Ground::open()?.remove_all()?)
}

fn remove_servers(elements: &Elements) -> Result<(), IpvsError> {
    let servers = owned(elements);
    // To ask would load the module on a node that never served by IPVS.
    if servers.is_empty() {
        return Ok(());
    }
    let mut ipvs = match Ipvs::open() {
        Err(ipvs::Error::Absent) => return Ok(()),
        opened => opened?,
    };
    for server in servers {
        match ipvs.del_service(&id(server)) {
            Err(error) if error.refused() != Some(Errno::ESRCH) => return Err(error.into()),
            _ => {}
        }
    }
    degraded::restore(&mut ipvs);
    if ipvs.services()?.is_empty() {
        switches::turn_off();
    }
    Ok(())
}
