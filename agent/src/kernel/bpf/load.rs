//! Bringing the programs and maps into the kernel, or finding them there.

use super::hooks::{Hooks, Tc, program};
use super::maps::{Flows, Maps, Networks, One, PerCpu, Table};
use super::{Failure, clsact};
use aya::maps::Map;
use aya::programs::{CgroupSockAddr, SchedClassifier, Xdp};
use aya::{Ebpf, EbpfLoader};
use lb_core::state::HookKind;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The object, as the build script made it.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/programs"));

/// Below a BPF file system's root: everything in it is ours.
const OURS: &str = "swarmlb";

/// The kernel or the host can't do what the eBPF path needs.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The directory is not on a BPF file system.
    #[error(
        "{path} is not a BPF file system: mount one (`mount -t bpf bpf {path}`), or bind the host's {path} into the agent's container"
    )]
    NoBpffs {
        /// Where it was looked for.
        path: String,
    },
    /// Not allowed.
    #[error(
        "the kernel refuses BPF ({what}): give the agent the capabilities NET_ADMIN and SYS_ADMIN (or NET_ADMIN, BPF and PERFMON)"
    )]
    NotAllowed {
        /// What was tried.
        what: String,
    },
    /// The kernel has no such thing, or the verifier said no.
    #[error("this kernel can't run the eBPF path: {what}; Linux 6.1 or later is needed")]
    Unsupported {
        /// What was tried.
        what: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Filters could not be removed.
    #[error("filters of swarmlb on devices could not be removed")]
    Filters(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The pins are in a state that they should not be in.
    #[error("{path} could not be used")]
    Directory {
        /// File or directory.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Loads the programs with maps pinned below `root`/swarmlb. Where that fails, nothing is left of
/// it but what an earlier agent had pinned.
pub(crate) fn load(root: &Path) -> Result<(Ebpf, PathBuf), LoadError> {
    if !on_bpffs(root) {
        return Err(LoadError::NoBpffs {
            path: root.display().to_string(),
        });
    }
    let directory = directory(root);
    let adopted = directory.exists();
    let loaded = load_into(&directory);
    if loaded.is_err() && !adopted {
        // The first error is the one that matters; the parent stays if it is not empty.
        let _ = remove(&directory);
        let _ = std::fs::remove_dir(root.join(OURS));
    }
    loaded.map(|ebpf| (ebpf, directory))
}

fn load_into(directory: &Path) -> Result<Ebpf, LoadError> {
    std::fs::create_dir_all(directory).map_err(failed(directory))?;
    let mut ebpf = EbpfLoader::new()
        .default_map_pin_directory(directory)
        .load(OBJECT)
        .map_err(|error| refused("the maps", error))?;
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
        .map_err(|error| refused(name, error))?;
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
    let maps = open_maps(&mut ebpf).map_err(|error| refused("the maps", error))?;
    let mut hooks = Hooks {
        ebpf,
        directory,
        cgroup,
        tc,
    };
    hooks
        .adopt()
        .map_err(|error| refused("adopting what is attached", error))?;
    Ok((hooks, maps))
}

/// Removes every filter of ours in this network namespace, and every pin below `root`, of any
/// version: links and filters first, so that nothing runs on maps that are going.
pub(crate) fn clean(root: &Path) -> Result<(), LoadError> {
    let filters = clsact::clean().map_err(|error| LoadError::Filters(error.into()));
    clean_pins(root).and(filters)
}

fn clean_pins(root: &Path) -> Result<(), LoadError> {
    let ours = root.join(OURS);
    let versions = match std::fs::read_dir(&ours) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(failed(&ours))?,
    };
    for version in versions {
        remove(&version.map_err(failed(&ours))?.path())?;
    }
    std::fs::remove_dir(&ours).map_err(failed(&ours))
}

/// Removes the pins of one version.
fn remove(version: &Path) -> Result<(), LoadError> {
    let mut pins = Vec::new();
    for pin in std::fs::read_dir(version).map_err(failed(version))? {
        pins.push(pin.map_err(failed(version))?.path());
    }
    // `LB_…` are maps, the rest are links.
    pins.sort_by_key(|pin| {
        pin.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("LB_"))
    });
    for pin in pins {
        std::fs::remove_file(&pin).map_err(failed(&pin))?;
    }
    std::fs::remove_dir(version).map_err(failed(version))
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> LoadError + use<> {
    let path = path.display().to_string();
    move |source| LoadError::Directory { path, source }
}

fn directory(root: &Path) -> PathBuf {
    root.join(OURS).join(format!("v{}", lb_abi::VERSION))
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
        addresses: make(take("LB_ADDRESSES")?, Table::new)?,
        peers: make(take("LB_PEERS")?, Table::new)?,
        frontends: make(take("LB_FRONTENDS")?, Table::new)?,
        turns: make(take("LB_TURNS")?, Table::new)?,
        slots: make(take("LB_SLOTS")?, Table::new)?,
        backends: make(take("LB_BACKENDS")?, Table::new)?,
        counters: make(take("LB_COUNTERS")?, PerCpu::new)?,
        retired: make(take("LB_RETIRED")?, Table::new)?,
        lease: make(take("LB_LEASE")?, One::new)?,
        allowed: make(take("LB_ALLOWED")?, Networks::new)?,
        kept: make(take("LB_KEPT")?, Table::new)?,
        loads: make(take("LB_LOADS")?, Table::new)?,
        flows: Flows {
            settled: make(take("LB_FLOWS")?, Table::new)?,
            opening: make(take("LB_OPENING")?, Table::new)?,
        },
        answering: make(take("LB_ANSWERING")?, Table::new)?,
        replies: make(take("LB_REPLIES")?, Table::new)?,
        fragments: make(take("LB_FRAGMENTS")?, Table::new)?,
        calls: make(take("LB_CALLS")?, Table::new)?,
        callers: make(take("LB_CALLERS")?, Table::new)?,
        orphans: true,
    })
}

/// EPERM means capabilities, whatever was tried (the verifier says EACCES); the rest is the kernel's age or a fault of ours.
fn refused(what: &str, error: impl std::error::Error + Send + Sync + 'static) -> LoadError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(current) = cause {
        let os = current
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::raw_os_error);
        if matches!(os, Some(nix::libc::EPERM)) {
            return LoadError::NotAllowed {
                what: what.to_owned(),
            };
        }
        cause = current.source();
    }
    LoadError::Unsupported {
        what: what.to_owned(),
        source: error.into(),
    }
}
