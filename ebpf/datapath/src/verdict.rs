//! What shall become of a packet.

use lb_abi::counters::Reason;

/// The outcome of a decision. The packet already has the form it is sent in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not ours, or nothing this hook can do: the kernel goes on with it.
    Pass,
    /// Away with it, and count why.
    Drop(Reason),
    /// Out of the uplink, to the IPv4 destination it now bears.
    Uplink,
    /// To the task on `docker_gwbridge` that it is now addressed to.
    Bridge,
    /// To the container on another bridge, with this index, that it is now addressed to: one
    /// that called, or a task that is not on `docker_gwbridge`.
    Container(u32),
}
