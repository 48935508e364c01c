//! Bringing the programs and maps into the kernel, or finding them there.

use super::hooks::{Hooks, Tc, program};
use super::maps::{Flows, Maps, Networks, One, PerCpu, Table};
use super::{Failure, clsact, pins};
use aya::maps::Map;
use aya::programs::{CgroupSockAddr, SchedClassifier, Xdp};
use aya::{Ebpf, EbpfLoader};
use lb_core::backend::ebpf::HookKind;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The object, as the build script made it.
pub(super) static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/programs"));

/// The kernel or the host can't do what the eBPF path needs.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The directory is not on a BPF file system.
    #[error(
        "{path} is not a BPF file system: mount one (`mount -t bpf -o mode=700 bpf {path}`), or bind the host's {path} into the agent's container"
    )]
    NoBpffs {
        /// Where it was looked for.
        path: String,
    },
    /// Not allowed.
    #[error(
        "the kernel refuses BPF ({what}): give the agent the capabilities NET_ADMIN, BPF and PERFMON (with an engine older than 23.0: NET_ADMIN and SYS_ADMIN)"
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
    /// Somebody else could change the pins.
    #[error(
        "{path} {flaw}: others could take swarmlb's maps and programs away or replace them; remove it, and mount the BPF file system for root alone (`mount -t bpf -o mode=700 bpf {root}`)"
    )]
    NotOurs {
        /// The directory.
        path: String,
        /// What is wrong with it.
        flaw: String,
        /// The BPF file system.
        root: String,
    },
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

impl LoadError {
    /// The work beside the steps could not be begun.
    pub(super) fn chores(failure: Failure) -> Self {
        refused("the maps", failure)
    }
}

/// Loads the programs with maps pinned below `root`/swarmlb. Where that fails, nothing is left of
/// it but what an earlier agent had pinned.
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

/// Removes every filter of swarmlb's in this network namespace, and every pin below `root`, of any
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
        counters: make(take("LB_COUNTERS")?, PerCpu::new)?,
        retired: make(take("LB_RETIRED")?, Table::new)?,
        lease: make(take("LB_LEASE")?, One::new)?,
        allowed: make(take("LB_ALLOWED")?, Networks::new)?,
        loads: make(take("LB_CONNS")?, Table::new)?,
        flows: Flows {
            settled: make(take("LB_FLOWS")?, Table::new)?,
            opening: make(take("LB_EMBRYONIC")?, Table::new)?,
        },
        answering: make(take("LB_REV_NAT_EMB")?, Table::new)?,
        replies: make(take("LB_REV_NAT")?, Table::new)?,
        fragments: make(take("LB_FRAGMENTS")?, Table::new)?,
        calls: make(take("LB_SOCK_REV_NAT")?, Table::new)?,
        callers: make(take("LB_HAIRPIN_SNAT")?, Table::new)?,
        orphans: true,
    })
}

/// EPERM means capabilities, whatever was tried (the verifier says EACCES); anything else is the kernel's age or a bug of swarmlb's.
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
