//! Counters of this node's tasks, and the number of their open flows.

use super::Failure;
use super::drops::Drops;
use super::dump::Dump;
use super::last_occupancy::LastOccupancy;
use super::maps::{Flows, Maps, PerCpu, Table, observe_error, pinned};
use crate::kernel::clock::now;
use crate::kernel::{self, Traffic};
use aya::maps::Map;
use lb_abi::counters::{Counters, Reason};
use lb_abi::flow::{ANSWERED, Flow, Tuple};
use lb_abi::service::Port;
use lb_core::kernel::ObserveError;
use lb_core::model::ids::Key;
use lb_core::report;
use lb_core::report::build::{FlowTable, Occupancy, QUIET_TICKS, idle_ticks};
use lb_core::table_sizes::TableSizes;
use lb_datapath::model::Memory;
use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::path::Path;

/// Reads counters and flows from the maps.
pub struct BpfStats {
    drops: Drops,
    dump: Dump,
    counters: PerCpu<u64, Counters>,
    retired: Table<u64, Counters>,
    flows: Flows,
    occupancy: LastOccupancy,
    sizes: TableSizes,
}

impl BpfStats {
    /// Opens the maps pinned in `directory`; `occupancy` is what was counted last of the LRU tables, which have these `sizes`.
    pub(super) fn open(
        directory: &Path,
        occupancy: LastOccupancy,
        sizes: TableSizes,
    ) -> Result<Self, Failure> {
        Ok(Self {
            occupancy,
            sizes,
            drops: Drops::open(directory)?,
            dump: Dump::open(directory)?,
            counters: PerCpu::new(
                "LB_COUNTERS",
                pinned(directory, "LB_COUNTERS", Map::PerCpuHashMap)?,
            )?,
            retired: Table::new("LB_RETIRED", pinned(directory, "LB_RETIRED", Map::HashMap)?)?,
            flows: Flows::open(directory)?,
        })
    }

    fn all(&self) -> Result<Traffic, Failure> {
        let mut traffic = Traffic::default();
        for key in self.counters.keys()? {
            if let Some(counters) = self.counters.sum(key)? {
                traffic.tasks.insert(Key(key), told(&counters));
            }
        }
        for (key, counters) in self.retired.entries()? {
            traffic.retired.insert(Key(key), told(&counters));
        }
        let now = now();
        for (tuple, flow) in self.flows.walk(|_| true)? {
            if open(&tuple, &flow, now)
                && let Some(counters) = traffic.tasks.get_mut(&Key(flow.task))
            {
                counters.active += 1;
            }
        }
        Ok(traffic)
    }
}

impl kernel::StatsReader for BpfStats {
    fn read(&self) -> Result<Traffic, ObserveError> {
        self.all().map_err(observe_error)
    }

    fn flows(&self) -> Result<FlowTable, ObserveError> {
        let now = now();
        let flows = self.flows.walk(|_| true).map_err(observe_error)?;
        Ok(FlowTable { now, flows })
    }

    fn map_snapshot(&self, client: Ipv4Addr, port: &Port) -> Result<Option<Memory>, ObserveError> {
        let copy = self.dump.read(client, port);
        copy.map(Some).map_err(observe_error)
    }

    fn drops(&self) -> Result<BTreeMap<Reason, u64>, ObserveError> {
        self.drops.read().map_err(observe_error)
    }

    fn occupancy(&self) -> Option<(Occupancy, TableSizes)> {
        Some((self.occupancy.get()?, self.sizes))
    }
}

/// Counts the open flows of every task in `loads`, and the places that are taken in the tables. No flow is kept for
/// it: there may be half a million.
pub(super) fn recount_loads(
    flows: &Flows,
    loads: &Table<u64, u64>,
) -> Result<(HashMap<u64, u64>, Occupancy), Failure> {
    let now = now();
    let tasks = loads.entries()?.into_keys();
    let mut counts: HashMap<u64, u64> = tasks.map(|task| (task, 0)).collect();
    let mut occupancy = Occupancy::default();
    let each = |tuple: Tuple, flow: Flow| {
        if open(&tuple, &flow, now)
            && let Some(count) = counts.get_mut(&flow.task)
        {
            *count += 1;
        }
        occupancy.count(tuple.proto, &flow, now);
    };
    flows.visit(|_| true, each)?;
    Ok((counts, occupancy))
}

/// Adds a task's counters to its service's, then forgets the task's.
pub(crate) fn retire(maps: &mut Maps, task: Key, service: Key) -> Result<(), Failure> {
    let Some(last) = maps.counters.sum(task.0)? else {
        return Ok(());
    };
    if let Some(sum) = maps.retired.get(&service.0)? {
        maps.retired.insert(service.0, sum.plus(&last))?;
    }
    maps.counters.remove(task.0)
}

fn told(counters: &Counters) -> report::Counters {
    report::Counters {
        new: counters.new,
        active: 0,
        packets_in: counters.packets_in,
        bytes_in: counters.bytes_in,
        packets_out: counters.packets_out,
        bytes_out: counters.bytes_out,
    }
}

/// Is it an open connection of a client of this node? A TCP connection that was never
/// answered does not count once it is idle.
fn open(tuple: &Tuple, flow: &Flow, now: u32) -> bool {
    let quiet = idle_ticks(now, flow.seen) > QUIET_TICKS;
    let lives = if tuple.proto == lb_abi::TCP {
        !Flow::closed(flow.state) && (flow.state & ANSWERED != 0 || !quiet)
    } else {
        !quiet
    };
    lives && flow.came_here()
}
