//! Calls of processes on the node itself, whose sockets are pointed at tasks.

use crate::{Be16, Be32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Who a socket of this node talks to, as the kernel has it.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(C)]
pub struct Call {
    /// The kernel's number of the socket; never used again.
    pub socket: u64,
    /// Where its packets go. 0: whichever address of this node it asked for, by
    /// which a socket that sends datagrams keeps to one task per published port.
    pub address: Be32,
    /// The port there.
    pub port: Be16,
    /// Zero.
    pub zero: [u8; 2],
}

impl Call {
    /// The key for what `socket` sends to `port` of `address`.
    #[inline(always)]
    #[must_use]
    pub const fn new(socket: u64, address: Be32, port: Be16) -> Self {
        Self {
            socket,
            address,
            port,
            zero: [0; 2],
        }
    }
}

/// What the process behind a [`Call`] asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Called {
    /// Key of the task that it got.
    pub task: u64,
    /// The address that it named; an IPv4 one as `::ffff:a.b.c.d`.
    pub address: [Be32; 4],
    /// The port that it named.
    pub port: Be16,
    /// Zero.
    pub zero: [u8; 6],
}
