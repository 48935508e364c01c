//! Garbage collection: removes flows and other entries of tasks that are gone, and what is remembered of datagrams of
//! the node itself when nothing answers them any more. Also recounts the flows of tasks, and looks for those of ports
//! that are withdrawn.

use super::{Affinities, Flows, Maps, RevNats, Table};
use crate::kernel::bpf::{Failure, map_memory, traffic};
use crate::kernel::clock;
use aya::maps::Map;
use lb_abi::TCP;
use lb_abi::flow::{ANSWERED, FirstFragment, Flow, Fragments, PASSED, SnatEntry, Tuple};
use lb_abi::service::Backend;
use lb_abi::sock_rev_nat::{SockRevNatKey, SockRevNatValue};
use lb_core::desired::Number;
use lb_core::model::port::Proto;
use lb_core::report::build::{Occupancy, OtherTables, QUIET_TICKS, idle_ticks};
use lb_core::table_sizes::TableSizes;
use lb_datapath::own_flows::awaited;
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
    own_flows: Table<Tuple, u32>,
    fragments: Table<Fragments, FirstFragment>,
    sizes: TableSizes,
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
    /// Opens the maps pinned in `directory`; the LRU tables have these `sizes`.
    pub(crate) fn open(directory: &Path, sizes: TableSizes) -> Result<Self, Failure> {
        let (hash, lru) = (Map::HashMap, Map::LruHashMap);
        Ok(Self {
            backends: Table::pinned(directory, "LB_BACKENDS", hash)?,
            loads: Table::pinned(directory, "LB_CONNS", hash)?,
            flows: Flows::open(directory)?,
            rev_nats: RevNats::open(directory)?,
            affinities: Affinities::open(directory)?,
            calls: Table::pinned(directory, "LB_SOCK_REV_NAT", lru)?,
            callers: Table::pinned(directory, "LB_HAIRPIN_SNAT", lru)?,
            own_flows: Table::pinned(directory, "LB_OWN_FLOWS", lru)?,
            fragments: Table::pinned(directory, "LB_FRAGMENTS", lru)?,
            sizes,
        })
    }

    /// Removes the entries of tasks that are gone, and own datagrams whose answers are not awaited. Own connections end
    /// unseen: their entries stay until others take their room. Returns whether it walked all maps to the end:
    /// entries that are left have no effect, but take room.
    pub(crate) fn collect_garbage(&mut self) -> Result<bool, Failure> {
        let alive = Alive::of(&self.backends);
        let mut whole = self.flows.retain(|flow| alive.has(flow.task))?;
        whole &= self.rev_nats.retain(|rev_nat| alive.has(rev_nat.task))?;
        whole &= self
            .affinities
            .retain(|affinity| alive.has(affinity.task))?;
        whole &= self.calls.retain(|called| alive.has(called.task))?;
        // The clock is read after the entry, so that no entry is younger than that.
        let awaits = |answer: &Tuple, sent: &u32| awaited(answer.proto, *sent, clock::now());
        whole &= self.own_flows.retain_by(awaits)?;
        for (tuple, caller) in self.callers.entries()? {
            let own = Tuple {
                source: caller.address,
                source_port: caller.port,
                ..tuple
            };
            // Twice: a flow that settles between the two look-ups of one question is in neither table.
            if self.flows.get(&own)?.is_none() && self.flows.get(&own)?.is_none() {
                self.callers.remove(&tuple)?;
            }
        }
        alive.done(whole)
    }

    /// Those of the TCP `ports` that no connection needs any more; none where the walk did not come to the end.
    pub(crate) fn drained(&self, ports: &BTreeSet<Number>) -> Result<BTreeSet<Number>, Failure> {
        let now = clock::now();
        let left = RefCell::new(ports.clone());
        let wanted = |tuple: &Tuple| {
            tuple.proto == TCP
                && left
                    .borrow()
                    .contains(&(tuple.destination_port.get(), Proto::Tcp))
        };
        let visit = |tuple: Tuple, flow: Flow| {
            if needed(&flow, now) {
                let number = (tuple.destination_port.get(), Proto::Tcp);
                left.borrow_mut().remove(&number);
            }
        };
        let whole = self.flows.visit(wanted, visit)?;
        // Those that closed meanwhile are there now.
        let whole = self.flows.visit_embryonic(wanted, visit)? && whole;
        Ok(if whole {
            left.into_inner()
        } else {
            BTreeSet::new()
        })
    }

    /// Recounts the flows of every task; programs go on counting from there. Returns how full the tables are.
    pub(crate) fn recount_loads(&mut self) -> Result<Occupancy, Failure> {
        let (loads, occupancy) = traffic::recount_loads(&self.flows, &self.loads)?;
        for (task, load) in loads {
            self.loads.replace(task, load)?;
        }
        Ok(occupancy)
    }

    /// Counts the entries of the tables that are none of flows, without reading their values, and the memory of all maps.
    pub(crate) fn count_others(&self) -> Result<OtherTables, Failure> {
        let [affinities, affinities_embryonic] = self.affinities.counts()?;
        Ok(OtherTables {
            affinities,
            affinities_embryonic,
            own_flows: self.own_flows.count()?,
            fragments: self.fragments.count()?,
            calls: self.calls.count()?,
            callers: self.callers.count()?,
            map_memory: map_memory::bytes(self.sizes),
        })
    }
}

/// After so many ticks, 5 s, nothing of a connection that is over is sent again.
const CLOSING: u32 = 5;

/// Does a TCP connection still need its frontend? One that was never answered is given up at some time.
fn needed(flow: &Flow, now: u32) -> bool {
    let idle = idle_ticks(now, flow.seen);
    if Flow::closed(flow.state) {
        flow.state & PASSED == 0 && idle <= CLOSING
    } else {
        flow.state & ANSWERED != 0 || idle <= QUIET_TICKS
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

#[cfg(test)]
mod tests {
    use super::*;
    use lb_abi::Be32;
    use lb_abi::flow::{FIN_IN, FIN_OUT, RESET};

    /// Is a flow in this state, so many ticks after its last packet, one that needs its frontend?
    fn needs(state: u32, idle: u32) -> bool {
        let flow = Flow {
            state,
            seen: 1_000,
            ..Flow::new(7, Be32::new(0))
        };
        needed(&flow, 1_000 + idle)
    }

    #[test]
    fn a_connection_needs_its_frontend_until_nothing_of_it_is_sent_any_more() {
        let closed = ANSWERED | FIN_IN | FIN_OUT;
        // Who is silent may go on.
        assert!(needs(ANSWERED, 100_000) && needs(ANSWERED | FIN_IN, 100_000));
        // The last acknowledgement, and what is lost and sent again.
        assert!(needs(closed, CLOSING) && !needs(closed, CLOSING + 1));
        assert!(!needs(ANSWERED | RESET, CLOSING + 1));
        assert!(!needs(closed | PASSED, 0), "the kernel's by now");
        assert!(needs(0, QUIET_TICKS) && !needs(0, QUIET_TICKS + 1));
    }
}
