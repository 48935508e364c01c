//! Typed handles to the maps, and the state that they hold together.

mod flows;
mod networks;
mod sweep;
mod walk;

pub(crate) use flows::Flows;
pub(crate) use networks::Networks;

use super::Failure;
use super::wire::Wire;
use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuHashMap};
use lb_abi::Be32;
use lb_abi::call::{Call, Called};
use lb_abi::counters::Counters;
use lb_abi::flow::{Caller, Fragments, Ports, Reply, Tuple};
use lb_abi::service::{Backend, Client, Frontend, Kept, Port, Slot};
use lb_abi::settings::{Settings, Uplink};
use lb_core::ids::Key;
use lb_core::kernel::ObserveError;
use lb_core::shared::Set;
use lb_core::state::{Hook, State};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// `BPF_NOEXIST` of include/uapi/linux/bpf.h: create, never replace.
const NOEXIST: u64 = 1;

/// How often and how long to wait for the kernel's memory.
const TRIES: u32 = 10;
const REFILL: Duration = Duration::from_millis(1);

/// What may lie in a map.
pub(crate) trait Plain: FromBytes + IntoBytes + Immutable + Copy + 'static {}
impl<T: FromBytes + IntoBytes + Immutable + Copy + 'static> Plain for T {}

/// All maps that the agent reads or writes.
pub(crate) struct Maps {
    pub(crate) settings: One<Settings>,
    pub(crate) uplinks: Table<u32, Uplink>,
    pub(crate) addresses: Table<Be32, u32>,
    pub(crate) peers: Table<Be32, u32>,
    pub(crate) frontends: Table<Port, Frontend>,
    pub(crate) turns: Table<Port, u64>,
    pub(crate) slots: Table<Slot, u64>,
    pub(crate) backends: Table<u64, Backend>,
    pub(crate) counters: PerCpu<u64, Counters>,
    pub(crate) retired: Table<u64, Counters>,
    pub(crate) lease: One<u64>,
    pub(crate) allowed: Networks,
    pub(crate) kept: Table<Client, Kept>,
    pub(crate) loads: Table<u64, u64>,
    pub(crate) flows: Flows,
    pub(crate) answering: Table<Tuple, Reply>,
    pub(crate) replies: Table<Tuple, Reply>,
    pub(crate) fragments: Table<Fragments, Ports>,
    pub(crate) calls: Table<Call, Called>,
    pub(crate) callers: Table<Tuple, Caller>,
    /// There may be counters that no task has: an agent ended, or a step failed, halfway.
    pub(crate) orphans: bool,
}

/// An array of one.
pub(crate) struct One<V: Plain>(&'static str, Array<MapData, Wire<V>>);

/// A hash map.
pub(crate) struct Table<K: Plain, V: Plain>(&'static str, HashMap<MapData, Wire<K>, Wire<V>>);

/// A hash map with a value per CPU.
pub(crate) struct PerCpu<K: Plain, V: Plain>(
    &'static str,
    PerCpuHashMap<MapData, Wire<K>, Wire<V>>,
);

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
        self.1.set(index, Wire(value), 0).map_err(failed(self.0))
    }
}

impl<K: Plain, V: Plain> Table<K, V> {
    pub(crate) fn new(name: &'static str, map: Map) -> Result<Self, Failure> {
        HashMap::try_from(map)
            .map(|map| Self(name, map))
            .map_err(failed(name))
    }

    pub(crate) fn get(&self, key: &K) -> Result<Option<V>, Failure> {
        absent(self.1.get(&Wire(*key), 0))
            .map(|value| value.map(|value| value.0))
            .map_err(failed(self.0))
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Result<(), Failure> {
        self.1
            .insert(Wire(key), Wire(value), 0)
            .map_err(failed(self.0))
    }

    /// Inserts unless the key is there.
    pub(crate) fn insert_new(&mut self, key: K, value: V) -> Result<(), Failure> {
        there(self.1.insert(Wire(key), Wire(value), NOEXIST)).map_err(failed(self.0))
    }

    /// Removes the key, if it is there.
    pub(crate) fn remove(&mut self, key: &K) -> Result<(), Failure> {
        absent(self.1.remove(&Wire(*key)))
            .map(|_| ())
            .map_err(failed(self.0))
    }

    /// Removes what is not to be `kept`.
    pub(crate) fn retain(&mut self, kept: impl Fn(&V) -> bool) -> Result<(), Failure> {
        for (key, value) in self.entries()? {
            if !kept(&value) {
                self.remove(&key)?;
            }
        }
        Ok(())
    }

    /// All entries. Ones that come or go meanwhile may be missing or not.
    pub(crate) fn entries(&self) -> Result<Vec<(K, V)>, Failure> {
        let mut entries = Vec::new();
        for entry in self.1.iter() {
            match entry {
                Ok((key, value)) => entries.push((key.0, value.0)),
                Err(MapError::KeyNotFound) => {}
                Err(error) => return Err(failed(self.0)(error)),
            }
        }
        Ok(entries)
    }
}

impl PerCpu<u64, Counters> {
    pub(crate) fn new(name: &'static str, map: Map) -> Result<Self, Failure> {
        PerCpuHashMap::try_from(map)
            .map(|map| Self(name, map))
            .map_err(failed(name))
    }

    /// The sum over all CPUs.
    pub(crate) fn sum(&self, key: u64) -> Result<Option<Counters>, Failure> {
        let values = absent(self.1.get(&Wire(key), 0)).map_err(failed(self.0))?;
        Ok(values.map(|values| {
            values
                .iter()
                .fold(Counters::default(), |sum, Wire(one)| sum.plus(one))
        }))
    }

    /// All keys.
    pub(crate) fn keys(&self) -> Result<Vec<u64>, Failure> {
        self.1
            .keys()
            .map(|key| key.map(|key| key.0).map_err(failed(self.0)))
            .collect()
    }

    /// Counts from zero, unless the key is there.
    pub(crate) fn insert_zero(&mut self, key: u64) -> Result<(), Failure> {
        let zero = || -> Result<_, Failure> {
            let cpus = aya::util::nr_cpus().map_err(|(_, error)| Failure::Map {
                map: self.0,
                source: MapError::IoError(error),
            })?;
            aya::maps::PerCpuValues::try_from(vec![Wire(Counters::default()); cpus]).map_err(
                |error| Failure::Map {
                    map: self.0,
                    source: MapError::IoError(error),
                },
            )
        };
        // The kernel keeps some memory ready for values per CPU, and fills it up behind us:
        // many thousand tasks at once are faster than that.
        let mut tries = 0;
        loop {
            let inserted = there(self.1.insert(Wire(key), zero()?, NOEXIST));
            match inserted {
                Err(MapError::SyscallError(error))
                    if tries < TRIES
                        && error.io_error.raw_os_error() == Some(nix::libc::ENOMEM) =>
                {
                    tries += 1;
                    std::thread::sleep(REFILL);
                }
                other => return other.map_err(failed(self.0)),
            }
        }
    }

    pub(crate) fn remove(&mut self, key: u64) -> Result<(), Failure> {
        absent(self.1.remove(&Wire(key)))
            .map(|_| ())
            .map_err(failed(self.0))
    }
}

impl Maps {
    /// The state that the maps hold, with `hooks` beside it.
    pub(crate) fn observe(&self, hooks: BTreeSet<Hook>) -> Result<State, Failure> {
        let settings = self.settings.get()?;
        let addresses = |map: &Table<Be32, u32>| -> Result<BTreeSet<Ipv4Addr>, Failure> {
            Ok(map
                .entries()?
                .into_iter()
                .map(|(address, _)| Ipv4Addr::from(address.get()))
                .collect())
        };
        let mut tables: BTreeMap<(Port, u32), BTreeMap<u32, Key>> = BTreeMap::new();
        for (slot, task) in self.slots.entries()? {
            tables
                .entry((slot.port, slot.table))
                .or_default()
                .insert(slot.index, Key(task));
        }
        Ok(State {
            settings: (settings.uplink != 0).then_some(settings),
            uplinks: self.uplinks.entries()?.into_iter().collect(),
            hooks,
            addresses: addresses(&self.addresses)?,
            peers: addresses(&self.peers)?,
            services: self
                .retired
                .entries()?
                .into_iter()
                .map(|(key, _)| Key(key))
                .collect(),
            backends: self
                .backends
                .entries()?
                .into_iter()
                .map(|(key, backend)| (Key(key), backend))
                .collect(),
            // No program asks.
            tracked: Set::default(),
            tables: tables
                .into_iter()
                .map(|(key, slots)| (key, slots.into_values().collect()))
                .collect(),
            allowed: self.allowed.entries()?,
            frontends: self.frontends.entries()?.into_iter().collect(),
        })
    }

    pub(crate) fn put_table(
        &mut self,
        port: Port,
        table: u32,
        tasks: &[Key],
    ) -> Result<(), Failure> {
        for (index, task) in (0u32..).zip(tasks) {
            self.slots.insert(Slot { port, table, index }, task.0)?;
        }
        Ok(())
    }

    pub(crate) fn remove_table(
        &mut self,
        port: Port,
        table: u32,
        size: usize,
    ) -> Result<(), Failure> {
        for (index, _) in (0u32..).zip(0..size) {
            self.slots.remove(&Slot { port, table, index })?;
        }
        Ok(())
    }
}

/// A map that is pinned, by a handle of its own.
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

/// A key that is not there is an answer, not an error.
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

/// A key that is there already is as good as one just made.
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
