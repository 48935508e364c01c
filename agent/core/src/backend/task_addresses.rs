//! Where processes of a node reach tasks by themselves, without a published port.

use super::ebpf::task_address;
use crate::model::ids::Key;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// The addresses by which processes of a node call tasks where a back end knows both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskAddressFamily {
    /// IPv6: the address of a task follows from its key.
    #[default]
    Ipv6,
    /// IPv4, on a host without IPv6: the node gives each task an address.
    Ipv4,
}

/// The addresses by which processes of a node call tasks, at the ports that those listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskAddresses {
    /// Each task has the address that follows from its key (ADR 0011).
    ByKey,
    /// These, by key of the task; others are not reached (ADR 0019, ADR 0020).
    Listed(Arc<BTreeMap<Key, Ipv4Addr>>),
}

impl Default for TaskAddresses {
    /// None.
    fn default() -> Self {
        Self::Listed(Arc::default())
    }
}

impl TaskAddresses {
    /// The address of a task; `None` if it is not reached.
    #[must_use]
    pub fn get(&self, task: Key) -> Option<IpAddr> {
        match self {
            Self::ByKey => Some(task_address(task).into()),
            Self::Listed(addresses) => addresses.get(&task).map(|address| (*address).into()),
        }
    }

    /// The tasks whose addresses are others than `before`, as far as both are listed.
    #[must_use]
    pub fn changes(&self, before: &Self) -> BTreeSet<Key> {
        let (Self::Listed(now), Self::Listed(before)) = (self, before) else {
            return BTreeSet::new();
        };
        if Arc::ptr_eq(now, before) {
            return BTreeSet::new();
        }
        let tasks = now.keys().chain(before.keys());
        let changed = tasks.filter(|task| now.get(task) != before.get(task));
        changed.copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_that_come_go_or_move_are_changes_and_others_are_not() {
        let listed = |tasks: &[(u64, u8)]| {
            let tasks = tasks.iter();
            let addresses = tasks.map(|(task, last)| (Key(*task), Ipv4Addr::new(244, 0, 0, *last)));
            TaskAddresses::Listed(Arc::new(addresses.collect()))
        };
        let before = listed(&[(1, 1), (2, 2), (3, 3)]);
        let now = listed(&[(1, 1), (2, 7), (4, 4)]);
        assert_eq!(now.changes(&before), [Key(2), Key(3), Key(4)].into());
        assert!(now.changes(&now.clone()).is_empty());
        assert_eq!(now.get(Key(3)), None);
        assert_eq!(now.get(Key(2)), Some(Ipv4Addr::new(244, 0, 0, 7).into()));
        assert!(
            TaskAddresses::ByKey
                .get(Key(3))
                .is_some_and(|it| it.is_ipv6())
        );
    }
}
