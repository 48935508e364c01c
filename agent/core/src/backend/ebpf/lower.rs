//! From the desired state to the maps and hooks that serve it.
//!
//! What a map needs and nobody desires is decided here: numbers of tables, the unit of times, flags,
//! where programs are attached.

mod host;
mod ipv4_addresses;
mod on_link;
mod service;

use super::state::State;
use crate::backend::{TaskAddressFamily, TaskAddresses};
use crate::desired::{Desired, share};
use ipv4_addresses::Ipv4Addresses;
use lb_abi::limits;

// A service's share is a quarter of what the maps hold, and all services together have no more than there is, also
// while each of their tables is replaced by another. The networks of a node's tasks have a map to themselves.
const _: () = assert!(
    share::PORTS * 4 == limits::FRONTENDS as usize
        && share::ALL_PORTS == limits::FRONTENDS as usize
        && share::PLACES * 4 == limits::SLOTS as usize
        && share::ALL_PLACES * 2 == limits::SLOTS as usize
        && share::ALLOWED * 4 == limits::ALLOWED as usize
        && share::ON_LINK == limits::ON_LINK as usize
        && share::TARGETS * 4 == limits::TARGETS as usize
);

/// The state that serves a desired state, and that one.
#[derive(Clone, Debug, Default)]
pub struct Lowered {
    /// The wanted state of the kernel.
    pub want: State,
    /// A copy, which shares its services with the one that it was made of.
    desired: Desired,
    /// IPv4 addresses of tasks; `None` where the host has IPv6.
    ipv4_addresses: Option<Ipv4Addresses>,
}

impl Lowered {
    /// Nothing is served yet; tasks are going to have addresses of this family.
    #[must_use]
    pub fn new(family: TaskAddressFamily) -> Self {
        let ipv4_addresses = match family {
            TaskAddressFamily::Ipv6 => None,
            TaskAddressFamily::Ipv4 => Some(Ipv4Addresses::default()),
        };
        Self {
            ipv4_addresses,
            ..Self::default()
        }
    }

    /// The addresses by which processes of the node call tasks.
    #[must_use]
    pub fn task_addresses(&self) -> TaskAddresses {
        match &self.ipv4_addresses {
            None => TaskAddresses::ByKey,
            Some(addresses) => TaskAddresses::Listed(addresses.of_tasks()),
        }
    }

    /// Forgets what was wanted, as the kernel may have another state. The order in which addresses became free is known to
    /// nobody else, and stays.
    pub fn restart(&mut self) {
        let addresses = std::mem::take(self).ipv4_addresses;
        self.ipv4_addresses = addresses.map(Ipv4Addresses::restarted);
    }

    /// The state that serves `desired`. Only what has changed since the last one is computed: equal to what
    /// [`Lowered::new`] makes of `desired`, provided that `have` is the last state that was wanted.
    ///
    /// `have` lends the numbers of tables that are right already, so that nothing is replaced by its equal,
    /// and the keys of nodes of which nothing is heard.
    #[must_use]
    pub fn update(mut self, desired: &Desired, have: &State) -> Self {
        if desired.host != self.desired.host {
            let family = match self.ipv4_addresses {
                None => TaskAddressFamily::Ipv6,
                Some(_) => TaskAddressFamily::Ipv4,
            };
            let host = desired.host.as_ref();
            let host = host.map(|host| host::state(host, have, family));
            let State {
                services,
                backends,
                task_addresses,
                tables,
                targets,
                allowed,
                frontends,
                ..
            } = self.want;
            self.want = State {
                services,
                backends,
                task_addresses,
                tables,
                targets,
                allowed,
                frontends,
                ..host.unwrap_or_default()
            };
        }
        self.want.endpoints.clone_from(&desired.endpoints);
        self.want.on_link = on_link::networks(desired);
        // First all that goes: a port may pass from one service to another.
        for change in desired.services.changes(&self.desired.services) {
            if let Some(before) = change.before() {
                service::withdraw(&mut self.want, *change.key(), before);
            }
        }
        for change in desired.services.changes(&self.desired.services) {
            if let Some(now) = change.now() {
                service::serve(&mut self.want, have, *change.key(), now);
            }
        }
        if let Some(addresses) = &mut self.ipv4_addresses {
            addresses.update(&mut self.want, have, desired, &self.desired);
        }
        self.desired.clone_from(desired);
        self
    }
}

#[cfg(test)]
mod tests;
