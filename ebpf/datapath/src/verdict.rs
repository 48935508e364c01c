//! What shall become of a packet.

use lb_abi::counters::Reason;

/// The outcome of a decision. The packet already has the form it is sent in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not ours, or nothing this hook can do: the kernel goes on with it.
    Pass,
    /// It would not fit the tunnel: its sender is to be told so from this address, by
    /// [`crate::oversize::answer`]. XDP leaves that to tc.
    TooBig(u32),
    /// Away with it, and count why.
    Drop(Reason),
    /// To the IPv4 destination it now bears, out of whichever device leads there.
    Uplink,
    /// To the task on `docker_gwbridge` that it is now addressed to.
    Bridge,
    /// To the container on another bridge, with this index, that it is now addressed to: one
    /// that called, or a task that is not on `docker_gwbridge`.
    Container(u32),
}
