//! Addresses and networks of containers, at the other ends of bridge ports.
//!
//! They are read from the container's network namespace by the id that the host's namespace has for it
//! (`IFA_TARGET_NETNSID` of include/uapi/linux/if_addr.h, Linux 5.0; `CAP_NET_ADMIN`). A process with only
//! `CAP_NET_RAW` in a container can send frames from any address, but cannot change these.
//!
//! Networks are those of all addresses of a container, on whatever device: to each of them the kernel has a route of its own.
//! Other routes are not read: the kernel tells those of another namespace to nobody outside of it.

use super::LinksError;
use super::dump::{FarEnd, network, own};
use futures_util::TryStreamExt;
use ipnet::Ipv4Net;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::sys::AsyncSocket;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

/// The kernel answers in microseconds; the agent must not hang on a lost answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a container has behind a port of a bridge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// Addresses of the device at the other end of the port.
    pub addresses: BTreeSet<Ipv4Addr>,
    /// Networks of the addresses of all its devices, without those of loopback addresses.
    pub networks: BTreeSet<Ipv4Net>,
}

/// The addresses and networks read so far. An address that was read once stays with its port: another container that
/// is given the address later does not take it over.
///
/// Networks are read once more when the container's task runs: Docker connects a container to one network after the other,
/// and then starts it.
#[derive(Debug, Default)]
pub struct ContainerAddresses {
    known: BTreeMap<u32, Known>,
}

/// What is known of a container that has addresses.
#[derive(Debug)]
struct Known {
    end: FarEnd,
    container: Container,
    /// Its networks were read while its task ran.
    ran: bool,
}

impl ContainerAddresses {
    /// What is at the other ends of `ports`, by index of the port; nothing for a container that has no addresses yet,
    /// or that can't be read. `runs` are the addresses of running tasks.
    ///
    /// # Errors
    /// When there is no netlink socket, or no answer.
    pub async fn read(
        &mut self,
        ports: &BTreeMap<u32, Option<FarEnd>>,
        runs: &BTreeSet<Ipv4Addr>,
    ) -> Result<BTreeMap<u32, Container>, LinksError> {
        self.known
            .retain(|port, known| ports.get(port) == Some(&Some(known.end)));
        let complete = |port| {
            let known = self.known.get(port);
            known.is_some_and(|known| known.ran || known.container.addresses.is_disjoint(runs))
        };
        let asked: Vec<(u32, FarEnd)> = ports
            .iter()
            .filter(|(port, _)| !complete(port))
            .filter_map(|(port, end)| Some((*port, (*end)?)))
            .collect();
        if !asked.is_empty() {
            let told = tokio::time::timeout(PATIENCE, ask(&asked)).await;
            for (port, end, container) in told.map_err(|_elapsed| LinksError::Silent)?? {
                self.note(port, end, container, runs);
            }
        }
        let container = |port| self.known.get(port).map(|known| known.container.clone());
        Ok(ports
            .keys()
            .map(|port| (*port, container(port).unwrap_or_default()))
            .collect())
    }

    /// Takes in what was read of a container that has addresses.
    fn note(&mut self, port: u32, end: FarEnd, read: Container, runs: &BTreeSet<Ipv4Addr>) {
        let known = self.known.entry(port).or_insert_with(|| Known {
            end,
            container: Container {
                addresses: read.addresses,
                networks: BTreeSet::new(),
            },
            ran: false,
        });
        known.container.networks = read.networks;
        known.ran = !known.container.addresses.is_disjoint(runs);
    }
}

/// Reads what is at `ends`; returns those that have addresses.
async fn ask(ends: &[(u32, FarEnd)]) -> Result<Vec<(u32, FarEnd, Container)>, LinksError> {
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
        // Of all devices of the namespace.
        let mut get = handle.address().get();
        let question = get.message_mut();
        question.header.family = AddressFamily::Inet;
        let namespace = AddressAttribute::TargetNetNsId(end.namespace);
        question.attributes.push(namespace);
        match get.execute().try_collect::<Vec<AddressMessage>>().await {
            Ok(told) => {
                let container = container(&told, end.index);
                if !container.addresses.is_empty() {
                    found.push((*port, *end, container));
                }
            }
            // It has just ended, or belongs to somebody with a user namespace of their own.
            Err(error) => tracing::debug!(port, %error, "a container's addresses can't be read"),
        }
    }
    Ok(found)
}

/// A container by all addresses in its namespace, whose device at the bridge has this index there.
fn container(told: &[AddressMessage], index: u32) -> Container {
    let of_port = told.iter().filter(|it| it.header.index == index);
    let networks = told.iter().filter_map(network);
    Container {
        addresses: of_port.filter_map(own).collect(),
        networks: networks
            .filter(|network| !network.addr().is_loopback())
            .collect(),
    }
}
