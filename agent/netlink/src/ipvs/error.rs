//! Errors of IPVS, with the operation that failed.

use super::dest::Dest;
use super::id::ServiceId;
use crate::socket;
use nix::errno::Errno;
use std::fmt::{self, Display, Formatter};
use std::io;
use std::net::SocketAddr;
use thiserror::Error;

/// Why IPVS didn't do it.
#[derive(Debug, Error)]
pub enum Error {
    /// Neither the kernel nor a module of its has it.
    #[error("this kernel has no IPVS: its module ip_vs is not there, or can't be loaded")]
    Absent,
    /// The kernel refused, or there is no talking to it.
    #[error("IPVS: can't {step}")]
    Failed {
        /// Operation that failed.
        step: Step,
        /// Why not.
        source: socket::Error,
    },
    /// The table of connections can't be read.
    #[error("IPVS: can't list connections")]
    Connections(#[source] io::Error),
}

impl Error {
    /// What the kernel said, if it said no: `EEXIST` for a server that is there already, `ESRCH`
    /// for a virtual service that is not, `ENOENT` for a destination that is not, or for a
    /// scheduler that it doesn't have.
    #[must_use]
    pub fn refused(&self) -> Option<Errno> {
        match self {
            Self::Failed { source, .. } => source.refused(),
            _ => None,
        }
    }
}

/// Operation on IPVS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Look up the generic netlink family.
    Open,
    /// Read the version.
    Info,
    /// Read the timeouts.
    Timeouts,
    /// Change them.
    SetTimeouts,
    /// List the virtual services.
    Services,
    /// Look up one virtual service.
    Service(ServiceId),
    /// Make one.
    AddService(ServiceId),
    /// Change one.
    SetService(ServiceId),
    /// Remove one.
    DelService(ServiceId),
    /// List the destinations of a virtual service.
    Dests(ServiceId),
    /// Add one.
    AddDest(ServiceId, Dest),
    /// Change one.
    SetDest(ServiceId, Dest),
    /// Remove one.
    DelDest(ServiceId, Dest),
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let at = |dest: &Dest| SocketAddr::new(dest.address, dest.port);
        match self {
            Self::Open => f.write_str("ask for its family"),
            Self::Info => f.write_str("ask for its version"),
            Self::Timeouts => f.write_str("ask for the timeouts"),
            Self::SetTimeouts => f.write_str("set the timeouts"),
            Self::Services => f.write_str("list virtual services"),
            Self::Service(id) => write!(f, "ask for the virtual service {id}"),
            Self::AddService(id) => write!(f, "add the virtual service {id}"),
            Self::SetService(id) => write!(f, "change the virtual service {id}"),
            Self::DelService(id) => write!(f, "remove the virtual service {id}"),
            Self::Dests(id) => write!(f, "list the destinations of {id}"),
            Self::AddDest(id, dest) => write!(f, "add the destination {dest} to {id}"),
            Self::SetDest(id, dest) => write!(f, "change the destination {dest} of {id}"),
            Self::DelDest(id, dest) => write!(f, "remove the destination {} of {id}", at(dest)),
        }
    }
}
