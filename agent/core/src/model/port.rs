//! Published ports, as Swarm and labels name them.

use serde::{Deserialize, Serialize};

/// One published port of a service, or of a single task (`mode=host`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PublishedPort {
    /// TCP, UDP or SCTP.
    pub proto: Proto,
    /// The port on the nodes; 0 where Swarm has not assigned it (dynamic `mode=host`).
    pub published: u16,
    /// The port in the container.
    pub target: u16,
    /// On every node, or only where the task runs.
    pub mode: PublishMode,
}

/// A published port's number on the nodes.
pub type Number = (u16, Proto);

/// Transport protocol of a published port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proto {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP: known, not served.
    Sctp,
}

impl Proto {
    /// The lower-case name, as Docker writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

/// Docker's `PublishMode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PublishMode {
    /// Every node answers.
    Ingress,
    /// Only the task's node answers; Docker does it.
    Host,
}
