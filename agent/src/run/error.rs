//! Reasons for which the agent can't start, or go on.

use super::datapath::ChooseError;
use crate::links::LinksError;
use crate::serve::BindError;
use crate::sync::StartError;
use lb_core::kernel::ObserveError;

/// Errors of the agent's start, and what ends it later.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Docker, certificates or the peer port could not be opened.
    #[error(transparent)]
    Start(#[from] StartError),
    /// No datapath can serve on this host.
    #[error(transparent)]
    Choose(#[from] ChooseError),
    /// The admin socket could not be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The host's links could not be read, or none is usable as uplink.
    #[error(transparent)]
    Links(#[from] LinksError),
    /// The kernel's state could not be read.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// This host is not in a Swarm.
    #[error("{0}")]
    NoSwarm(String),
    /// The directory of the node certificate was removed: only an agent that starts anew sees its successor.
    #[error("{0}")]
    CertificatesRemoved(String),
    /// The engine did not tell in time which node this host is.
    #[error("Docker did not say within 30 s who this host is in the Swarm: {0}")]
    Silent(String),
    /// No random bytes could be read for token keys.
    #[error("/dev/urandom can't be read, from which the keys of the tunnel's tokens are drawn")]
    Random(#[source] std::io::Error),
    /// Signal handlers could not be installed.
    #[error("signals can't be received")]
    Signals(#[source] std::io::Error),
}
