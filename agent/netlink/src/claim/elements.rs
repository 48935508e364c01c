//! What is in the sets: as a whole, from one whole to another, and as the kernel has it.

use super::item::{Allowed, Item, Port, Protocol, Service, Tag};
use super::sets::{
    ALIASED, ALIASES, ALLOWED, ANSWERS, BRIDGES, CALLS, CLAIMS, DIRECT, LEARNED, LEASE, MARKS,
    ORIGINS, OWNED, PEERS, PUBLISHED, PUBLISHED6, RELEASED, RESTRICTED, TAGS,
};
use crate::nft::{self, Change, Element, Error, Key, SetName};
use crate::socket::Wire;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

/// All that is put into sets, but for the lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elements {
    /// All virtual servers by address that are ours, for whoever has to find them again.
    pub owned: BTreeSet<Service>,
    /// All virtual servers by mark that are ours, likewise.
    pub marks: BTreeSet<u32>,
    /// Virtual servers that get packets.
    pub claims: BTreeSet<Service>,
    /// Tasks of this node, as they answer: nothing else looks at that.
    pub answers: BTreeSet<Service>,
    /// Ports on which the node answers calls from itself.
    pub published: BTreeSet<Port>,
    /// Ports of tasks whose replies go straight to clients, whichever node those called.
    pub direct: BTreeSet<Port>,
    /// Ports that not everybody may call.
    pub restricted: BTreeSet<Port>,
    /// Who may call them.
    pub allowed: BTreeSet<Allowed>,
    /// Indexes of this node's bridges.
    pub bridges: BTreeSet<u32>,
    /// Addresses of other nodes, with their aliases.
    pub peers: BTreeMap<Ipv4Addr, Ipv4Addr>,
    /// Addresses on which other nodes are called, with the aliases of those.
    pub origins: BTreeMap<Ipv4Addr, Ipv4Addr>,
    /// What names this node's tasks in the tunnel, with their marks.
    pub tags: BTreeMap<Tag, u32>,
}

impl Elements {
    /// All ports on which somebody is answered.
    #[must_use]
    pub fn ports(&self) -> BTreeSet<Port> {
        let claimed = self.claims.iter().map(|service| service.port);
        claimed.chain(self.published.iter().copied()).collect()
    }

    /// From what is to what shall be. What goes, goes first: then there is room for it under
    /// another value.
    #[must_use]
    pub fn changes(&self, have: &Self) -> Vec<Change> {
        let mut all = Changes::default();
        all.set(OWNED, &self.owned, &have.owned);
        all.set(MARKS, &self.marks, &have.marks);
        all.set(CLAIMS, &self.claims, &have.claims);
        all.set(ANSWERS, &self.answers, &have.answers);
        all.set(PUBLISHED, &self.published, &have.published);
        all.set(PUBLISHED6, &self.published, &have.published);
        all.set(DIRECT, &self.direct, &have.direct);
        all.set(RESTRICTED, &self.restricted, &have.restricted);
        all.set(ALLOWED, &self.allowed, &have.allowed);
        all.set(BRIDGES, &self.bridges, &have.bridges);
        all.map(PEERS, &self.peers, &have.peers);
        all.map(ORIGINS, &self.origins, &have.origins);
        all.map(TAGS, &self.tags, &have.tags);
        all.0
    }

    /// What the kernel has; nothing without the tables.
    ///
    /// # Errors
    /// When the kernel can't be asked.
    pub fn read(wire: &mut Wire) -> Result<Self, Error> {
        Ok(Self {
            owned: set(wire, OWNED)?,
            marks: set(wire, MARKS)?,
            claims: set(wire, CLAIMS)?,
            answers: set(wire, ANSWERS)?,
            published: set(wire, PUBLISHED)?,
            direct: set(wire, DIRECT)?,
            restricted: set(wire, RESTRICTED)?,
            allowed: set(wire, ALLOWED)?,
            bridges: set(wire, BRIDGES)?,
            peers: map(wire, PEERS)?,
            origins: map(wire, ORIGINS)?,
            tags: map(wire, TAGS)?,
        })
    }
}

#[derive(Default)]
struct Changes(Vec<Change>);

impl Changes {
    fn set<T: Item>(&mut self, name: SetName, want: &BTreeSet<T>, have: &BTreeSet<T>) {
        let some = |from: &BTreeSet<T>, without: &BTreeSet<T>| {
            from.difference(without).map(Item::element).collect()
        };
        self.push(name, some(have, want), some(want, have));
    }

    fn map<K: Copy + Ord, V: Copy + Ord>(
        &mut self,
        name: SetName,
        want: &BTreeMap<K, V>,
        have: &BTreeMap<K, V>,
    ) where
        (K, V): Item,
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

fn items<T: Item>(wire: &mut Wire, name: SetName) -> Result<Vec<T>, Error> {
    let elements = nft::elements(wire, name)?.unwrap_or_default();
    Ok(elements.iter().filter_map(T::of).collect())
}

fn set<T: Item>(wire: &mut Wire, name: SetName) -> Result<BTreeSet<T>, Error> {
    Ok(items(wire, name)?.into_iter().collect())
}

fn map<K: Ord, V>(wire: &mut Wire, name: SetName) -> Result<BTreeMap<K, V>, Error>
where
    (K, V): Item,
{
    Ok(items(wire, name)?.into_iter().collect())
}

/// Begins the lease anew: for so long new connections are claimed.
#[must_use]
pub fn lease(time: Duration) -> Vec<Change> {
    /// `NFPROTO_IPV4`.
    const IPV4: u8 = 2;
    let element = Element::expiring(Key::single(&[IPV4]), time);
    // What is there keeps its end, on older kernels.
    vec![
        Change::Flush(LEASE),
        Change::AddElements(LEASE, vec![element]),
    ]
}

/// How long the lease still lasts; nothing if it is over.
///
/// # Errors
/// When the kernel can't be asked.
pub fn lease_left(wire: &mut Wire) -> Result<Option<Duration>, Error> {
    let elements = nft::elements(wire, LEASE)?.unwrap_or_default();
    Ok(elements.iter().filter_map(|element| element.left).max())
}

/// What packets put into sets about connections to ports that are published no more, to be taken out.
///
/// # Errors
/// When the kernel can't be asked.
pub fn remains(wire: &mut Wire, gone: &BTreeSet<Port>) -> Result<Vec<Change>, Error> {
    /// What ends by itself this soon is left alone: where one element is gone already, the kernel takes out none.
    const SOON: Duration = Duration::from_secs(5);
    let to_gone = |element: &Element| {
        let [_, _, _, [high, low, ..]] = element.key.words()?;
        let port = Port {
            protocol: Protocol::Tcp,
            port: u16::from_be_bytes([high, low]),
        };
        let lasts = element.left.is_some_and(|left| left > SOON);
        (lasts && gone.contains(&port)).then(|| Element::key(element.key.clone()))
    };
    let mut all = Vec::new();
    for name in [CALLS, ALIASES, ALIASED] {
        let elements = nft::elements(wire, name)?.unwrap_or_default();
        let gone: Vec<Element> = elements.iter().filter_map(to_gone).collect();
        if !gone.is_empty() {
            all.push(Change::DeleteElements(name, gone));
        }
    }
    Ok(all)
}

/// What is in the sets that packets fill, and the lease, to be put into new tables.
///
/// # Errors
/// When the kernel can't be asked.
pub fn volatile(wire: &mut Wire) -> Result<Vec<Change>, Error> {
    let mut all = Vec::new();
    for name in [LEASE, LEARNED, RELEASED, ALIASES, ALIASED] {
        let elements = nft::elements(wire, name)?.unwrap_or_default();
        if !elements.is_empty() {
            all.push(Change::AddElements(name, elements));
        }
    }
    Ok(all)
}
