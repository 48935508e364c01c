//! Addresses and numbers that stand for tasks and nodes inside one node, or between two.
//!
//! All of them are out of 240.0.0.0/4, which nobody routes (RFC 1112, section 4: reserved), and
//! none ever leaves a node: they name routes. Only a task's tag goes with its packets, and only the
//! task's own node reads it.

use crate::ids::Key;
use ipnet::Ipv4Net;
use lb_abi::service::Port;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Aliases of tasks on other nodes.
pub const TASKS: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(248, 0, 0, 0), 6);
/// Aliases of nodes, for replies to them.
pub const PEERS: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(241, 0, 0, 0), 8);
/// The tunnel's number for replies. Tags of tasks are below.
pub const RETURN: u32 = 0x80_0001;

/// Marks of tasks on this node: the upper eight bits.
pub const MARKS: u32 = 0x5100_0000;

/// The number by which the node of a task knows it in the tunnel: 1 to 2^23 - 1, the same on all
/// nodes. Where two tasks of one node share one, the same port makes them tasks of one service,
/// which may stand in for each other.
pub(super) fn tag(task: Key) -> u32 {
    let tag = low(task.0 >> 40) & 0x7f_ffff;
    tag.max(1)
}

/// Gives out names from a range: the one that the hash says, or the next that is free.
pub(super) struct Names<T> {
    base: u32,
    mask: u32,
    given: BTreeMap<u32, T>,
}

impl<T: PartialEq + Copy> Names<T> {
    /// Names with the upper bits of `base` and any bits of `mask`.
    fn new(base: u32, mask: u32) -> Self {
        Self {
            base,
            mask,
            given: BTreeMap::new(),
        }
    }

    /// A name for `whose`, always the same as long as nobody comes before it who has the same hash.
    pub(super) fn name(&mut self, hash: u64, whose: T) -> u32 {
        let mut place = low(hash ^ hash >> 32) & self.mask;
        // More names than can be asked for: it ends.
        while self.given.get(&place).is_some_and(|other| *other != whose) {
            place = place.wrapping_add(1) & self.mask;
        }
        self.given.insert(place, whose);
        self.base | place
    }
}

/// Names for tasks elsewhere.
pub(super) fn tasks() -> Names<Key> {
    within(TASKS)
}

/// Names for other nodes.
pub(super) fn peers() -> Names<Ipv4Addr> {
    within(PEERS)
}

/// Marks for ports of tasks here.
pub(super) fn marks() -> Names<(Key, Port)> {
    Names::new(MARKS, 0xff_ffff)
}

fn within<T: PartialEq + Copy>(net: Ipv4Net) -> Names<T> {
    Names::new(net.network().into(), net.hostmask().into())
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
    use super::*;

    #[test]
    fn two_tasks_with_one_hash_get_two_names() {
        let mut names = tasks();
        let [a, b] = [1, 2].map(|key| names.name(7, Key(key)));
        assert_eq!(names.name(7, Key(1)), a);
        assert_eq!(b, a + 1);
        assert!(TASKS.contains(&Ipv4Addr::from(a)));
    }

    #[test]
    fn a_tag_is_never_that_of_replies_and_fits_the_tunnel() {
        for key in [0, 1, u64::MAX, 0x1234_5678_9abc_def0] {
            let tag = tag(Key(key));
            assert!(tag > 0 && tag < 1 << 23, "{key:x}: {tag:x}");
        }
    }
}
