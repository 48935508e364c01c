//! Flows, as the client's side and as the task's side see them.

use crate::service::{Backend, DIRECT, Frontend, REMOTE};
use crate::settings::Settings;
use crate::{Be16, Be32, UDP};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

pub use crate::fragment::{FirstFragment, Fragments, Ports};
pub use crate::kind::Kind;
pub use crate::rev_nat::{RevNat, SnatEntry};

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
/// The flow is not settled: its client has not proved to be there, so that anybody may have made it, under
/// any name; or it was no more than a question and its answer; or it is closed.
pub const EMBRYONIC: u32 = 16;
/// The task is on another node: [`Flow::peer`] is that node.
pub const AWAY: u32 = 32;
/// The flow is over, and its client opened a connection on the same ports which the kernel got: nothing of the
/// flow counts for later packets.
pub const PASSED: u32 = 64;
/// [`Flow::proof`] is set: the task has said its sequence number.
pub const PROVABLE: u32 = 128;
/// The task, which is on this node, sees the client under [`Settings::node`] and [`Flow::remapped_port`]: the
/// client's own address is one of a network that the task reaches without `docker_gwbridge`.
pub const UNDER_NODE: u32 = 256;
/// As [`UNDER_NODE`], but under [`Settings::gateway`]: the node's address is in such a network as well.
pub const UNDER_GATEWAY: u32 = 512;
/// A TCP flow whose answers do not come by here, so that time settles it and no acknowledgement.
pub const TIMED: u32 = 1024;

/// No bit has two meanings: else the sum were more than the union.
const _: () = assert!(
    FIN_IN
        + FIN_OUT
        + RESET
        + ANSWERED
        + EMBRYONIC
        + AWAY
        + PASSED
        + PROVABLE
        + UNDER_NODE
        + UNDER_GATEWAY
        + TIMED
        == FIN_IN
            | FIN_OUT
            | RESET
            | ANSWERED
            | EMBRYONIC
            | AWAY
            | PASSED
            | PROVABLE
            | UNDER_NODE
            | UNDER_GATEWAY
            | TIMED
);

/// Acknowledgement numbers from [`Flow::proof`] on that prove that the client has seen the task's sequence number:
/// as many as a window without scaling (RFC 9293). Of 65,536 numbers drawn blindly one is among them.
pub const PROOF_WINDOW: u32 = 1 << 16;
/// Time between a flow's begin and a later packet of its client that settles a flow without acknowledgements, in
/// [`milliseconds`]: 2.1 s, two [`ticks`]. After 2 s Linux' connection tracking calls a stream of datagrams
/// assured (`nf_conntrack_proto_udp.c`).
pub const SETTLES_AFTER: u32 = 2 << 10;

/// After so many [`ticks`] without a datagram, a flow of UDP is over: 180 s, as in Linux'
/// connection tracking of streams it is 120 s.
pub const SILENCE: u32 = 170;

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
    /// Bits: [`FIN_IN`], [`FIN_OUT`], [`RESET`], [`ANSWERED`], [`EMBRYONIC`], [`AWAY`], [`PASSED`], [`PROVABLE`],
    /// [`UNDER_NODE`], [`UNDER_GATEWAY`], [`TIMED`].
    pub state: u32,
    /// When a packet was last seen, in [`ticks`].
    pub seen: u32,
    /// The port under which this node presents a container of its own that calls; 0
    /// for everyone else, whose address and port stay as they are.
    pub port: Be16,
    /// The port under which the task, which is on this node, sees the client, where another
    /// flow of the same client has the client's own port there, or where the task does not see the client's own
    /// address; else 0.
    pub remapped_port: Be16,
    /// The least acknowledgement number by which the client proves to be there, with [`PROVABLE`]: the
    /// task's initial sequence number and one, or where that was not seen, a later sequence number of the task.
    pub proof: u32,
    /// When the flow began, in [`milliseconds`]; 0: it is not remembered yet.
    pub begun: u32,
    /// Port of the task, where that is on this node: the frontend may have another one by now. 0: the frontend's.
    pub target: Be16,
    /// Zero.
    pub zero: [u16; 3],
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
            proof: 0,
            begun: 0,
            target: Be16::new(0),
            zero: [0; 3],
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

    /// [`TIMED`] where answers of `backend` do not come by this node, as `frontend` has them go to the client
    /// directly; else 0.
    #[inline(always)]
    #[must_use]
    pub const fn timed(frontend: &Frontend, backend: &Backend) -> u32 {
        if frontend.flags & DIRECT != 0 && backend.locality == REMOTE {
            TIMED
        } else {
            0
        }
    }

    /// Does the task see the client under an address of the task's node?
    #[inline(always)]
    #[must_use]
    pub const fn presented(&self) -> bool {
        self.state & (UNDER_NODE | UNDER_GATEWAY) != 0
    }

    /// The address under which the task, which is on this node, sees the client whose own one is `client`.
    ///
    /// By masks: branches would multiply what the kernel's verifier walks through after them.
    #[inline(always)]
    #[must_use]
    pub const fn shown_address(&self, settings: &Settings, client: Be32) -> Be32 {
        let node = ((self.state & UNDER_NODE) / UNDER_NODE).wrapping_neg();
        let gateway = ((self.state & UNDER_GATEWAY) / UNDER_GATEWAY).wrapping_neg();
        Be32::new(
            settings.node.get() & node
                | settings.gateway.get() & gateway
                | client.get() & !(node | gateway),
        )
    }

    /// The port of its task, which is on this node; `frontend` is that of the flow's frontend.
    ///
    /// By a mask, like [`Flow::ingress`].
    #[inline(always)]
    #[must_use]
    pub const fn target_or(&self, frontend: Be16) -> Be16 {
        let own = self.target.get();
        let unknown = ((own == 0) as u16).wrapping_neg();
        Be16::new(own | frontend.get() & unknown)
    }

    /// Both sides are done, or one gave up: the next SYN is a new connection.
    #[inline(always)]
    #[must_use]
    pub const fn closed(state: u32) -> bool {
        state & RESET != 0 || Self::finished(state)
    }

    /// Both sides have sent FIN.
    #[inline(always)]
    #[must_use]
    pub const fn finished(state: u32) -> bool {
        state & (FIN_IN | FIN_OUT) == FIN_IN | FIN_OUT
    }

    /// The table of a flow over IP protocol `proto` with these `state` bits.
    #[inline(always)]
    #[must_use]
    pub const fn kind(proto: u8, state: u32) -> Kind {
        if state & EMBRYONIC != 0 {
            Kind::Embryonic
        } else if proto == UDP || state & TIMED != 0 {
            Kind::Timed
        } else {
            Kind::Proved
        }
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

/// Nanoseconds of the monotonic clock in units of 2^20 ns (1.05 ms): for what is shorter than a tick. Wraps
/// after 52 days, so it is for differences alone.
#[inline(always)]
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "it wraps")]
pub const fn milliseconds(nanoseconds: u64) -> u32 {
    (nanoseconds >> 20) as u32
}
