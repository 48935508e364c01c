//! Networks, each of somebody, in a map that finds the longest prefix.

use super::{Failure, Plain, absent, failed, walk};
use crate::kernel::bpf::pod::Pod;
use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Map, MapData};
use ipnet::Ipv4Net;
use lb_abi::Be32;
use lb_abi::service::{OnLink, Port, Source};
use lb_core::model::ids;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// The data of a longest-prefix key: whose network it is, all of which counts, and behind that an address.
pub(crate) trait Member: Plain {
    /// What the networks belong to: a task, or a published port.
    type Owner: Ord;
    /// Bits of the owner.
    const OWNER_BITS: u32;
    /// The data for an address of the owner's.
    fn new(owner: Self::Owner, address: Be32) -> Self;
    /// The owner and the address.
    fn parts(self) -> (Self::Owner, Be32);
}

impl Member for Source {
    type Owner = Port;
    const OWNER_BITS: u32 = Self::PORT_BITS;

    fn new(port: Port, address: Be32) -> Self {
        Self { port, address }
    }

    fn parts(self) -> (Port, Be32) {
        (self.port, self.address)
    }
}

impl Member for OnLink {
    type Owner = ids::Key;
    const OWNER_BITS: u32 = Self::TASK_BITS;

    fn new(task: ids::Key, address: Be32) -> Self {
        Self::new(task.0, address)
    }

    fn parts(self) -> (ids::Key, Be32) {
        (ids::Key(u64::from_ne_bytes(self.task)), self.address)
    }
}

/// The networks, with a value for each.
pub(crate) struct Networks<M: Member>(&'static str, LpmTrie<MapData, Pod<M>, u32>);

impl<M: Member> Networks<M> {
    pub(crate) fn new(name: &'static str, map: Map) -> Result<Self, Failure> {
        LpmTrie::try_from(map)
            .map(|map| Self(name, map))
            .map_err(failed(name))
    }

    pub(crate) fn insert(
        &mut self,
        owner: M::Owner,
        network: Ipv4Net,
        value: u32,
    ) -> Result<(), Failure> {
        let inserted = self.1.insert(&key::<M>(owner, network), value, 0);
        inserted.map_err(failed(self.0))
    }

    pub(crate) fn remove(&mut self, owner: M::Owner, network: Ipv4Net) -> Result<(), Failure> {
        let removed = absent(self.1.remove(&key::<M>(owner, network)));
        removed.map(|_| ()).map_err(failed(self.0))
    }

    /// The networks alone.
    pub(crate) fn keys(&self) -> Result<BTreeSet<(M::Owner, Ipv4Net)>, Failure> {
        let mut keys = BTreeSet::new();
        for key in self.1.keys().take(walk::STEPS) {
            keys.extend(member(&key.map_err(failed(self.0))?));
        }
        Ok(keys)
    }

    pub(crate) fn entries(&self) -> Result<BTreeMap<(M::Owner, Ipv4Net), u32>, Failure> {
        let mut entries = BTreeMap::new();
        for key in self.1.keys().take(walk::STEPS) {
            let key = key.map_err(failed(self.0))?;
            let Some(value) = absent(self.1.get(&key, 0)).map_err(failed(self.0))? else {
                continue;
            };
            entries.extend(member(&key).map(|member| (member, value)));
        }
        Ok(entries)
    }
}

/// The owner and the network. Longer than 32 bits it can't be: the map has no such keys.
fn member<M: Member>(key: &Key<Pod<M>>) -> Option<(M::Owner, Ipv4Net)> {
    let Pod(member) = key.data();
    let (owner, address) = member.parts();
    let bits = key.prefix_len().saturating_sub(M::OWNER_BITS);
    let address = Ipv4Addr::from(address.get());
    let network = Ipv4Net::new(address, u8::try_from(bits).ok()?).ok()?;
    Some((owner, network))
}

fn key<M: Member>(owner: M::Owner, network: Ipv4Net) -> Key<Pod<M>> {
    let address = Be32::new(network.network().into());
    Key::new(
        M::OWNER_BITS + u32::from(network.prefix_len()),
        Pod(M::new(owner, address)),
    )
}
