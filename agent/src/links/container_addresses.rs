//! Addresses of containers, at the other ends of bridge ports.
//!
//! They are read from the container's network namespace by the id that the host's namespace has for it
//! (`IFA_TARGET_NETNSID` of include/uapi/linux/if_addr.h, Linux 5.0; `CAP_NET_ADMIN`). A process with only
//! `CAP_NET_RAW` in a container can send frames from any address, but cannot change these.

use super::LinksError;
use super::dump::{FarEnd, own};
use futures_util::TryStreamExt;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::sys::AsyncSocket;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

/// The kernel answers in microseconds; the agent must not hang on a lost answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The addresses read so far. An address that was read once stays with its port: another container that is
/// given the address later does not take it over.
#[derive(Debug, Default)]
pub struct ContainerAddresses {
    known: BTreeMap<u32, (FarEnd, BTreeSet<Ipv4Addr>)>,
}

impl ContainerAddresses {
    /// The addresses at the other ends of `ports`, by index of the port; empty for a container that has none yet,
    /// or that can't be read.
    ///
    /// # Errors
    /// When there is no netlink socket, or no answer.
    pub async fn read(
        &mut self,
        ports: &BTreeMap<u32, Option<FarEnd>>,
    ) -> Result<BTreeMap<u32, BTreeSet<Ipv4Addr>>, LinksError> {
        self.known
            .retain(|port, (end, _)| ports.get(port) == Some(&Some(*end)));
        let new: Vec<(u32, FarEnd)> = ports
            .iter()
            .filter(|(port, _)| !self.known.contains_key(port))
            .filter_map(|(port, end)| Some((*port, (*end)?)))
            .collect();
        if !new.is_empty() {
            let asked = tokio::time::timeout(PATIENCE, ask(&new)).await;
            self.known
                .extend(asked.map_err(|_elapsed| LinksError::Silent)??);
        }
        let addresses = |port| self.known.get(port).map(|(_, has)| has.clone());
        Ok(ports
            .keys()
            .map(|port| (*port, addresses(port).unwrap_or_default()))
            .collect())
    }
}

/// Reads the addresses of `ends`; returns those that have any.
async fn ask(
    ends: &[(u32, FarEnd)],
) -> Result<Vec<(u32, (FarEnd, BTreeSet<Ipv4Addr>))>, LinksError> {
    let (mut connection, handle, _messages) =
        rtnetlink::new_connection().map_err(LinksError::Socket)?;
    // Without strict checking the kernel ignores the target namespace.
    let strict = connection.socket_mut().socket_mut();
    strict
        .set_netlink_get_strict_chk(true)
        .map_err(LinksError::Socket)?;
    tokio::spawn(connection);
    let mut found = Vec::new();
    for (port, end) in ends {
        let mut get = handle.address().get();
        let question = get.message_mut();
        question.header.family = AddressFamily::Inet;
        question.header.index = end.index;
        let namespace = AddressAttribute::TargetNetNsId(end.namespace);
        question.attributes.push(namespace);
        match get.execute().try_collect::<Vec<AddressMessage>>().await {
            Ok(told) => {
                let has: BTreeSet<_> = told.iter().filter_map(own).collect();
                if !has.is_empty() {
                    found.push((*port, (*end, has)));
                }
            }
            // It has just ended, or belongs to somebody with a user namespace of their own.
            Err(error) => tracing::debug!(port, %error, "a container's addresses can't be read"),
        }
    }
    Ok(found)
}
