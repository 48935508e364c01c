//! Flows as tasks see them, and containers that call.

use crate::kind::Kind;
use crate::{Be16, Be32, UDP};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Reverse NAT of a task's packets. Keyed by the task's [`crate::flow::Tuple`]: from its
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
    /// The client's address, as others than the task see it.
    pub client_address: Be32,
    /// The port that the client spoke to.
    pub port: Be16,
    /// The client's port, as others than the task see it.
    pub client: Be16,
    /// 1 where the client is a container of this node: its [`SnatEntry`] says which.
    pub calls: u8,
    /// 1 where the flow is [`crate::flow::EMBRYONIC`].
    pub opening: u8,
    /// 1 where the reply goes to the client directly, and not through [`RevNat::peer`].
    pub direct: u8,
    /// Zero.
    pub zero: [u8; 5],
}

impl RevNat {
    /// The bits in which two differ. In one go: a comparison field by field has a branch for
    /// each, and the kernel's verifier walks through all that follows after each of them.
    #[inline(always)]
    fn difference(self, other: Self) -> u64 {
        let [a, b, c, d]: [u64; 4] = zerocopy::transmute!(self);
        let [w, x, y, z]: [u64; 4] = zerocopy::transmute!(other);
        (a ^ w) | (b ^ x) | (c ^ y) | (d ^ z)
    }

    /// Are they the same?
    #[inline(always)]
    #[must_use]
    pub fn is(self, other: Self) -> bool {
        self.difference(other) == 0
    }

    /// The table of the way back of a flow over IP protocol `proto`. A TCP connection's answers come by where
    /// it is remembered, so it is never [`Kind::Timed`].
    #[inline(always)]
    #[must_use]
    pub const fn kind(&self, proto: u8) -> Kind {
        if self.opening != 0 {
            Kind::Embryonic
        } else if proto == UDP {
            Kind::Timed
        } else {
            Kind::Proved
        }
    }

    /// Do both belong to the packets of one client from one port to one frontend, whichever node they come through?
    #[inline(always)]
    #[must_use]
    pub fn is_about(self, other: Self) -> bool {
        self.is(Self {
            client_address: other.client_address,
            frontend: other.frontend,
            port: other.port,
            client: other.client,
            calls: other.calls,
            ..self
        })
    }
}

/// A container of this node that calls a published port on its own node. Keyed by the
/// [`crate::flow::Tuple`] under which it is presented: from this node's address.
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
