//! Calls of processes on the node itself, whose sockets are pointed at tasks.

use crate::{Be16, Be32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The first half of tasks' own addresses for processes on any node: a prefix of unique local
/// addresses, whose 40 bits were drawn by chance (RFC 4193, section 3.2.2).
pub const TASKS: [Be32; 2] = [Be32::new(0xfdb4_2e91), Be32::new(0x7ac3_0000)];

/// The address by which processes on any node reach the task with a key, at the port that it
/// listens on. It is never on a wire: sockets that ask for it are pointed at the task.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "the two halves of the key")]
pub const fn address_of(task: u64) -> [Be32; 4] {
    let [first, second] = TASKS;
    let key = [Be32::new((task >> 32) as u32), Be32::new(task as u32)];
    [first, second, key[0], key[1]]
}

/// The task whose address it is.
#[inline(always)]
#[must_use]
pub fn task_at(address: [Be32; 4]) -> Option<u64> {
    let [first, second, high, low] = address;
    let key = u64::from(high.get()) << 32 | u64::from(low.get());
    ([first, second] == TASKS).then_some(key)
}

/// The network of the IPv4 addresses by which processes of a node without IPv6 reach tasks: out of 240.0.0.0/4, which nobody
/// routes (RFC 1112, section 4: reserved). It is never on a wire either. The address of a task is this node's choice, as the
/// key is longer than that: a map has it.
pub const TASKS_IPV4: Be32 = Be32::new(0xfc00_0000);
/// Bits that all addresses of [`TASKS_IPV4`] share.
pub const TASKS_IPV4_BITS: u32 = 7;

/// Is it an address of [`TASKS_IPV4`]?
#[inline(always)]
#[must_use]
pub const fn in_tasks_ipv4(address: Be32) -> bool {
    let rest = u32::BITS - TASKS_IPV4_BITS;
    address.get() >> rest == TASKS_IPV4.get() >> rest
}

/// A socket of this node and the peer that it talks to, as the kernel has it.
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
pub struct SockRevNatKey {
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

impl SockRevNatKey {
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

/// Address and port that the process behind a [`SockRevNatKey`] asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SockRevNatValue {
    /// Key of the task that it got.
    pub task: u64,
    /// The address that it named; an IPv4 one as `::ffff:a.b.c.d`.
    pub address: [Be32; 4],
    /// The port that it named.
    pub port: Be16,
    /// 1 where it named the task itself, by its [`address_of`] or one of [`TASKS_IPV4`]: the port is the task's own.
    pub own: u8,
    /// Zero.
    pub zero: [u8; 5],
}
