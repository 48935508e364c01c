//! Networks of clients, in a map that finds the longest prefix.

use super::{Failure, absent, failed, walk};
use crate::kernel::bpf::pod::Pod;
use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Map, MapData};
use ipnet::Ipv4Net;
use lb_abi::Be32;
use lb_abi::service::{Port, Source};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// Networks of clients that may use restricted ports.
pub(crate) struct Networks(&'static str, LpmTrie<MapData, Pod<Source>, u32>);

impl Networks {
    pub(crate) fn new(name: &'static str, map: Map) -> Result<Self, Failure> {
        LpmTrie::try_from(map)
            .map(|map| Self(name, map))
            .map_err(failed(name))
    }

    pub(crate) fn insert(&mut self, port: Port, network: Ipv4Net) -> Result<(), Failure> {
        let inserted = self.1.insert(&key(port, network), 0, 0);
        inserted.map_err(failed(self.0))
    }

    pub(crate) fn remove(&mut self, port: Port, network: Ipv4Net) -> Result<(), Failure> {
        let removed = absent(self.1.remove(&key(port, network)));
        removed.map(|_| ()).map_err(failed(self.0))
    }

    pub(crate) fn entries(&self) -> Result<BTreeSet<(Port, Ipv4Net)>, Failure> {
        let mut entries = BTreeSet::new();
        for key in self.1.keys().take(walk::STEPS) {
            let key = key.map_err(failed(self.0))?;
            let Pod(source) = key.data();
            let bits = key.prefix_len().saturating_sub(Source::PORT_BITS);
            let address = Ipv4Addr::from(source.address.get());
            // Longer than 32 bits it can't be: the map has no such keys.
            let network = u8::try_from(bits)
                .ok()
                .and_then(|bits| Ipv4Net::new(address, bits).ok());
            entries.extend(network.map(|network| (source.port, network)));
        }
        Ok(entries)
    }
}

fn key(port: Port, network: Ipv4Net) -> Key<Pod<Source>> {
    let source = Source {
        port,
        address: Be32::new(network.network().into()),
    };
    Key::new(
        Source::PORT_BITS + u32::from(network.prefix_len()),
        Pod(source),
    )
}
