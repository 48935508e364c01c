//! Flows, as the client's side and as the task's side see them.

use crate::service::{Backend, REMOTE};
use crate::{Be16, Be32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The 5-tuple of packets in one direction.
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
pub struct Tuple {
    /// Source address.
    pub source: Be32,
    /// Destination address.
    pub destination: Be32,
    /// Source port.
    pub source_port: Be16,
    /// Destination port.
    pub destination_port: Be16,
    /// IP protocol.
    pub proto: u8,
    /// Zero.
    pub zero: [u8; 3],
}

impl Tuple {
    /// The tuple of packets that go the other way.
    #[inline(always)]
    #[must_use]
    pub const fn reversed(&self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            source_port: self.destination_port,
            destination_port: self.source_port,
            proto: self.proto,
            zero: [0; 3],
        }
    }
}

/// The client sent FIN.
pub const FIN_IN: u32 = 1;
/// The task sent FIN.
pub const FIN_OUT: u32 = 2;
/// Either side sent RST.
pub const RESET: u32 = 4;
/// The task has answered.
pub const ANSWERED: u32 = 8;
/// The client has not spoken again since the task answered: until it has, anybody may
/// have made this flow, under any name.
pub const EMBRYONIC: u32 = 16;
/// The task is on another node: [`Flow::peer`] is that node.
pub const AWAY: u32 = 32;

/// Where a client's flow goes. Keyed by the client's [`Tuple`].
///
/// The task's key is id and generation in one: task ids are never used again, so
/// a flow can't end up with whoever inherits an address (docs/adr/0005).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Flow {
    /// Key of the task.
    pub task: u64,
    /// The node at the other end of the tunnel: with [`AWAY`] the task's node, else the ingress node
    /// that sent it here. 0 where this node has both, client and task.
    pub peer: Be32,
    /// Bits: [`FIN_IN`], [`FIN_OUT`], [`RESET`], [`ANSWERED`], [`EMBRYONIC`], [`AWAY`].
    pub state: u32,
    /// When a packet was last seen, in [`ticks`].
    pub seen: u32,
    /// The port under which this node presents a container of its own that calls; 0
    /// for everyone else, whose address and port stay as they are.
    pub port: Be16,
    /// The port under which the task, which is on this node, sees the client, where another
    /// flow of the same client has the client's own port there; else 0.
    pub remapped_port: Be16,
}

impl Flow {
    /// A flow to `task` on this node, whose client is known; `ingress` is the node through which it
    /// came, 0 where that is this one.
    #[inline(always)]
    #[must_use]
    pub const fn new(task: u64, ingress: Be32) -> Self {
        Self {
            task,
            peer: ingress,
            state: 0,
            seen: 0,
            port: Be16::new(0),
            remapped_port: Be16::new(0),
        }
    }

    /// A flow of a client of this node to `task`, which is `backend`; `state` has the other bits.
    #[inline(always)]
    #[must_use]
    pub const fn to(task: u64, backend: &Backend, state: u32) -> Self {
        if backend.locality == REMOTE {
            Self::away(task, backend.address, state)
        } else {
            Self {
                state,
                ..Self::new(task, Be32::new(0))
            }
        }
    }

    /// A flow of a client of this node to `task` on the node with the address `node`; `state` has the
    /// other bits.
    #[inline(always)]
    #[must_use]
    pub const fn away(task: u64, node: Be32, state: u32) -> Self {
        Self {
            state: state | AWAY,
            ..Self::new(task, node)
        }
    }

    /// The ingress node that sent it through the tunnel; 0 where this node is the ingress.
    ///
    /// By a mask: a branch would double what the kernel's verifier walks through after it.
    #[inline(always)]
    #[must_use]
    pub const fn ingress(&self) -> Be32 {
        let elsewhere = (self.state & AWAY) / AWAY;
        Be32::new(self.peer.get() & elsewhere.wrapping_sub(1))
    }

    /// Did the client come to this node itself?
    #[inline(always)]
    #[must_use]
    pub const fn came_here(&self) -> bool {
        self.ingress().get() == 0
    }

    /// Did it come through the tunnel from `node`?
    #[inline(always)]
    #[must_use]
    pub fn came_from(&self, node: Be32) -> bool {
        self.ingress() == node
    }

    /// Did this node send it to `task` on `node`, as far as the flow itself says?
    #[inline(always)]
    #[must_use]
    pub fn went_to(&self, node: Be32) -> bool {
        self.state & AWAY != 0 && self.peer == node
    }

    /// Both sides are done, or one gave up: the next SYN is a new connection.
    #[inline(always)]
    #[must_use]
    pub const fn closed(state: u32) -> bool {
        state & RESET != 0 || state & (FIN_IN | FIN_OUT) == FIN_IN | FIN_OUT
    }
}

/// Nanoseconds of the monotonic clock as ticks of 2^30 ns (1.07 s): coarse enough
/// that a busy flow's entry is written once a second, not once a packet.
#[inline(always)]
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    reason = "wraps after some 146 years of uptime"
)]
pub const fn ticks(nanoseconds: u64) -> u32 {
    (nanoseconds >> 30) as u32
}

/// Reverse NAT of a task's packets. Keyed by the task's [`Tuple`]: from its
/// own address to the client's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct RevNat {
    /// Key of the task.
    pub task: u64,
    /// The address that the client spoke to.
    pub frontend: Be32,
    /// The node through which the client came; 0 where it was this one.
    pub peer: Be32,
    /// The port that the client spoke to.
    pub port: Be16,
    /// The client's port, as others than the task see it.
    pub client: Be16,
    /// 1 where the client is a container of this node: its [`SnatEntry`] says which.
    pub calls: u8,
    /// 1 as long as the flow is [`EMBRYONIC`].
    pub opening: u8,
    /// 1 where the reply goes to the client directly, and not through [`RevNat::peer`].
    pub direct: u8,
    /// Zero.
    pub zero: u8,
}

impl RevNat {
    /// The bits in which two differ. In one go: a comparison field by field has a branch for
    /// each, and the kernel's verifier walks through all that follows after each of them.
    #[inline(always)]
    fn difference(self, other: Self) -> u64 {
        let [a, b, c]: [u64; 3] = zerocopy::transmute!(self);
        let [x, y, z]: [u64; 3] = zerocopy::transmute!(other);
        (a ^ x) | (b ^ y) | (c ^ z)
    }

    /// Are they the same?
    #[inline(always)]
    #[must_use]
    pub fn is(self, other: Self) -> bool {
        self.difference(other) == 0
    }

    /// Do both belong to the same flow, however that stands?
    #[inline(always)]
    #[must_use]
    pub fn is_about(self, other: Self) -> bool {
        self.is(Self {
            opening: self.opening,
            ..other
        })
    }
}

/// The fragments of one fragmented packet, by what all of them bear (RFC 791, section 3.2).
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
pub struct Fragments {
    /// Source address.
    pub source: Be32,
    /// Destination address.
    pub destination: Be32,
    /// The packet's number.
    pub id: Be16,
    /// IP protocol.
    pub proto: u8,
    /// Zero.
    pub zero: u8,
}

/// The ports of a fragmented packet, which only its first fragment bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Ports {
    /// Source port.
    pub source: Be16,
    /// Destination port.
    pub destination: Be16,
}

/// Ports and time of a first fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct FirstFragment {
    /// The ports that it bears.
    pub ports: Ports,
    /// When it came, in [`ticks`].
    pub since: u32,
}

impl FirstFragment {
    /// Later fragments that come more ticks after the first are of another packet: numbers of packets
    /// (16 bits) are used again. Fragments of one packet follow each other at once.
    pub const LASTS: u32 = 2;
}

/// A container of this node that calls a published port on its own node. Keyed by the
/// [`Tuple`] under which it is presented: from this node's address.
///
/// Under its own address, replies would go to it directly, past the datapath; and on
/// another node that address belongs to another container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SnatEntry {
    /// Its own address.
    pub address: Be32,
    /// Its own port.
    pub port: Be16,
    /// Zero.
    pub zero: u16,
    /// Index of the bridge that it is on.
    pub link: u32,
}
