//! Loads the programs, and creates or adopts the maps.

use super::hooks::{Hooks, Tc, program};
use super::load_error::LoadError;
use super::maps::{Maps, Networks, One, PerCpu, Table};
use super::unpinned::{self, Unpinned};
use super::{Failure, clsact, pins};
use aya::maps::Map;
use aya::programs::{CgroupSockAddr, SchedClassifier, Xdp};
use aya::{Ebpf, EbpfLoader};
use lb_core::backend::ebpf::HookKind;
use lb_core::table_sizes::{LruTable, SizedBy, TableSizes};
use std::path::{Path, PathBuf};

/// The object file of the programs, as the build script makes it.
pub(super) static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/programs"));

/// The programs, loaded, with their maps.
pub(crate) struct Loaded {
    /// Programs and maps.
    pub(crate) ebpf: Ebpf,
    /// The directory that the maps are pinned in.
    pub(crate) directory: PathBuf,
    /// The sizes that the LRU tables have.
    pub(crate) sizes: TableSizes,
}

/// Loads the programs with maps pinned below `root`/swarmlb. If that fails, only pins of an earlier agent are left. Pinned LRU tables
/// of other sizes than `sized_by` says are replaced by new ones; what is in them is lost.
pub(crate) fn load(root: &Path, sized_by: SizedBy) -> Result<Loaded, LoadError> {
    if !on_bpffs(root) {
        return Err(LoadError::NoBpffs {
            path: root.display().to_string(),
        });
    }
    let adopted = pins::directory(root).exists();
    let directory = pins::make(root)?;
    let sizes = sized_by.sizes(unpinned::flows(&directory));
    let unpinned = Unpinned::of(&directory, sizes)?;
    match load_into(&directory, sizes) {
        Ok(ebpf) => {
            unpinned.log(sizes);
            Ok(Loaded {
                ebpf,
                directory,
                sizes,
            })
        }
        Err(error) => {
            unpinned.pin();
            if !adopted {
                pins::undo(root);
            }
            Err(error)
        }
    }
}

fn load_into(directory: &Path, sizes: TableSizes) -> Result<Ebpf, LoadError> {
    let mut loader = EbpfLoader::new();
    loader.default_map_pin_directory(directory);
    for table in &LruTable::ALL {
        loader.map_max_entries(table.name, sizes.entries(table));
    }
    let mut ebpf = loader
        .load(OBJECT)
        .map_err(|error| LoadError::refused("the maps", error))?;
    for kind in HookKind::ALL {
        let name = program(kind);
        let missing = || LoadError::Unsupported {
            what: name.to_owned(),
            source: "not in the object".into(),
        };
        let program = ebpf.program_mut(name).ok_or_else(missing)?;
        match kind {
            HookKind::UplinkXdp => <&mut Xdp>::try_from(program).and_then(Xdp::load),
            kind if kind.on_host() => {
                <&mut CgroupSockAddr>::try_from(program).and_then(CgroupSockAddr::load)
            }
            _ => <&mut SchedClassifier>::try_from(program).and_then(SchedClassifier::load),
        }
        .map_err(|error| LoadError::refused(name, error))?;
    }
    Ok(ebpf)
}

/// Takes the maps out of the object and adopts the links. Only after the programs
/// were loaded: they refer to the maps' handles.
pub(crate) fn split(
    mut ebpf: Ebpf,
    directory: PathBuf,
    cgroup: Option<PathBuf>,
    tc: Tc,
) -> Result<(Hooks, Maps), LoadError> {
    let maps = open_maps(&mut ebpf).map_err(|error| LoadError::refused("the maps", error))?;
    let mut hooks = Hooks {
        ebpf,
        directory,
        cgroup,
        tc,
    };
    hooks
        .adopt()
        .map_err(|error| LoadError::refused("adopting what is attached", error))?;
    Ok((hooks, maps))
}

/// Removes every filter of swarmlb in this network namespace, and every pin below `root`, of any
/// version: links and filters first, so that nothing runs on maps that are going.
pub(crate) fn clean(root: &Path) -> Result<(), LoadError> {
    let filters = clsact::clean().map_err(|error| LoadError::Filters(error.into()));
    pins::clean(root).and(filters)
}

fn on_bpffs(path: &Path) -> bool {
    nix::sys::statfs::statfs(path)
        .is_ok_and(|stat| stat.filesystem_type() == nix::sys::statfs::BPF_FS_MAGIC)
}

fn open_maps(ebpf: &mut Ebpf) -> Result<Maps, Failure> {
    let mut take = |name: &'static str| -> Result<(&'static str, Map), Failure> {
        let map = ebpf.take_map(name).ok_or_else(|| Failure::Map {
            map: name,
            source: aya::maps::MapError::InvalidName {
                name: name.to_owned(),
            },
        })?;
        Ok((name, map))
    };
    fn make<T>(
        (name, map): (&'static str, Map),
        new: fn(&'static str, Map) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        new(name, map)
    }
    Ok(Maps {
        settings: make(take("LB_SETTINGS")?, One::new)?,
        uplinks: make(take("LB_UPLINKS")?, Table::new)?,
        bridge_ports: make(take("LB_BRIDGE_PORTS")?, Table::new)?,
        addresses: make(take("LB_VIPS")?, Table::new)?,
        token_keys: make(take("LB_TOKEN_KEYS")?, One::new)?,
        endpoints: make(take("LB_ENDPOINTS")?, Table::new)?,
        on_link: make(take("LB_ON_LINK")?, Networks::new)?,
        peers: make(take("LB_PEERS")?, Table::new)?,
        path_mtus: make(take("LB_PATH_MTU")?, Table::new)?,
        frontends: make(take("LB_FRONTENDS")?, Table::new)?,
        turns: make(take("LB_RR")?, Table::new)?,
        slots: make(take("LB_SLOTS")?, Table::new)?,
        targets: make(take("LB_TARGETS")?, Table::new)?,
        backends: make(take("LB_BACKENDS")?, Table::new)?,
        task_addresses: make(take("LB_TASK_ADDRS")?, Table::new)?,
        counters: make(take("LB_COUNTERS")?, PerCpu::new)?,
        retired: make(take("LB_RETIRED")?, Table::new)?,
        lease: make(take("LB_LEASE")?, One::new)?,
        allowed: make(take("LB_ALLOWED")?, Networks::new)?,
        loads: make(take("LB_CONNS")?, Table::new)?,
        orphans: true,
    })
}
