//! Gives tasks and nodes the route addresses, tunnel ids and marks that stand for them inside one node, or between two.
//!
//! Only a task's tag goes with its packets, and only the task's own node reads it.

use super::ids::{PEER_ROUTE_ADDRESSES, TASK_MARKS, TASK_ROUTE_ADDRESSES};
use crate::model::ids::Key;
use ipnet::Ipv4Net;
use lb_abi::service::Port;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// A task's tag: the tunnel id by which the task's node knows it, 1 to 2^23 - 1, the same on all nodes. Where two tasks
/// of one node share a tag, the same port makes them tasks of one service, which may stand in for each other.
pub(super) fn tag(task: Key) -> u32 {
    let tag = low(task.0 >> 40) & 0x7f_ffff;
    tag.max(1)
}

/// Allocates numbers from a range: the one that the hash says, or the next that is free.
pub(super) struct Allocator<T> {
    base: u32,
    mask: u32,
    owners: BTreeMap<u32, T>,
}

impl<T: PartialEq + Copy> Allocator<T> {
    /// Numbers with the upper bits of `base` and any bits of `mask`.
    fn new(base: u32, mask: u32) -> Self {
        Self {
            base,
            mask,
            owners: BTreeMap::new(),
        }
    }

    /// The number of `owner`: the same in every pass, unless another owner with the same hash is allocated first.
    pub(super) fn allocate(&mut self, hash: u64, owner: T) -> u32 {
        let mut slot = low(hash ^ hash >> 32) & self.mask;
        // The range has more numbers than there are owners: the loop ends.
        while self.owners.get(&slot).is_some_and(|other| *other != owner) {
            slot = slot.wrapping_add(1) & self.mask;
        }
        self.owners.insert(slot, owner);
        self.base | slot
    }
}

/// Route addresses of tasks on other nodes.
pub(super) fn tasks() -> Allocator<Key> {
    within(TASK_ROUTE_ADDRESSES)
}

/// Route addresses of other nodes.
pub(super) fn peers() -> Allocator<Ipv4Addr> {
    within(PEER_ROUTE_ADDRESSES)
}

/// Marks of ports of tasks on this node.
pub(super) fn marks() -> Allocator<(Key, Port)> {
    Allocator::new(TASK_MARKS, 0xff_ffff)
}

fn within<T: PartialEq + Copy>(net: Ipv4Net) -> Allocator<T> {
    Allocator::new(net.network().into(), net.hostmask().into())
}

/// Spreads what is short over 64 bits.
pub(super) fn spread(value: u32) -> u64 {
    let mut hash = u64::from(value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^= hash >> 29;
    hash
}

#[expect(clippy::cast_possible_truncation, reason = "the low bits are meant")]
fn low(value: u64) -> u32 {
    value as u32
}

#[cfg(test)]
mod tests {
    use super::super::ids::{RETURN_ID, TUNNEL_IDS};
    use super::*;

    #[test]
    fn two_tasks_with_one_hash_get_two_addresses() {
        let mut allocator = tasks();
        let [a, b] = [1, 2].map(|key| allocator.allocate(7, Key(key)));
        assert_eq!(allocator.allocate(7, Key(1)), a);
        assert_eq!(b, a + 1);
        assert!(TASK_ROUTE_ADDRESSES.contains(&Ipv4Addr::from(a)));
    }

    #[test]
    fn a_tag_is_never_that_of_replies_and_fits_the_tunnel() {
        const { assert!(RETURN_ID >= 1 << 23 && RETURN_ID < TUNNEL_IDS) };
        for key in [0, 1, u64::MAX, 0x1234_5678_9abc_def0] {
            let tag = tag(Key(key));
            assert!(tag > 0 && tag < 1 << 23, "{key:x}: {tag:x}");
        }
    }
}
