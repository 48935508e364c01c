//! Gives tasks and nodes the route addresses, tunnel ids and marks that stand for them inside one node, or between two.
//!
//! Only a task's tag goes with its packets, and only the task's own node reads it.

use super::ids::{
    OWN_PORT_ID, OWN_ROUTE_ADDRESSES, OWN_ROUTE_MASK, PEER_ROUTE_ADDRESSES, TASK_MARKS,
    TASK_ROUTE_ADDRESSES,
};
use crate::model::ids::Key;
use ipnet::Ipv4Net;
use lb_abi::service::Port;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// A task's tag: the tunnel id by which the task's node knows it, 2 to 2^23 - 1, the same on all nodes. Where two tasks
/// of one node share a tag, the same port makes them tasks of one service, which may stand in for each other.
pub(super) fn tag(task: Key) -> u32 {
    let tag = low(task.0 >> 40) & 0x7f_ffff;
    // With `OWN_PORT_ID`, 1 would be `RETURN_ID`.
    tag.max(2)
}

/// The tunnel id for the ports that the task itself listens on.
pub(super) fn own_port_id(task: Key) -> u32 {
    OWN_PORT_ID | tag(task)
}

/// The part of a task's own route address that all nodes know. With the tunnel id it is 47 bits of the key: two tasks of one node
/// that share a port do not share these as well.
pub(super) fn own_network(task: Key) -> Ipv4Addr {
    let base = u32::from(OWN_ROUTE_ADDRESSES.network());
    Ipv4Addr::from(base | low(task.0) << 2 & !u32::from(OWN_ROUTE_ADDRESSES.netmask()))
}

/// Allocates own route addresses, each to one task.
#[derive(Default)]
pub(super) struct OwnAddresses(BTreeMap<Ipv4Addr, Key>);

impl OwnAddresses {
    /// The address of `task`; `None` if four others share its bits.
    pub(super) fn allocate(&mut self, task: Key) -> Option<Ipv4Addr> {
        let network = u32::from(own_network(task));
        let mut addresses = (0..=!OWN_ROUTE_MASK).map(|last| Ipv4Addr::from(network | last));
        let free = |address: &Ipv4Addr| self.0.get(address).is_none_or(|owner| *owner == task);
        let address = addresses.find(free)?;
        self.0.insert(address, task);
        Some(address)
    }
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

/// Marks of ports of tasks on this node: published ones, or the task's own.
pub(super) fn marks() -> Allocator<(u32, Key, Port)> {
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
    fn a_number_follows_from_both_halves_of_a_hash_and_behind_the_last_comes_the_first() {
        let base = u32::from(TASK_ROUTE_ADDRESSES.network());
        let mut allocator = tasks();
        let halves = 0x0000_0003_0000_0001;
        assert_eq!(allocator.allocate(halves, Key(1)), base | 2);
        let last = u32::from(TASK_ROUTE_ADDRESSES.broadcast());
        assert_eq!(allocator.allocate(0xffff_ffff, Key(2)), last);
        assert_eq!(allocator.allocate(0xffff_ffff, Key(3)), base);
    }

    /// Nodes of two versions know a task by it.
    #[test]
    fn a_tag_is_the_same_on_every_node_and_in_every_version() {
        let key = Key(0xf234_5678_9abc_def0);
        assert_eq!(tag(key), 0x72_3456);
        assert_eq!(own_port_id(key), 0xf2_3456);
        assert_eq!(own_network(key), Ipv4Addr::new(246, 0xf3, 0x7b, 0xc0));
    }

    #[test]
    fn tasks_that_share_24_bits_have_addresses_of_their_own_in_one_network() {
        let mut addresses = OwnAddresses::default();
        let tasks = [0x0100_0007, 0x0200_0007, 0x0300_0007, 0x0400_0007].map(Key);
        let given = tasks.map(|task| addresses.allocate(task).unwrap());
        assert_eq!(
            given.map(u32::from),
            [0, 1, 2, 3].map(|last| 0xf400_001c + last)
        );
        assert_eq!(addresses.allocate(tasks[2]), Some(given[2]));
        assert_eq!(addresses.allocate(Key(0x0500_0007)), None);
        let top = addresses.allocate(Key(u64::MAX)).unwrap();
        assert!(OWN_ROUTE_ADDRESSES.contains(&top), "{top}");
    }

    #[test]
    fn a_tag_is_never_that_of_replies_and_fits_the_tunnel() {
        const { assert!(RETURN_ID >= 1 << 23 && RETURN_ID < TUNNEL_IDS) };
        for key in [0, 1, u64::MAX, 0x1234_5678_9abc_def0] {
            let tag = tag(Key(key));
            assert!(tag > 0 && tag < 1 << 23, "{key:x}: {tag:x}");
            let own = own_port_id(Key(key));
            assert!(own != RETURN_ID, "{key:x}: {own:x}");
            assert!((1 << 23..TUNNEL_IDS).contains(&own), "{key:x}: {own:x}");
        }
    }
}
