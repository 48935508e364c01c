//! Frontends, their tables, and the backends behind them.
//!
//! A frontend is replaced in one step: the new table is written under a new
//! number first, then the frontend names that number. Frontends of one service that
//! have the same tasks name one table.

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

/// [`Frontend::scheduler`]: one place after the other.
pub const SCHED_RR: u16 = 0;
/// [`Frontend::scheduler`]: by the client's address, the same on every node.
pub const SCHED_SH: u16 = 1;
/// [`Frontend::scheduler`]: by the client's address and port, the same on every node.
pub const SCHED_MAGLEV: u16 = 2;

/// [`Frontend::scheduler`]: of two places, the one whose task has fewer flows.
pub const SCHED_LC: u16 = 3;

/// [`Frontend::flags`]: only clients of [`Source`]s that are there may open flows.
pub const RESTRICTED: u32 = 1;
/// [`Frontend::flags`]: replies go to the client directly.
pub const DIRECT: u32 = 2;
/// [`Frontend::flags`]: some tasks have another port than [`Frontend::target`]: that of their [`TargetKey`].
pub const TARGETS: u32 = 4;

/// Table and options of a published [`Port`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Frontend {
    /// Port in the containers, but for those that have another one ([`TARGETS`]).
    pub target: Be16,
    /// The scheduler of new flows: [`SCHED_RR`] and so on.
    pub scheduler: u16,
    /// Places in the table; 0: new flows are the kernel's, and those that exist go on. So it is with a port for which no
    /// task is ready, and with one that is withdrawn.
    pub count: u32,
    /// Number of the table that holds them, which other frontends of its service may name, too.
    pub table: u32,
    /// Bits: [`RESTRICTED`], [`DIRECT`], [`TARGETS`].
    pub flags: u32,
    /// Time that a client stays with its task after its last new flow to any port of the service,
    /// in [`crate::flow::ticks`]; 0: not at all.
    pub affinity_ticks: u32,
    /// Zero.
    pub zero: u32,
    /// Key of its service.
    pub service: u64,
}

impl Frontend {
    /// `count` places in `table` in turn, for every client, to port `target` of the tasks of
    /// `service`.
    #[inline(always)]
    #[must_use]
    pub const fn new(target: Be16, count: u32, table: u32, service: u64) -> Self {
        Self {
            target,
            scheduler: SCHED_RR,
            count,
            table,
            flags: 0,
            affinity_ticks: 0,
            zero: 0,
            service,
        }
    }
}

/// A task that has another port for a frontend than [`Frontend::target`]; its value is that port. In a rolling update that
/// changes the target port, old and new tasks serve side by side.
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
pub struct TargetKey {
    /// Key of the task.
    pub task: u64,
    /// The frontend.
    pub port: Port,
    /// Zero.
    pub zero: u32,
}

impl TargetKey {
    /// The key for `task` behind `port`.
    #[inline(always)]
    #[must_use]
    pub const fn new(port: Port, task: u64) -> Self {
        Self {
            task,
            port,
            zero: 0,
        }
    }
}

/// A client's network, of which new flows to a port are taken: the data of a longest-prefix key.
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
pub struct Source {
    /// The frontend. All of it counts, so prefixes are at least [`Source::PORT_BITS`] long.
    pub port: Port,
    /// The client.
    pub address: Be32,
}

impl Source {
    /// Bits of [`Source::port`].
    pub const PORT_BITS: u32 = 32;
}

/// A network that a task of this node reaches by a device of its own: the data of a longest-prefix key. Its value
/// says under which address of the node the task sees clients of it, as a bit of [`crate::flow::Flow::state`]:
/// [`crate::flow::UNDER_NODE`] or [`crate::flow::UNDER_GATEWAY`].
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
pub struct OnLink {
    /// Key of the task, in the machine's own order. All of it counts, so prefixes are at least
    /// [`OnLink::TASK_BITS`] long.
    pub task: [u8; 8],
    /// The client.
    pub address: Be32,
}

impl OnLink {
    /// Bits of [`OnLink::task`].
    pub const TASK_BITS: u32 = 64;

    /// A client of the task with this key.
    #[inline(always)]
    #[must_use]
    pub const fn new(task: u64, address: Be32) -> Self {
        Self {
            task: task.to_ne_bytes(),
            address,
        }
    }
}

/// A client of a service that keeps clients with their tasks: one task for all of its ports, by TCP and UDP.
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
pub struct AffinityKey {
    /// Key of the service.
    pub service: u64,
    /// The client.
    pub address: Be32,
    /// Zero.
    pub zero: u32,
}

impl AffinityKey {
    /// The client at `address` of the service with the key `service`.
    #[inline(always)]
    #[must_use]
    pub const fn new(service: u64, address: Be32) -> Self {
        Self {
            service,
            address,
            zero: 0,
        }
    }
}

/// The task of an [`AffinityKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct AffinityValue {
    /// Its key.
    pub task: u64,
    /// When the client opened its last flow, in [`crate::flow::ticks`].
    pub since: u32,
    /// Zero.
    pub zero: u32,
}

/// One place in a table; its value is the key of a task.
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
    /// [`Frontend::table`]: the numbers of all frontends' tables are one space.
    pub table: u32,
    /// 0 to [`Frontend::count`] - 1.
    pub index: u32,
}

/// [`Backend::locality`]: the task runs on this node, at its address on one of its bridges.
pub const LOCAL: u32 = 0;
/// [`Backend::locality`]: the task runs on another node, whose address this is.
pub const REMOTE: u32 = 1;

/// [`Backend::flags`]: it is in tables, so that new flows may go to it.
pub const ACTIVE: u32 = 1;
/// [`Backend::flags`]: processes on nodes may call it by its own address
/// ([`crate::sock_rev_nat::address_of`], [`crate::sock_rev_nat::TASKS_IPV4`]), at any port.
pub const ADDRESSED: u32 = 2;
/// [`Backend::flags`]: processes of the HTTP router's user ([`crate::settings::Settings::router_user`]) may, as HTTP routes lead to it.
pub const ROUTED: u32 = 4;

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
    pub locality: u32,
    /// [`LOCAL`]: index of the bridge that it is on, where that is not `docker_gwbridge`; else 0.
    pub link: u32,
    /// Bits: [`ACTIVE`], [`ADDRESSED`], [`ROUTED`].
    pub flags: u32,
    /// Key of its service.
    pub service: u64,
}

impl Backend {
    /// A task of `service` at `address`, `locality` as in [`Backend::locality`], that takes new flows.
    #[inline(always)]
    #[must_use]
    pub const fn new(address: Be32, locality: u32, service: u64) -> Self {
        Self {
            address,
            locality,
            link: 0,
            flags: ACTIVE,
            service,
        }
    }
}
