//! Reasons for which a session to a manager's agent ends.

use crate::sync::PEER_TIMEOUT;
use crate::sync::tls::DialError;

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionEnd {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("the agent of the manager at {host} refuses this node: {reason}")]
    Refused { host: String, reason: String },
    #[error("the agent of the manager at {host} hung up")]
    HungUp { host: String },
    #[error("the certificate of the manager at {host} has expired")]
    Expired { host: String },
    #[error("the agent of the manager at {host} sent no heartbeat for {} s", PEER_TIMEOUT.as_secs())]
    Silent { host: String },
}

impl SessionEnd {
    /// The agent at `host` refused the session with `status`.
    pub(super) fn refused(host: &str, status: &tonic::Status) -> Self {
        Self::Refused {
            host: host.to_owned(),
            reason: status.message().to_owned(),
        }
    }

    /// The agent at `host` hung up.
    pub(super) fn hung_up(host: &str) -> Self {
        Self::HungUp {
            host: host.to_owned(),
        }
    }

    /// The agent at `host` sent no heartbeat, or reads no messages.
    pub(super) fn silent(host: &str) -> Self {
        Self::Silent {
            host: host.to_owned(),
        }
    }
}
