//! Connections by what they lead to, and by task: those to a task that leaves are found without a look at all others.

use super::Destination;
use hashbrown::HashMap;

/// Connections of one kind.
pub(super) struct Kept<T> {
    /// By key of the task; one task is spoken with in few ways.
    by_task: HashMap<u64, Vec<(Destination, Vec<T>)>>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self {
            by_task: HashMap::new(),
        }
    }
}

impl<T> Kept<T> {
    /// Those that lead there, the newest one last; `None` where there is none.
    pub(super) fn get_mut(&mut self, to: &Destination) -> Option<&mut Vec<T>> {
        let of_task = self.by_task.get_mut(&to.task)?;
        let found = of_task.iter_mut().find(|(known, _)| known == to);
        found.map(|(_, connections)| connections)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        let to_tasks = self.by_task.values().flatten();
        to_tasks.flat_map(|(_, connections)| connections)
    }

    /// One more.
    pub(super) fn push(&mut self, to: Destination, connection: T) {
        match self.get_mut(&to) {
            Some(connections) => connections.push(connection),
            None => {
                let of_task = self.by_task.entry(to.task).or_default();
                of_task.push((to, vec![connection]));
            }
        }
    }

    /// Drops all that lead to a task.
    pub(super) fn remove(&mut self, task: u64) {
        self.by_task.remove(&task);
    }

    /// Drops those that are not to be kept.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&mut T) -> bool) {
        self.by_task.retain(|_, of_task| {
            of_task.retain_mut(|(_, connections)| {
                connections.retain_mut(&mut keep);
                !connections.is_empty()
            });
            !of_task.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::Kept;
    use crate::upstream::{Destination, Transport};
    use std::net::{Ipv4Addr, SocketAddr};

    fn to(task: u64, port: u16, transport: Transport) -> Destination {
        Destination {
            task,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            transport,
        }
    }

    #[test]
    fn connections_are_kept_by_where_they_lead_and_closed_by_task() {
        let mut kept = Kept::default();
        let plain = to(1, 80, Transport::Http1);
        let others = [
            to(1, 81, Transport::Http1),
            to(1, 80, Transport::Http2),
            to(2, 80, Transport::Http1),
        ];
        kept.push(plain.clone(), 0);
        kept.push(plain.clone(), 1);
        for (other, number) in others.iter().zip(2..) {
            assert!(kept.get_mut(other).is_none());
            kept.push(other.clone(), number);
        }
        assert_eq!(kept.get_mut(&plain), Some(&mut vec![0, 1]));
        assert_eq!(kept.iter().sum::<i32>(), 10);
        kept.retain(|number| *number != 2 && *number != 0);
        assert_eq!(kept.get_mut(&plain), Some(&mut vec![1]));
        assert!(kept.get_mut(&others[0]).is_none());
        assert_eq!(kept.get_mut(&others[1]), Some(&mut vec![3]));
        kept.remove(1);
        assert!(kept.get_mut(&plain).is_none() && kept.get_mut(&others[1]).is_none());
        assert_eq!(kept.get_mut(&others[2]), Some(&mut vec![4]));
    }
}
