//! Garbage collection: removes flows and other entries of tasks that are gone. Also recounts the
//! flows of tasks.

use super::{Affinities, Flows, Maps, RevNats, Table};
use crate::kernel::bpf::{Failure, traffic};
use aya::maps::Map;
use lb_abi::flow::{SnatEntry, Tuple};
use lb_abi::service::Backend;
use lb_abi::sock_rev_nat::{SockRevNatKey, SockRevNatValue};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

/// Handles of its own to the maps that programs fill with entries of tasks. A walk over them takes
/// the longer the fuller they are.
pub(crate) struct Gc {
    backends: Table<u64, Backend>,
    loads: Table<u64, u64>,
    flows: Flows,
    rev_nats: RevNats,
    affinities: Affinities,
    calls: Table<SockRevNatKey, SockRevNatValue>,
    callers: Table<Tuple, SnatEntry>,
}

/// Tells which tasks exist. A task that exists is looked up once, as there may be far more flows than
/// tasks; one that does not may come back during a collection.
struct Alive<'a> {
    backends: &'a Table<u64, Backend>,
    known: RefCell<BTreeSet<u64>>,
    failure: RefCell<Option<Failure>>,
}

impl<'a> Alive<'a> {
    fn of(backends: &'a Table<u64, Backend>) -> Self {
        Self {
            backends,
            known: RefCell::default(),
            failure: RefCell::default(),
        }
    }

    fn has(&self, task: u64) -> bool {
        if self.known.borrow().contains(&task) {
            return true;
        }
        let has = match self.backends.get(&task) {
            Ok(backend) => backend.is_some(),
            Err(failure) => {
                // On an error no entry is removed.
                *self.failure.borrow_mut() = Some(failure);
                return true;
            }
        };
        if has {
            self.known.borrow_mut().insert(task);
        }
        has
    }

    fn done<T>(self, done: T) -> Result<T, Failure> {
        self.failure.into_inner().map_or(Ok(done), Err)
    }
}

impl Gc {
    /// Opens the maps pinned in `directory`.
    pub(crate) fn open(directory: &Path) -> Result<Self, Failure> {
        let (hash, lru) = (Map::HashMap, Map::LruHashMap);
        Ok(Self {
            backends: Table::pinned(directory, "LB_BACKENDS", hash)?,
            loads: Table::pinned(directory, "LB_CONNS", hash)?,
            flows: Flows::open(directory)?,
            rev_nats: RevNats::open(directory)?,
            affinities: Affinities::open(directory)?,
            calls: Table::pinned(directory, "LB_SOCK_REV_NAT", lru)?,
            callers: Table::pinned(directory, "LB_HAIRPIN_SNAT", lru)?,
        })
    }

    /// Removes the entries of tasks that are gone. Returns whether it walked all maps to the end:
    /// entries that are left have no effect, but take room.
    pub(crate) fn collect_garbage(&mut self) -> Result<bool, Failure> {
        let alive = Alive::of(&self.backends);
        let mut whole = self.flows.retain(|flow| alive.has(flow.task))?;
        whole &= self.rev_nats.retain(|rev_nat| alive.has(rev_nat.task))?;
        whole &= self
            .affinities
            .retain(|affinity| alive.has(affinity.task))?;
        whole &= self.calls.retain(|called| alive.has(called.task))?;
        for (tuple, caller) in self.callers.entries()? {
            let own = Tuple {
                source: caller.address,
                source_port: caller.port,
                ..tuple
            };
            if self.flows.get(&own)?.is_none() {
                self.callers.remove(&tuple)?;
            }
        }
        alive.done(whole)
    }

    /// Recounts the flows of every task; programs go on counting from there.
    pub(crate) fn recount_loads(&mut self) -> Result<(), Failure> {
        for (task, load) in traffic::recount_loads(&self.flows, &self.loads)? {
            self.loads.replace(task, load)?;
        }
        Ok(())
    }
}

impl Maps {
    /// Removes counters of tasks that are gone. There are as many as tasks, and programs make none.
    pub(crate) fn drop_orphans(&mut self) -> Result<(), Failure> {
        // A step that succeeds leaves none behind.
        if !self.orphans {
            return Ok(());
        }
        let alive = Alive::of(&self.backends);
        for key in self.counters.keys()? {
            if !alive.has(key) {
                self.counters.remove(key)?;
            }
        }
        alive.done(())?;
        self.orphans = false;
        Ok(())
    }
}
