//! All elements of the sets: as a value, as changes between two values, and as read from the kernel.

use super::set_element::{self, DECODED, DECODED_OWNED, pair, to_sets};
use super::sets::{COOKIE_HIGH, COOKIE_LOW, KEYS, ORIGINS, PEERS, TASKS};
use lb_abi::service::Port;
use lb_core::backend::ipvs::{Element, ServiceKey};
use lb_core::model::token::TokenKeys;
use lb_netlink::nft::{self, Change, Error, SetName};
use lb_netlink::socket::NetlinkSocket;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// Elements of all sets that the agent fills, without the lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elements {
    /// What the rules look up.
    pub looked_up: BTreeSet<Element>,
    /// swarmlb's virtual services, as a record for the next agent.
    pub owned: BTreeSet<ServiceKey>,
    /// Token keys from which this node's cookies follow, for the next agent, too.
    pub keys: Option<TokenKeys>,
    /// Some addresses are in one of two maps only, or with two route addresses: no element, and not what was put.
    pub incomplete: bool,
}

impl FromIterator<Element> for Elements {
    fn from_iter<T: IntoIterator<Item = Element>>(elements: T) -> Self {
        Self {
            looked_up: elements.into_iter().collect(),
            ..Self::default()
        }
    }
}

impl Elements {
    /// All ports that are served.
    #[must_use]
    pub fn ports(&self) -> BTreeSet<Port> {
        let ports = self.looked_up.iter().filter_map(|element| match element {
            Element::Vip(_, port) | Element::Published(port) => Some(*port),
            _ => None,
        });
        ports.collect()
    }

    /// From `have` to these elements. Removals come first: then there is room for a key under another value.
    #[must_use]
    pub fn changes(&self, have: &Self) -> Vec<Change> {
        let mut all = Changes::default();
        let sets = |from: &Self, without: &Self| {
            let looked_up = from.looked_up.difference(&without.looked_up);
            let owned = from.owned.difference(&without.owned);
            let keys = from.keys.filter(|_| from.keys != without.keys);
            // A task's address goes with the last of its bridge ports.
            let tasks = &from.tasks() - &without.tasks();
            let mut all: Vec<(SetName, nft::Element)> = looked_up.flat_map(to_sets).collect();
            all.extend(owned.map(|service| set_element::owned(*service)));
            all.extend(keys.map(|keys| (KEYS, set_element::keys(&keys))));
            all.extend(
                tasks
                    .into_iter()
                    .map(|task| (TASKS, set_element::address(task))),
            );
            all
        };
        for (set, element) in sets(have, self) {
            all.0.entry(set).or_default().0.push(element);
        }
        for (set, element) in sets(self, have) {
            all.0.entry(set).or_default().1.push(element);
        }
        all.in_order()
    }

    /// Reads the elements from the kernel; empty without the tables.
    ///
    /// # Errors
    /// When the kernel can't be asked.
    pub fn read(socket: &mut NetlinkSocket) -> Result<Self, Error> {
        let mut all = Self {
            keys: Self::read_keys(socket)?,
            ..Self::default()
        };
        for (set, decode) in DECODED {
            let elements = elements(socket, set)?;
            all.looked_up.extend(elements.iter().filter_map(decode));
        }
        for (set, decode) in DECODED_OWNED {
            let elements = elements(socket, set)?;
            all.owned.extend(elements.iter().filter_map(decode));
        }
        all.join(socket, [PEERS, ORIGINS], |node, route: [u8; 4], other| {
            (route == other).then(|| Element::Peer(node, route.into()))
        })?;
        all.join(socket, [COOKIE_HIGH, COOKIE_LOW], |node, [a, b], [c]| {
            Some(Element::CookieTo(node, [a, b, c]))
        })?;
        Ok(all)
    }

    /// The keys that the kernel has, if there are any.
    ///
    /// # Errors
    /// When the kernel can't be asked.
    pub fn read_keys(socket: &mut NetlinkSocket) -> Result<Option<TokenKeys>, Error> {
        let elements = elements(socket, KEYS)?;
        Ok(elements.iter().filter_map(set_element::keys_of).next_back())
    }

    /// Reads elements of which each map has a half, by a node's address.
    fn join<const M: usize, const N: usize>(
        &mut self,
        socket: &mut NetlinkSocket,
        [first, second]: [SetName; 2],
        whole: fn(Ipv4Addr, [u8; M], [u8; N]) -> Option<Element>,
    ) -> Result<(), Error> {
        let first = elements(socket, first)?;
        let second = elements(socket, second)?;
        let second: BTreeMap<_, _> = second.iter().filter_map(pair).collect();
        let before = self.looked_up.len();
        let halves = first.iter().filter_map(pair);
        let joined = halves.filter_map(|(node, half)| whole(node, half, *second.get(&node)?));
        self.looked_up.extend(joined);
        let joined = self.looked_up.len() - before;
        self.incomplete |= joined != first.len() || joined != second.len();
        Ok(())
    }

    /// Addresses of tasks whose bridge ports are known.
    fn tasks(&self) -> BTreeSet<Ipv4Addr> {
        let endpoints = self.looked_up.iter().filter_map(|element| match element {
            Element::Endpoint(address, _) => Some(*address),
            _ => None,
        });
        endpoints.collect()
    }
}

/// For each set, what goes and what comes.
#[derive(Default)]
struct Changes(BTreeMap<SetName, (Vec<nft::Element>, Vec<nft::Element>)>);

impl Changes {
    fn in_order(self) -> Vec<Change> {
        let each = self.0.into_iter().flat_map(|(set, (gone, new))| {
            let gone = (!gone.is_empty()).then_some(Change::DeleteElements(set, gone));
            let new = (!new.is_empty()).then_some(Change::AddElements(set, new));
            gone.into_iter().chain(new)
        });
        each.collect()
    }
}

fn elements(socket: &mut NetlinkSocket, set: SetName) -> Result<Vec<nft::Element>, Error> {
    Ok(nft::elements(socket, set)?.unwrap_or_default())
}
