//! The eBPF path as a [`Kernel`]: programs, links and maps, all pinned.
//!
//! Everything lives in one directory of a BPF file system, named after the layout's
//! version: it outlives the agent, and the next one adopts it. Where the kernel has no links
//! for tc, programs are filters there instead, which do the same without a pin.

mod cgroup;
mod chores;
mod clsact;
mod drops;
mod dump;
mod failure;
mod hooks;
mod last_occupancy;
mod load;
mod load_error;
mod map_memory;
mod maps;
mod node_kernel;
mod pins;
mod pod;
#[cfg(test)]
mod stack;
#[cfg(feature = "test-helpers")]
mod test_helpers;
mod traffic;
mod unpinned;

pub use hooks::Tc;
pub use load_error::LoadError;
#[cfg(feature = "test-helpers")]
pub use test_helpers::{Action, Arrival, TestRunError, TestRunResult};
pub use traffic::BpfStats;

use chores::Chores;
use failure::Failure;
use hooks::Hooks;
use lb_abi::counters::Counters;
use lb_abi::service::TargetKey;
use lb_core::backend::ebpf::{Op, State};
use lb_core::kernel::{ApplyError, Kernel, ObserveError};
use lb_core::model::ids::Key;
use lb_core::model::token::TokenKeys;
use lb_core::table_sizes::{SizedBy, TableSizes};
use maps::{Maps, observe_error};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Handles to all kernel objects of the eBPF datapath.
pub struct BpfKernel {
    hooks: Hooks,
    maps: Maps,
    chores: Chores,
    sizes: TableSizes,
}

impl BpfKernel {
    /// Loads the programs, and adopts maps and links that an earlier agent left in `directory`; LRU tables only if they have the
    /// sizes that `sized_by` says. `cgroup` is the host's root cgroup; without it, the usual places are tried.
    ///
    /// # Errors
    /// When the kernel or the file system can't do what is needed; nothing is attached then.
    pub fn load(
        directory: &Path,
        cgroup: Option<PathBuf>,
        sized_by: SizedBy,
    ) -> Result<Self, LoadError> {
        Self::open(directory, cgroup, Tc::of_kernel(), sized_by)
    }

    fn open(
        directory: &Path,
        cgroup: Option<PathBuf>,
        tc: Tc,
        sized_by: SizedBy,
    ) -> Result<Self, LoadError> {
        let loaded = load::load(directory, sized_by)?;
        let sizes = loaded.sizes;
        let chores = Chores::start(&loaded.directory, sizes)
            .map_err(|error| LoadError::refused("the maps", error))?;
        let (hooks, maps) = load::split(loaded.ebpf, loaded.directory, cgroup, tc)?;
        Ok(Self {
            hooks,
            maps,
            chores,
            sizes,
        })
    }

    /// The sizes of the LRU tables.
    #[must_use]
    pub fn sizes(&self) -> TableSizes {
        self.sizes
    }

    /// How programs under tc are attached.
    #[must_use]
    pub fn tc(&self) -> Tc {
        self.hooks.tc
    }

    /// Renews the lease: the datapath takes new flows for so long from now; `None`: without end.
    ///
    /// # Errors
    /// When the map could not be written.
    pub fn lease(&mut self, lasts: Option<Duration>) -> Result<(), ObserveError> {
        let until = lasts.map_or(0, |lasts| {
            let lasts = u64::try_from(lasts.as_nanos()).unwrap_or(u64::MAX);
            crate::kernel::clock::nanoseconds().saturating_add(lasts)
        });
        self.maps.lease.set(0, until).map_err(observe_error)
    }

    /// The keys of this node's tunnel tokens, if the map has any.
    ///
    /// # Errors
    /// When a map could not be read.
    pub fn token_keys(&self) -> Result<Option<TokenKeys>, ObserveError> {
        self.maps.own_keys().map_err(observe_error)
    }

    /// MTUs of the paths to other nodes, by their addresses and in bytes, that routers have told this node in the last ten
    /// minutes. What is older is forgotten.
    ///
    /// # Errors
    /// When the map could not be read.
    pub fn learned_path_mtus(&mut self) -> Result<BTreeMap<Ipv4Addr, u32>, ObserveError> {
        let now = crate::kernel::clock::now();
        let path_mtus = &mut self.maps.path_mtus;
        let kept = path_mtus.retain(|path| path.is_valid(now));
        let paths = kept.and_then(|_| path_mtus.entries());
        let paths = paths.map_err(observe_error)?.into_iter();
        Ok(paths
            .map(|(peer, path)| (peer.get().into(), path.mtu))
            .collect())
    }

    /// Starts a recount of the flows of every task, for services with the scheduler `least-conn`.
    pub fn recount_loads(&self) {
        self.chores.recount_loads();
    }

    /// Starts that count if the last one is long ago: it says how full the tables are, too.
    pub fn recount_now_and_then(&self) {
        self.chores.recount_now_and_then();
    }

    /// A reader of counters and flows with handles of its own.
    ///
    /// # Errors
    /// When the pins could not be opened.
    pub fn stats_reader(&self) -> Result<BpfStats, ObserveError> {
        let occupancy = self.chores.occupancy();
        BpfStats::open(&self.hooks.directory, occupancy, self.sizes).map_err(observe_error)
    }

    /// Detaches the programs and removes every kernel object of swarmlb. Handles are useless afterwards.
    ///
    /// # Errors
    /// When something could not be removed; the rest is.
    pub fn clean(directory: &Path) -> Result<(), LoadError> {
        load::clean(directory)
    }

    fn step(&mut self, op: &Op) -> Result<(), Failure> {
        let maps = &mut self.maps;
        match op {
            Op::PutSettings(settings) => maps.settings.set(0, *settings),
            Op::PutUplink(link, uplink) => maps.uplinks.insert(*link, *uplink),
            Op::RemoveUplink(link) => maps.uplinks.remove(link),
            Op::PutBridgePort(link, port) => maps.bridge_ports.insert(*link, *port),
            Op::RemoveBridgePort(link) => maps.bridge_ports.remove(link),
            Op::AddAddress(address) => maps.addresses.insert(be(*address), 0),
            Op::RemoveAddress(address) => maps.addresses.remove(&be(*address)),
            Op::PutTokenKeys(keys) => maps.token_keys.set(0, *keys),
            Op::PutEndpoint(address, port) => maps.endpoints.insert(be(*address), *port),
            Op::RemoveEndpoint(address) => maps.endpoints.remove(&be(*address)),
            Op::PutOnLink(task, network, under) => maps.on_link.insert(*task, *network, *under),
            Op::RemoveOnLink(task, network) => maps.on_link.remove(*task, *network),
            Op::PutPeer(address, keys) => maps.peers.insert(be(*address), *keys),
            Op::RemovePeer(address) => maps.peers.remove(&be(*address)),
            Op::AddService(key) => maps.retired.insert_new(key.0, Counters::default()),
            Op::RemoveService(key) => maps.retired.remove(&key.0),
            Op::PutBackend(key, backend) => {
                maps.counters.insert_zero(key.0)?;
                maps.loads.insert_new(key.0, 0)?;
                maps.backends.insert(key.0, *backend)
            }
            Op::RemoveBackend(key, backend) => {
                maps.backends.remove(&key.0)?;
                maps.loads.remove(&key.0)?;
                traffic::retire(maps, *key, Key(backend.service))
            }
            Op::PutTaskAddress(address, key) => maps.task_addresses.insert(be(*address), key.0),
            Op::RemoveTaskAddress(address) => maps.task_addresses.remove(&be(*address)),
            Op::PutTable(table, tasks) => maps.put_table(*table, tasks),
            Op::RemoveTable(table, tasks, _) => maps.remove_table(*table, tasks.len()),
            Op::PutTarget(port, task, target) => {
                let key = TargetKey::new(*port, task.0);
                maps.targets.insert(key, lb_abi::Be16::new(*target))
            }
            Op::RemoveTarget(port, task) => maps.targets.remove(&TargetKey::new(*port, task.0)),
            Op::Allow(port, network) => maps.allowed.insert(*port, *network, 0),
            Op::Disallow(port, network) => maps.allowed.remove(*port, *network),
            Op::PutFrontend(port, frontend) => {
                maps.turns.insert_new(*port, 0)?;
                maps.frontends.insert(*port, *frontend)
            }
            Op::RemoveFrontend(port) => {
                maps.frontends.remove(port)?;
                maps.turns.remove(port)
            }
            Op::Attach(hook) => self.hooks.attach(*hook),
            Op::Detach(hook) => self.hooks.detach(*hook),
            Op::CollectGarbage => {
                self.chores.collect_garbage();
                maps.drop_orphans()
            }
        }
    }
}

impl Kernel for BpfKernel {
    type State = State;
    type Op = Op;

    fn observe(&mut self) -> Result<State, ObserveError> {
        let hooks = self.hooks.attached().map_err(observe_error)?;
        self.maps.observe(hooks).map_err(observe_error)
    }

    fn apply(&mut self, op: &Op) -> Result<(), ApplyError<Op>> {
        self.step(op).map_err(|failure| {
            self.maps.orphans |= matches!(op, Op::PutBackend(..) | Op::RemoveBackend(..));
            ApplyError {
                op: op.clone(),
                source: failure.into(),
            }
        })
    }
}

fn be(address: Ipv4Addr) -> lb_abi::Be32 {
    lb_abi::Be32::new(address.into())
}
