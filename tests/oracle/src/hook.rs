//! The hooks at which a node's programs see frames.

use arbitrary::Arbitrary;

/// A hook of a node.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    /// XDP on the uplink.
    Xdp,
    /// tc on the uplink, incoming.
    Tc,
    /// tc on `docker_gwbridge`, incoming.
    Bridge,
    /// tc on the uplink, outgoing.
    Egress,
}
