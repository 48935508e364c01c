//! Typed handles to the maps, and the state that they hold together.

mod gc;
mod networks;
mod paired;
mod per_cpu;
mod targets;
mod walk;

pub(crate) use gc::Gc;
pub(crate) use networks::Networks;
pub(crate) use paired::{Affinities, Flows, RevNats};
pub(crate) use per_cpu::PerCpu;

use super::Failure;
use super::pod::Pod;
use aya::maps::{Array, HashMap, Map, MapData, MapError};
use lb_abi::counters::Counters;
use lb_abi::path_mtu::PathMtu;
use lb_abi::service::{Backend, Frontend, OnLink, Port, Slot, Source, TargetKey};
use lb_abi::settings::{BridgePort, Settings, Uplink};
use lb_abi::tunnel::{TokenKey, TokenKeys};
use lb_abi::{Be16, Be32};
use lb_core::backend::ebpf::{Hook, State};
use lb_core::kernel::ObserveError;
use lb_core::model::ids::Key;
use lb_core::model::token::{TokenKey as OwnKey, TokenKeys as OwnKeys};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::Path;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// `BPF_NOEXIST` and `BPF_EXIST` of include/uapi/linux/bpf.h: create, never replace; and the reverse.
const NOEXIST: u64 = 1;
const EXIST: u64 = 2;

/// Keys and values of maps.
pub(crate) trait Plain: FromBytes + IntoBytes + Immutable + Copy + 'static {}
impl<T: FromBytes + IntoBytes + Immutable + Copy + 'static> Plain for T {}

/// The maps of which the state consists, and those that are changed with it.
pub(crate) struct Maps {
    pub(crate) settings: One<Settings>,
    pub(crate) uplinks: Table<u32, Uplink>,
    pub(crate) bridge_ports: Table<u32, BridgePort>,
    pub(crate) addresses: Table<Be32, u32>,
    pub(crate) endpoints: Table<Be32, u32>,
    pub(crate) on_link: Networks<OnLink>,
    pub(crate) token_keys: One<TokenKeys>,
    pub(crate) peers: Table<Be32, TokenKeys>,
    pub(crate) path_mtus: Table<Be32, PathMtu>,
    pub(crate) frontends: Table<Port, Frontend>,
    pub(crate) turns: Table<Port, u64>,
    pub(crate) slots: Table<Slot, u64>,
    pub(crate) targets: Table<TargetKey, Be16>,
    pub(crate) backends: Table<u64, Backend>,
    pub(crate) task_addresses: Table<Be32, u64>,
    pub(crate) counters: PerCpu<u64, Counters>,
    pub(crate) retired: Table<u64, Counters>,
    pub(crate) lease: One<u64>,
    pub(crate) allowed: Networks<Source>,
    pub(crate) loads: Table<u64, u64>,
    /// There may be counters without a task: an agent ended, or an operation failed, halfway.
    pub(crate) orphans: bool,
}

/// An array of one.
pub(crate) struct One<V: Plain>(&'static str, Array<MapData, Pod<V>>);

/// A hash map: its name, its handle, and the limit on the steps of a walk over it.
pub(crate) struct Table<K: Plain, V: Plain>(&'static str, HashMap<MapData, Pod<K>, Pod<V>>, usize);

impl<V: Plain> One<V> {
    pub(crate) fn new(name: &'static str, map: Map) -> Result<Self, Failure> {
        Array::try_from(map)
            .map(|map| Self(name, map))
            .map_err(failed(name))
    }

    pub(crate) fn get(&self) -> Result<V, Failure> {
        self.1
            .get(&0, 0)
            .map(|value| value.0)
            .map_err(failed(self.0))
    }

    pub(crate) fn set(&mut self, index: u32, value: V) -> Result<(), Failure> {
        self.1.set(index, Pod(value), 0).map_err(failed(self.0))
    }
}

impl<K: Plain, V: Plain> Table<K, V> {
    /// A handle to the map that is pinned as `name` in `directory`; `kind` is the variant of its type.
    pub(crate) fn pinned(
        directory: &Path,
        name: &'static str,
        kind: fn(MapData) -> Map,
    ) -> Result<Self, Failure> {
        Self::new(name, pinned(directory, name, kind)?)
    }

    pub(crate) fn new(name: &'static str, map: Map) -> Result<Self, Failure> {
        let steps = walk::steps(&map).map_err(failed(name))?;
        HashMap::try_from(map)
            .map(|map| Self(name, map, steps))
            .map_err(failed(name))
    }

    pub(crate) fn get(&self, key: &K) -> Result<Option<V>, Failure> {
        absent(self.1.get(&Pod(*key), 0))
            .map(|value| value.map(|value| value.0))
            .map_err(failed(self.0))
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Result<(), Failure> {
        self.1
            .insert(Pod(key), Pod(value), 0)
            .map_err(failed(self.0))
    }

    /// Inserts unless the key is there.
    pub(crate) fn insert_new(&mut self, key: K, value: V) -> Result<(), Failure> {
        there(self.1.insert(Pod(key), Pod(value), NOEXIST)).map_err(failed(self.0))
    }

    /// Gives the key another value, if it is there.
    pub(crate) fn replace(&mut self, key: K, value: V) -> Result<(), Failure> {
        absent(self.1.insert(Pod(key), Pod(value), EXIST))
            .map(|_| ())
            .map_err(failed(self.0))
    }

    /// Removes the key, if it is there.
    pub(crate) fn remove(&mut self, key: &K) -> Result<(), Failure> {
        absent(self.1.remove(&Pod(*key)))
            .map(|_| ())
            .map_err(failed(self.0))
    }
}

impl Maps {
    /// The state that the maps hold, with `hooks` beside it.
    pub(crate) fn observe(&self, hooks: BTreeSet<Hook>) -> Result<State, Failure> {
        let settings = self.settings.get()?;
        let address = |address: Be32| Ipv4Addr::from(address.get());
        let token_keys = self.token_keys.get()?;
        let mut tables: BTreeMap<u32, BTreeMap<u32, Key>> = BTreeMap::new();
        for (slot, task) in self.slots.entries()? {
            tables
                .entry(slot.table)
                .or_default()
                .insert(slot.index, Key(task));
        }
        Ok(State {
            settings: (settings.uplink != 0).then_some(settings),
            uplinks: self.uplinks.entries()?.into_iter().collect(),
            bridge_ports: self.bridge_ports.entries()?.into_iter().collect(),
            hooks,
            addresses: self.addresses.entries()?.into_keys().map(address).collect(),
            endpoints: self
                .endpoints
                .entries()?
                .into_iter()
                .map(|(task, port)| (address(task), port))
                .collect(),
            on_link: self.on_link.entries()?,
            token_keys: (token_keys != TokenKeys::default()).then_some(token_keys),
            peers: self
                .peers
                .entries()?
                .into_iter()
                .map(|(peer, keys)| (address(peer), keys))
                .collect(),
            services: self.retired.entries()?.into_keys().map(Key).collect(),
            targets: self.targets.by_port_and_task()?,
            backends: self
                .backends
                .entries()?
                .into_iter()
                .map(|(key, backend)| (Key(key), backend))
                .collect(),
            task_addresses: self
                .task_addresses
                .entries()?
                .into_iter()
                .map(|(task_address, task)| (address(task_address), Key(task)))
                .collect(),
            tables: tables
                .into_iter()
                .map(|(table, slots)| (table, slots.into_values().collect()))
                .collect(),
            allowed: self.allowed.keys()?,
            frontends: self.frontends.entries()?.into_iter().collect(),
        })
    }

    /// The keys of what this node puts into the tunnel, with the epoch that the settings name.
    pub(crate) fn own_keys(&self) -> Result<Option<OwnKeys>, Failure> {
        let keys = self.token_keys.get()?;
        let epoch = self.settings.get()?.epoch;
        let (current, next) = (keys.of(epoch), keys.of(epoch.wrapping_add(1)));
        let key = |key: &TokenKey| OwnKey::new(key.bytes());
        Ok((current.there() && next.there()).then(|| OwnKeys {
            epoch,
            current: key(current),
            next: key(next),
        }))
    }

    /// Writes a table that no frontend names yet: the whole of it, or nothing.
    pub(crate) fn put_table(&mut self, table: u32, tasks: &[Key]) -> Result<(), Failure> {
        for (index, task) in (0u32..).zip(tasks) {
            if let Err(failure) = self.slots.insert(Slot { table, index }, task.0) {
                // Others may need the room. Where not even this succeeds, the next plan removes the rest.
                let _ = self.remove_table(table, tasks.len());
                return Err(failure);
            }
        }
        Ok(())
    }

    pub(crate) fn remove_table(&mut self, table: u32, size: usize) -> Result<(), Failure> {
        for (index, _) in (0u32..).zip(0..size) {
            self.slots.remove(&Slot { table, index })?;
        }
        Ok(())
    }
}

/// Opens a pinned map.
pub(super) fn pinned(
    directory: &Path,
    name: &'static str,
    kind: fn(MapData) -> Map,
) -> Result<Map, Failure> {
    MapData::from_pin(directory.join(name))
        .map(kind)
        .map_err(failed(name))
}

pub(super) fn observe_error(failure: Failure) -> ObserveError {
    ObserveError {
        object: "the datapath's state".to_owned(),
        source: failure.into(),
    }
}

fn failed(map: &'static str) -> impl Fn(MapError) -> Failure {
    move |source| Failure::Map { map, source }
}

/// `None` if the key does not exist, which is not an error.
fn absent<T>(result: Result<T, MapError>) -> Result<Option<T>, MapError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(MapError::KeyNotFound) => Ok(None),
        Err(MapError::SyscallError(error))
            if error.io_error.raw_os_error() == Some(nix::libc::ENOENT) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Ignores the error that the key exists already.
fn there(result: Result<(), MapError>) -> Result<(), MapError> {
    match result {
        Err(MapError::SyscallError(error))
            if error.io_error.raw_os_error() == Some(nix::libc::EEXIST) =>
        {
            Ok(())
        }
        other => other,
    }
}
