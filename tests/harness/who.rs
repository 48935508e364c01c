//! Answers of `whoami`: one line of JSON per request or datagram.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// One answer of the test service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// The host name inside the task: the container's id, shortened.
    pub hostname: String,
    /// The peer's address as the task sees it: the client's, if nobody translated it.
    pub peer: SocketAddr,
    /// The task's own end.
    pub local: SocketAddr,
    /// `$TASK`: the id of the Swarm task, where the service was made by the harness.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub task: Option<String>,
    /// `$NODE`: the host name of the task's node, likewise.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub node: Option<String>,
    /// `$VERSION`: what a test of rolling updates tells apart.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<String>,
    /// When the task's process began to run, in milliseconds since the Unix epoch. The engine's
    /// `StartedAt` is from before it made the container.
    pub since_ms: u64,
}

/// Answer of `whoami` to an upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// Length of the body.
    pub bytes: u64,
    /// SHA-256 of the body, in hexadecimal.
    pub sha256: String,
}

/// A datagram that `whoami` received, whether or not its answer reached anybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Datagram {
    /// The sender's address as the task sees it.
    pub peer: SocketAddr,
    /// The task's own end.
    pub local: SocketAddr,
    /// The beginning of its payload.
    pub says: String,
}
