//! All elements of the sets: as a value, as changes between two values, and as read from the kernel.

use super::set_element::{Allowed, Bits, Cookie, Endpoint, Service, SetElement, Tag};
use super::sets::{
    ALLOWED, ANSWERS, BRIDGES, COOKIE_HIGH, COOKIE_LOW, COOKIES, DIRECT, ENDPOINTS, KEYS, LEASE,
    LEASE_BRIDGE, MARKS, ORIGINS, OWNED, PEERS, PUBLISHED, PUBLISHED6, RESTRICTED, TAGS, TASKS,
    TRACKED, VIPS,
};
use lb_abi::service::Port;
use lb_core::model::token::TokenKeys;
use lb_netlink::nft::{self, Change, Element, Error, Key, SetName};
use lb_netlink::socket::NetlinkSocket;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

/// Elements of all sets that the agent fills, without the lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elements {
    /// swarmlb's virtual services by address, as a record for the next agent.
    pub owned: BTreeSet<Service>,
    /// swarmlb's virtual services by mark, as a record for the next agent.
    pub marks: BTreeSet<u32>,
    /// Virtual services that get packets.
    pub vips: BTreeSet<Service>,
    /// Tasks of this node, as they answer: only that goes back to other nodes, and nothing else looks at it.
    pub answers: BTreeSet<Service>,
    /// Tasks whose replies connection tracking has to see.
    pub tracked: BTreeSet<Service>,
    /// Ports on which the node answers calls from itself.
    pub published: BTreeSet<Port>,
    /// Ports of tasks whose replies go straight to clients, whichever node those called.
    pub direct: BTreeSet<Port>,
    /// Restricted ports.
    pub restricted: BTreeSet<Port>,
    /// Networks that may use restricted ports.
    pub allowed: BTreeSet<Allowed>,
    /// Indexes of this node's bridges.
    pub bridges: BTreeSet<u32>,
    /// Addresses of other nodes, with their route addresses.
    pub peers: BTreeMap<Ipv4Addr, Ipv4Addr>,
    /// Addresses on which other nodes are called, with the route addresses of those.
    pub origins: BTreeMap<Ipv4Addr, Ipv4Addr>,
    /// Cookies of other nodes: each of their tunnel packets bears one.
    pub cookies: BTreeSet<Cookie>,
    /// Cookies of tunnel packets to other nodes.
    pub sent: BTreeMap<Ipv4Addr, Bits>,
    /// Token keys from which this node's cookies follow.
    pub keys: Option<TokenKeys>,
    /// Tasks of this node with their ports of bridges.
    pub endpoints: BTreeSet<Endpoint>,
    /// Tags and ports of this node's tasks, with their marks.
    pub tags: BTreeMap<Tag, u32>,
}

impl Elements {
    /// All ports that are served.
    #[must_use]
    pub fn ports(&self) -> BTreeSet<Port> {
        let steered = self.vips.iter().map(|service| service.port);
        steered.chain(self.published.iter().copied()).collect()
    }

    /// From the current elements to the wanted ones. Removals come first: then there is room for it under
    /// another value.
    #[must_use]
    pub fn changes(&self, have: &Self) -> Vec<Change> {
        let mut all = Changes::default();
        all.set(OWNED, &self.owned, &have.owned);
        all.set(MARKS, &self.marks, &have.marks);
        all.set(VIPS, &self.vips, &have.vips);
        all.set(ANSWERS, &self.answers, &have.answers);
        all.set(TRACKED, &self.tracked, &have.tracked);
        all.set(PUBLISHED, &self.published, &have.published);
        all.set(PUBLISHED6, &self.published, &have.published);
        all.set(DIRECT, &self.direct, &have.direct);
        all.set(RESTRICTED, &self.restricted, &have.restricted);
        all.set(ALLOWED, &self.allowed, &have.allowed);
        all.set(BRIDGES, &self.bridges, &have.bridges);
        // Never an address that no port is known for.
        let tasks = |all: &BTreeSet<Endpoint>| all.iter().map(|it| it.address).collect();
        all.set(TASKS, &tasks(&self.endpoints), &tasks(&have.endpoints));
        all.set(ENDPOINTS, &self.endpoints, &have.endpoints);
        all.map(PEERS, &self.peers, &have.peers);
        if self.keys != have.keys {
            let element = |keys: Option<TokenKeys>| keys.iter().map(SetElement::element).collect();
            all.push(KEYS, element(have.keys), element(self.keys));
        }
        all.set(COOKIES, &self.cookies, &have.cookies);
        all.map(COOKIE_HIGH, &self.high(), &have.high());
        all.map(COOKIE_LOW, &self.low(), &have.low());
        all.map(ORIGINS, &self.origins, &have.origins);
        all.map(TAGS, &self.tags, &have.tags);
        all.0
    }

    /// Reads the elements from the kernel; empty without the tables.
    ///
    /// # Errors
    /// When the kernel can't be asked.
    pub fn read(socket: &mut NetlinkSocket) -> Result<Self, Error> {
        Ok(Self {
            owned: set(socket, OWNED)?,
            marks: set(socket, MARKS)?,
            vips: set(socket, VIPS)?,
            answers: set(socket, ANSWERS)?,
            tracked: set(socket, TRACKED)?,
            published: set(socket, PUBLISHED)?,
            direct: set(socket, DIRECT)?,
            restricted: set(socket, RESTRICTED)?,
            allowed: set(socket, ALLOWED)?,
            bridges: set(socket, BRIDGES)?,
            endpoints: set(socket, ENDPOINTS)?,
            peers: map(socket, PEERS)?,
            cookies: set(socket, COOKIES)?,
            sent: sent(socket)?,
            keys: Self::read_keys(socket)?,
            origins: map(socket, ORIGINS)?,
            tags: map(socket, TAGS)?,
        })
    }

    /// The keys that the kernel has, if there are any.
    ///
    /// # Errors
    /// When the kernel can't be asked.
    pub fn read_keys(socket: &mut NetlinkSocket) -> Result<Option<TokenKeys>, Error> {
        Ok(items(socket, KEYS)?.pop())
    }

    fn high(&self) -> BTreeMap<Ipv4Addr, [u8; 2]> {
        let first = |(peer, [high, low, _]): (&Ipv4Addr, &Bits)| (*peer, [*high, *low]);
        self.sent.iter().map(first).collect()
    }

    fn low(&self) -> BTreeMap<Ipv4Addr, [u8; 1]> {
        let last = |(peer, [.., last]): (&Ipv4Addr, &Bits)| (*peer, [*last]);
        self.sent.iter().map(last).collect()
    }
}

#[derive(Default)]
struct Changes(Vec<Change>);

impl Changes {
    fn set<T: SetElement + Ord>(&mut self, name: SetName, want: &BTreeSet<T>, have: &BTreeSet<T>) {
        let some = |from: &BTreeSet<T>, without: &BTreeSet<T>| {
            from.difference(without).map(SetElement::element).collect()
        };
        self.push(name, some(have, want), some(want, have));
    }

    fn map<K: Copy + Ord, V: Copy + Ord>(
        &mut self,
        name: SetName,
        want: &BTreeMap<K, V>,
        have: &BTreeMap<K, V>,
    ) where
        (K, V): SetElement,
    {
        let some = |from: &BTreeMap<K, V>, without: &BTreeMap<K, V>| {
            let pairs = from.iter().map(|(key, value)| (*key, *value));
            pairs
                .filter(|(key, value)| without.get(key) != Some(value))
                .map(|pair| pair.element())
                .collect()
        };
        self.push(name, some(have, want), some(want, have));
    }

    fn push(&mut self, name: SetName, gone: Vec<Element>, new: Vec<Element>) {
        if !gone.is_empty() {
            self.0.push(Change::DeleteElements(name, gone));
        }
        if !new.is_empty() {
            self.0.push(Change::AddElements(name, new));
        }
    }
}

fn items<T: SetElement>(socket: &mut NetlinkSocket, name: SetName) -> Result<Vec<T>, Error> {
    let elements = nft::elements(socket, name)?.unwrap_or_default();
    Ok(elements.iter().filter_map(T::of).collect())
}

fn set<T: SetElement + Ord>(
    socket: &mut NetlinkSocket,
    name: SetName,
) -> Result<BTreeSet<T>, Error> {
    Ok(items(socket, name)?.into_iter().collect())
}

fn map<K: Ord, V>(socket: &mut NetlinkSocket, name: SetName) -> Result<BTreeMap<K, V>, Error>
where
    (K, V): SetElement,
{
    Ok(items(socket, name)?.into_iter().collect())
}

/// Only whole cookies are any.
fn sent(socket: &mut NetlinkSocket) -> Result<BTreeMap<Ipv4Addr, Bits>, Error> {
    let low: BTreeMap<Ipv4Addr, [u8; 1]> = map(socket, COOKIE_LOW)?;
    let high: Vec<(Ipv4Addr, [u8; 2])> = items(socket, COOKIE_HIGH)?;
    let whole = high.into_iter().filter_map(|(peer, [high, middle])| {
        let [last] = *low.get(&peer)?;
        Some((peer, [high, middle, last]))
    });
    Ok(whole.collect())
}

/// Begins the lease anew: for so long new connections are steered to IPVS.
#[must_use]
pub fn lease(time: Duration) -> Vec<Change> {
    /// `NFPROTO_IPV4` and `NFPROTO_BRIDGE`, which packets of the tables bear.
    const LEASES: [(SetName, u8); 2] = [(LEASE, 2), (LEASE_BRIDGE, 7)];
    let each = LEASES.into_iter().flat_map(|(set, family)| {
        let element = Element::expiring(Key::single(&[family]), time);
        // What is there keeps its end, on older kernels.
        [Change::Flush(set), Change::AddElements(set, vec![element])]
    });
    each.collect()
}

/// Time left of the lease; `None` if it is over.
///
/// # Errors
/// When the kernel can't be asked.
pub fn lease_left(socket: &mut NetlinkSocket) -> Result<Option<Duration>, Error> {
    let elements = nft::elements(socket, LEASE)?.unwrap_or_default();
    Ok(elements.iter().filter_map(|element| element.left).max())
}
