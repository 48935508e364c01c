//! The tunnel's header: Geneve over UDP (RFC 8926), with one option.
//!
//! ```text
//! IPv4 20 | UDP 8 | Geneve 8 | option: class, type, length 4 | key of the task 8 | token 8 | the packet
//! ```
//!
//! The virtual network identifier is the number of the epoch whose key made the token.

use crate::headers::Ipv4;
use crate::packet::ETHERNET;
use lb_abi::{Be16, Be32};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// A token, as it is on the wire.
pub type Token = [u8; 8];

/// Bytes that the tunnel adds to a packet.
pub const OVERHEAD: usize = 56;

/// [`OVERHEAD`] in the type of IPv4's length field.
pub(crate) const OVERHEAD_BYTES: u16 = 56;

/// Bytes of the outer IPv4 header.
pub(crate) const IPV4_BYTES: u16 = 20;

/// Offset of the packet inside a tunnelled frame.
pub const INNER: usize = ETHERNET + OVERHEAD;

/// The direction in which a packet crosses the tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Direction {
    /// From the ingress node to the task's node.
    ToTask = 1,
    /// Back to the ingress node.
    ToClient = 2,
    /// To the task's node, for the port that the task itself listens on.
    ToOwn = 3,
}

impl Direction {
    /// The direction that an option's type stands for.
    #[inline(always)]
    const fn of(kind: u8) -> Option<Self> {
        match kind & !CRITICAL {
            1 => Some(Self::ToTask),
            2 => Some(Self::ToClient),
            3 => Some(Self::ToOwn),
            _ => None,
        }
    }
}

/// Everything between the Ethernet header and the packet inside.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Header {
    pub(crate) ip: Ipv4,
    pub(crate) source_port: Be16,
    pub(crate) destination_port: Be16,
    pub(crate) udp_length: Be16,
    pub(crate) udp_checksum: Be16,
    pub(crate) geneve: Geneve,
}

/// The Geneve header with its one option.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct Geneve {
    pub(crate) version_options: u8,
    pub(crate) control: u8,
    pub(crate) protocol: Be16,
    pub(crate) network: Be32,
    pub(crate) class: Be16,
    pub(crate) kind: u8,
    pub(crate) length: u8,
    pub(crate) key: TaskKey,
    pub(crate) token: Token,
}

/// Version 0; 5 words of options.
pub(crate) const VERSION_OPTIONS: u8 = 5;
/// Experimental range of option classes (RFC 8926, section 7): ours until one is registered.
pub(crate) const CLASS: Be16 = Be16::new(0xff5b);
/// In an option's type: whoever does not know it drops the packet.
const CRITICAL: u8 = 0x80;
/// Four words of data in the option.
pub(crate) const LENGTH: u8 = 4;

const _: () = assert!(size_of::<Header>() == OVERHEAD);

/// The key of a task on the wire, by its halves: at an address that fits no whole one, LLVM reads that byte by
/// byte, and programs have no stack to spare for it (512 bytes with all that they call).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct TaskKey([Be32; 2]);

impl TaskKey {
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
    pub(crate) const fn new(task: u64) -> Self {
        Self([Be32::new((task >> 32) as u32), Be32::new(task as u32)])
    }

    #[inline(always)]
    pub(crate) const fn get(self) -> u64 {
        let [high, low] = self.0;
        (high.get() as u64) << 32 | low.get() as u64
    }
}

impl Header {
    /// Its content, if it is a header of this tunnel.
    #[inline(always)]
    pub(crate) const fn says(&self) -> Option<Opened> {
        match Direction::of(self.geneve.kind) {
            Some(direction) => Some(Opened {
                sender: self.ip.source,
                direction,
                task: self.geneve.key.get(),
            }),
            None => None,
        }
    }

    /// The number of the epoch whose key made the token.
    #[inline(always)]
    pub(crate) const fn epoch(&self) -> u32 {
        self.geneve.network.get() >> 8
    }
}

/// Content of a tunnelled frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The node that sent it.
    pub sender: Be32,
    /// Direction of the packet.
    pub direction: Direction,
    /// Key of the task.
    pub task: u64,
}
