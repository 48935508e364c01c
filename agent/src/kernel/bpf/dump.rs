//! A copy of what the programs decide by, for asking what they would do.
//!
//! Reads only: the kernel does not count these look-ups as use of a flow.

use super::Failure;
use super::maps::{Flows, Networks, One, Table, pinned};
use crate::kernel::clock::nanoseconds;
use aya::maps::Map;
use lb_abi::Be32;
use lb_abi::flow::{Caller, Reply, Tuple, ticks};
use lb_abi::service::{Backend, Client, Frontend, Kept, Port, Slot, Source};
use lb_abi::settings::{Settings, Uplink};
use lb_datapath::model::Memory;
use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::path::Path;

/// A port's table may be replaced while it is read; not so often, though.
const TRIES: u32 = 5;

/// The maps that a decision depends on.
pub(super) struct Dump {
    settings: One<Settings>,
    uplinks: Table<u32, Uplink>,
    addresses: Table<Be32, u32>,
    peers: Table<Be32, u32>,
    frontends: Table<Port, Frontend>,
    turns: Table<Port, u64>,
    slots: Table<Slot, u64>,
    backends: Table<u64, Backend>,
    lease: One<u64>,
    allowed: Networks,
    kept: Table<Client, Kept>,
    loads: Table<u64, u64>,
    flows: Flows,
    answering: Table<Tuple, Reply>,
    replies: Table<Tuple, Reply>,
    callers: Table<Tuple, Caller>,
}

impl Dump {
    /// Opens the maps pinned in `directory`.
    pub(super) fn open(directory: &Path) -> Result<Self, Failure> {
        let map = |name, kind| pinned(directory, name, kind);
        let (hash, lru) = (Map::HashMap, Map::LruHashMap);
        Ok(Self {
            settings: One::new("LB_SETTINGS", map("LB_SETTINGS", Map::Array)?)?,
            uplinks: Table::new("LB_UPLINKS", map("LB_UPLINKS", hash)?)?,
            addresses: Table::new("LB_ADDRESSES", map("LB_ADDRESSES", hash)?)?,
            peers: Table::new("LB_PEERS", map("LB_PEERS", hash)?)?,
            frontends: Table::new("LB_FRONTENDS", map("LB_FRONTENDS", hash)?)?,
            turns: Table::new("LB_TURNS", map("LB_TURNS", hash)?)?,
            slots: Table::new("LB_SLOTS", map("LB_SLOTS", hash)?)?,
            backends: Table::new("LB_BACKENDS", map("LB_BACKENDS", hash)?)?,
            lease: One::new("LB_LEASE", map("LB_LEASE", Map::Array)?)?,
            allowed: Networks::new("LB_ALLOWED", map("LB_ALLOWED", Map::LpmTrie)?)?,
            kept: Table::new("LB_KEPT", map("LB_KEPT", lru)?)?,
            loads: Table::new("LB_LOADS", map("LB_LOADS", hash)?)?,
            flows: Flows::open(directory)?,
            answering: Table::new("LB_ANSWERING", map("LB_ANSWERING", lru)?)?,
            replies: Table::new("LB_REPLIES", map("LB_REPLIES", lru)?)?,
            callers: Table::new("LB_CALLERS", map("LB_CALLERS", lru)?)?,
        })
    }

    /// What the maps hold: of flows those of `client`, of tables those of `port`. The
    /// other ones decide nothing about its packets to that port, and may be many.
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
        let addresses = |table: &Table<Be32, u32>| -> Result<_, Failure> {
            let addresses = table.walk(|_| true)?;
            Ok(addresses.into_keys().map(Be32::get).collect())
        };
        let mut replies = self.answering.walk(|tuple| tuple.destination == client)?;
        replies.extend(self.replies.walk(|tuple| tuple.destination == client)?);
        let allowed = self.allowed.entries()?.into_iter().map(|(port, network)| {
            let address = Be32::new(network.network().into());
            (Source { port, address }, u32::from(network.prefix_len()))
        });
        let lease = self.lease.get()?;
        let nanoseconds = nanoseconds();
        Ok(Memory {
            // The programs take it for absent, too, until the agent has written it.
            settings: (settings.uplink != 0).then_some(settings),
            uplinks: self.uplinks.walk(|_| true)?,
            frontends: self.frontends.walk(|_| true)?,
            turns: RefCell::new(self.turns.walk(|_| true)?),
            slots: self.slots.walk(|slot| slot.port == *port)?,
            backends: self.backends.walk(|_| true)?,
            addresses: addresses(&self.addresses)?,
            peers: addresses(&self.peers)?,
            flows: RefCell::new(self.flows.walk(|tuple| tuple.source == client)?),
            replies: RefCell::new(replies),
            allowed: allowed.collect(),
            kept: RefCell::new(self.kept.walk(|kept| kept.address == client)?),
            loads: RefCell::new(self.loads.walk(|_| true)?),
            expired: lease != 0 && lease <= nanoseconds,
            callers: RefCell::new(self.callers.walk(|_| true)?),
            now: ticks(nanoseconds),
            ..Memory::default()
        })
    }
}
