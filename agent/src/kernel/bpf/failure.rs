//! Failures of the eBPF back end's observations and operations.

use super::clsact::Refusal;
use lb_core::backend::ebpf::Hook;
use thiserror::Error;

/// Errors of observations and operations.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// A map refused.
    #[error("map {map}")]
    Map {
        /// Name of the map.
        map: &'static str,
        /// Why.
        #[source]
        source: aya::maps::MapError,
    },
    /// A program could not be attached, or a link not be updated.
    #[error("{hook} could not be attached")]
    Attach {
        /// The attach point.
        hook: Hook,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another program is attached there, and stays.
    #[error("another XDP program is attached to {link}: swarmlb leaves it alone and uses tc only")]
    Foreign {
        /// Name of the device.
        link: String,
    },
    /// The root cgroup was not found, to which the socket programs are attached.
    #[error(
        "published ports are not answered to processes on this node itself: {tried} is not the host's root cgroup (version 2); bind the host's /sys/fs/cgroup into the agent's container, or name it with --cgroup"
    )]
    NoCgroup {
        /// The paths that were tried.
        tried: String,
    },
    /// A filter could not be found or removed.
    #[error(transparent)]
    Filter(Refusal),
    /// No thread could be started.
    #[error("a thread could not be started")]
    Thread(#[source] std::io::Error),
    /// The device is gone.
    #[error("no device has index {0}")]
    NoDevice(u32),
    /// A pin could not be read or removed.
    #[error("{path}")]
    Pin {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Failure {
    /// A program could not be attached to `hook`, or its link not be updated.
    pub(super) fn attach(
        hook: Hook,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Attach {
            hook,
            source: source.into(),
        }
    }
}
