//! Errors of `lbctl`: one sentence each, and the exit code.

use crate::cli::{PROBLEMS, UNREACHABLE, WRONG_USAGE};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Errors between the operator and the agent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(
        "no agent answers at {}: is swarmlb running on this node? (docker service ps lb_agent)",
        path.display()
    )]
    NoAgent { path: PathBuf },
    #[error(
        "no permission to open {}: run as root or in the agent's container: docker exec AGENT lbctl …",
        path.display()
    )]
    Denied { path: PathBuf },
    #[error("cannot connect to {}: {source}", path.display())]
    Connect { path: PathBuf, source: io::Error },
    #[error("the agent at {} did not answer within {} s", path.display(), after.as_secs())]
    Silent { path: PathBuf, after: Duration },
    #[error(
        "the agent at {} is version {agent} and lbctl is {}: use the agent's own: docker exec AGENT lbctl …",
        path.display(),
        env!("CARGO_PKG_VERSION")
    )]
    Version { path: PathBuf, agent: String },
    #[error("what answers at {} is no agent of swarmlb: {reason}", path.display())]
    NotAnAgent { path: PathBuf, reason: String },
    /// The agent's own message.
    #[error("{0}")]
    Refused(String),
    /// The agent refused the request: its message.
    #[error("{0}")]
    Misunderstood(String),
    #[error("cannot write the answer: {0}")]
    Write(#[source] io::Error),
    /// The reader of the output is gone, which is not an error.
    #[error("nobody reads on")]
    NobodyReads,
}

impl Failure {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::NobodyReads => 0,
            Self::Misunderstood(_) => WRONG_USAGE,
            Self::Refused(_) | Self::Write(_) => PROBLEMS,
            Self::NoAgent { .. }
            | Self::Denied { .. }
            | Self::Connect { .. }
            | Self::Silent { .. }
            | Self::Version { .. }
            | Self::NotAnAgent { .. } => UNREACHABLE,
        }
    }
}
