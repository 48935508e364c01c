//! Loads the programs, and creates or adopts the maps.

use super::hooks::{Hooks, Tc, program};
use super::load_error::LoadError;
use super::maps::{Maps, Networks, One, PerCpu, Table};
use super::{Failure, clsact, pins};
use aya::maps::Map;
use aya::programs::{CgroupSockAddr, SchedClassifier, Xdp};
use aya::{Ebpf, EbpfLoader};
use lb_core::backend::ebpf::HookKind;
use std::path::{Path, PathBuf};

/// The object file of the programs, as the build script makes it.
pub(super) static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/programs"));

/// Loads the programs with maps pinned below `root`/swarmlb. If that fails, only pins of an earlier agent are left.
pub(crate) fn load(root: &Path) -> Result<(Ebpf, PathBuf), LoadError> {
    if !on_bpffs(root) {
        return Err(LoadError::NoBpffs {
            path: root.display().to_string(),
        });
    }
    let adopted = pins::directory(root).exists();
    let directory = pins::make(root)?;
    let loaded = load_into(&directory);
    if loaded.is_err() && !adopted {
        pins::undo(root);
    }
    loaded.map(|ebpf| (ebpf, directory))
}

fn load_into(directory: &Path) -> Result<Ebpf, LoadError> {
    let mut ebpf = EbpfLoader::new()
        .default_map_pin_directory(directory)
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
        addresses: make(take("LB_VIPS")?, Table::new)?,
        token_keys: make(take("LB_TOKEN_KEYS")?, One::new)?,
        endpoints: make(take("LB_ENDPOINTS")?, Table::new)?,
        peers: make(take("LB_PEERS")?, Table::new)?,
        frontends: make(take("LB_FRONTENDS")?, Table::new)?,
        turns: make(take("LB_RR")?, Table::new)?,
        slots: make(take("LB_SLOTS")?, Table::new)?,
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
