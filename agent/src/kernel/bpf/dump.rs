//! Copies of the map entries by which the programs decide, for simulations.
//!
//! Read only: the kernel does not count these look-ups as use of a flow.

use super::Failure;
use super::maps::{Affinities, Flows, Networks, One, RevNats, Table, pinned};
use crate::kernel::clock::nanoseconds;
use aya::maps::Map;
use lb_abi::flow::{SnatEntry, Tuple, milliseconds, ticks};
use lb_abi::service::{Backend, Frontend, OnLink, Port, Slot, Source, TargetKey};
use lb_abi::settings::{Settings, Uplink};
use lb_abi::tunnel::TokenKeys;
use lb_abi::{Be16, Be32};
use lb_datapath::model::Memory;
use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::path::Path;

/// Number of attempts: a port's table may be replaced while it is read.
const TRIES: u32 = 5;

/// The maps that a decision depends on.
pub(super) struct Dump {
    settings: One<Settings>,
    uplinks: Table<u32, Uplink>,
    addresses: Table<Be32, u32>,
    peers: Table<Be32, TokenKeys>,
    frontends: Table<Port, Frontend>,
    turns: Table<Port, u64>,
    slots: Table<Slot, u64>,
    targets: Table<TargetKey, Be16>,
    backends: Table<u64, Backend>,
    lease: One<u64>,
    allowed: Networks<Source>,
    on_link: Networks<OnLink>,
    affinities: Affinities,
    loads: Table<u64, u64>,
    flows: Flows,
    rev_nats: RevNats,
    callers: Table<Tuple, SnatEntry>,
    own_flows: Table<Tuple, u32>,
}

impl Dump {
    /// Opens the maps pinned in `directory`.
    pub(super) fn open(directory: &Path) -> Result<Self, Failure> {
        let map = |name, kind| pinned(directory, name, kind);
        let (hash, lru) = (Map::HashMap, Map::LruHashMap);
        Ok(Self {
            settings: One::new("LB_SETTINGS", map("LB_SETTINGS", Map::Array)?)?,
            uplinks: Table::pinned(directory, "LB_UPLINKS", hash)?,
            addresses: Table::pinned(directory, "LB_VIPS", hash)?,
            peers: Table::pinned(directory, "LB_PEERS", hash)?,
            frontends: Table::pinned(directory, "LB_FRONTENDS", hash)?,
            turns: Table::pinned(directory, "LB_RR", hash)?,
            slots: Table::pinned(directory, "LB_SLOTS", hash)?,
            targets: Table::pinned(directory, "LB_TARGETS", hash)?,
            backends: Table::pinned(directory, "LB_BACKENDS", hash)?,
            lease: One::new("LB_LEASE", map("LB_LEASE", Map::Array)?)?,
            allowed: Networks::new("LB_ALLOWED", map("LB_ALLOWED", Map::LpmTrie)?)?,
            on_link: Networks::new("LB_ON_LINK", map("LB_ON_LINK", Map::LpmTrie)?)?,
            affinities: Affinities::open(directory)?,
            loads: Table::pinned(directory, "LB_CONNS", hash)?,
            flows: Flows::open(directory)?,
            rev_nats: RevNats::open(directory)?,
            callers: Table::pinned(directory, "LB_HAIRPIN_SNAT", lru)?,
            own_flows: Table::pinned(directory, "LB_OWN_FLOWS", lru)?,
        })
    }

    /// Copies the entries that decide about packets of `client` to `port`: the flows of that client and the table
    /// of that port only, as there may be many others.
    pub(super) fn read(&self, client: Ipv4Addr, port: &Port) -> Result<Memory, Failure> {
        let mut memory = self.read_once(client, port)?;
        for _ in 1..TRIES {
            if self.frontends.get(port)? == memory.frontends.get(port).copied() {
                break;
            }
            memory = self.read_once(client, port)?;
        }
        Ok(memory)
    }

    fn read_once(&self, client: Ipv4Addr, port: &Port) -> Result<Memory, Failure> {
        let client = Be32::new(client.into());
        let settings = self.settings.get()?;
        let addresses = self.addresses.walk(|_| true)?.into_keys();
        let peers = self.peers.walk(|_| true)?.into_keys();
        let kept = self.affinities.walk(|key| key.address == client)?;
        // Tasks may see the client under an address of this node.
        let seen_as = [client, settings.node, settings.gateway];
        let replies = self
            .rev_nats
            .walk(|tuple| seen_as.contains(&tuple.destination))?;
        let on_link = self.on_link.entries()?.into_iter();
        let on_link = on_link.map(|((task, network), under)| {
            let address = Be32::new(network.network().into());
            let network_of = OnLink::new(task.0, address);
            ((network_of, u32::from(network.prefix_len())), under)
        });
        let allowed = self.allowed.keys()?.into_iter().map(|(port, network)| {
            let address = Be32::new(network.network().into());
            (Source { port, address }, u32::from(network.prefix_len()))
        });
        let frontends = self.frontends.walk(|_| true)?;
        let table = frontends.get(port).map(|frontend| frontend.table);
        let lease = self.lease.get()?;
        let nanoseconds = nanoseconds();
        Ok(Memory {
            // The programs take it for absent, too, until the agent has written it.
            settings: (settings.uplink != 0).then_some(settings),
            uplinks: self.uplinks.walk(|_| true)?,
            frontends,
            turns: RefCell::new(self.turns.walk(|_| true)?),
            slots: self.slots.walk(|slot| table == Some(slot.table))?,
            targets: self.targets.walk(|key| key.port == *port)?,
            backends: self.backends.walk(|_| true)?,
            addresses: addresses.map(Be32::get).collect(),
            // No decision about a client's packet depends on keys, and copies are shown.
            peers: peers
                .map(|peer| (peer.get(), TokenKeys::default()))
                .collect(),
            flows: RefCell::new(self.flows.walk(|tuple| tuple.source == client)?),
            replies: RefCell::new(replies),
            allowed: allowed.collect(),
            on_link: on_link.collect(),
            kept: RefCell::new(kept),
            loads: RefCell::new(self.loads.walk(|_| true)?),
            expired: lease != 0 && lease <= nanoseconds,
            callers: RefCell::new(self.callers.walk(|_| true)?),
            own_flows: RefCell::new(self.own_flows.walk(|tuple| tuple.source == client)?),
            now: ticks(nanoseconds),
            fraction: milliseconds(nanoseconds) & 0x3ff,
            ..Memory::default()
        })
    }
}
