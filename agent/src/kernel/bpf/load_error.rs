//! Errors of loading the programs and opening the pins.

use thiserror::Error;

/// Errors of loading. The kernel or the host lacks what the eBPF datapath needs.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The directory is not on a BPF file system.
    #[error(
        "{path} is not a BPF file system: mount one on the host (`mount -t bpf -o mode=700 bpf /sys/fs/bpf`), \
         and bind it to {path} where the agent is in a container"
    )]
    NoBpffs {
        /// The directory.
        path: String,
    },
    /// The agent lacks capabilities.
    #[error(
        "the kernel refuses BPF ({what}): give the agent the capabilities NET_ADMIN, BPF and PERFMON (with an engine older than 23.0: NET_ADMIN and SYS_ADMIN)"
    )]
    NotAllowed {
        /// What was tried.
        what: String,
    },
    /// The kernel lacks a feature, or the verifier refused a program.
    #[error("this kernel can't run the eBPF path: {what}; Linux 6.1 or later is needed")]
    Unsupported {
        /// What was tried.
        what: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no memory for the maps or the programs.
    #[error(
        "the kernel has no memory for {what}: let the agent's container or unit have more (SWARMLB_MEMORY, MemoryMax), \
         or ask for room for fewer connections (--flows)"
    )]
    NoMemory {
        /// What was tried.
        what: String,
    },
    /// Filters could not be removed.
    #[error("filters of swarmlb on devices could not be removed")]
    Filters(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Other users could change the pins.
    #[error(
        "{path} {flaw}: others could take swarmlb's maps and programs away or replace them; remove it, and mount the BPF file system for root alone (`mount -t bpf -o mode=700 bpf {root}`)"
    )]
    NotOurs {
        /// The directory.
        path: String,
        /// The flaw, as the predicate of a sentence about `path`.
        flaw: String,
        /// The BPF file system.
        root: String,
    },
    /// A directory or a pin could not be made, read or removed.
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
    /// The kernel failed at `what`. EPERM means missing capabilities, whatever was tried (the verifier says
    /// EACCES), and ENOMEM too little memory; any other error means a kernel that is too old, or a bug of swarmlb.
    pub(super) fn refused(
        what: &str,
        error: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(current) = cause {
            let os = current
                .downcast_ref::<std::io::Error>()
                .and_then(std::io::Error::raw_os_error);
            let what = what.to_owned();
            match os {
                Some(nix::libc::EPERM) => return Self::NotAllowed { what },
                Some(nix::libc::ENOMEM) => return Self::NoMemory { what },
                _ => {}
            }
            cause = current.source();
        }
        Self::Unsupported {
            what: what.to_owned(),
            source: error.into(),
        }
    }
}
