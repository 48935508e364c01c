//! Frontends, their tables, and the backends behind them.
//!
//! A frontend is replaced in one step: the new table is written under a new
//! number first, then the frontend names that number.

use crate::{Be16, Be32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A published port: the same on every address of the node.
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
pub struct Port {
    /// Port on the nodes.
    pub number: Be16,
    /// [`crate::TCP`] or [`crate::UDP`].
    pub proto: u8,
    /// Zero.
    pub zero: u8,
}

impl Port {
    /// The key for `number` over IP protocol `proto`.
    #[inline(always)]
    #[must_use]
    pub const fn new(number: Be16, proto: u8) -> Self {
        Self {
            number,
            proto,
            zero: 0,
        }
    }
}

/// [`Frontend::pick`]: one place after the other.
pub const PICK_TURN: u16 = 0;
/// [`Frontend::pick`]: by the client's address, the same on every node.
pub const PICK_SOURCE: u16 = 1;
/// [`Frontend::pick`]: by the client's address and port, the same on every node.
pub const PICK_FLOW: u16 = 2;

/// What stands behind a [`Port`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Frontend {
    /// Port in the containers.
    pub target: Be16,
    /// How a new flow finds its place in the table: [`PICK_TURN`] and so on.
    pub pick: u16,
    /// Places in the table; 0: the port is refused.
    pub count: u32,
    /// Which table holds them.
    pub table: u32,
}

/// One place in a frontend's table; its value is the key of a task.
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
pub struct Slot {
    /// The frontend.
    pub port: Port,
    /// [`Frontend::table`].
    pub table: u32,
    /// 0 to [`Frontend::count`] - 1.
    pub index: u32,
}

/// [`Backend::place`]: the task runs on this node, at its address on one of its bridges.
pub const LOCAL: u32 = 0;
/// [`Backend::place`]: the task runs on another node, whose address this is.
pub const REMOTE: u32 = 1;

/// A task, by its key.
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
pub struct Backend {
    /// Where to send its packets.
    pub address: Be32,
    /// [`LOCAL`] or [`REMOTE`].
    pub place: u32,
    /// [`LOCAL`]: index of the bridge that it is on, where that is not `docker_gwbridge`; else 0.
    pub link: u32,
    /// Zero.
    pub zero: u32,
    /// Key of its service.
    pub service: u64,
}
