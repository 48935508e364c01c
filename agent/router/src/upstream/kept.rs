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

    /// Drops connections to a task, whatever they lead to there, until there are fewer than `most` of them: the oldest one of the
    /// oldest destination first. Destinations without a connection are forgotten where there are `most` or more of them.
    pub(super) fn make_room(&mut self, task: u64, most: usize) {
        let Some(of_task) = self.by_task.get_mut(&task) else {
            return;
        };
        if of_task.len() >= most {
            of_task.retain(|(_, connections)| !connections.is_empty());
        }
        let kept: usize = of_task.iter().map(|(_, all)| all.len()).sum();
        let mut surplus = kept.saturating_add(1).saturating_sub(most).min(kept);
        for (_, connections) in of_task {
            let dropped = surplus.min(connections.len());
            connections.drain(..dropped);
            surplus -= dropped;
            if surplus == 0 {
                break;
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

    #[test]
    fn there_is_room_for_one_more_whatever_the_others_of_the_task_lead_to() {
        let mut kept = Kept::default();
        let host = |number: i32| {
            let tls = Transport::Tls {
                name: format!("{number}.test").into(),
                verify: false,
                http2: false,
            };
            to(1, 443, tls)
        };
        let other = to(2, 443, Transport::Http1);
        kept.push(other.clone(), 99);
        for number in 0..40 {
            kept.make_room(1, 4);
            kept.push(host(number / 2), number);
        }
        let all: Vec<i32> = (0..20)
            .filter_map(|number| kept.get_mut(&host(number)).cloned())
            .flatten()
            .collect();
        assert_eq!(all, [36, 37, 38, 39]);
        assert_eq!(kept.get_mut(&other), Some(&mut vec![99]));
        // Nor are destinations known without end.
        assert!(kept.by_task[&1_u64].len() <= 5);
        kept.make_room(1, 0);
        assert!(kept.by_task[&1_u64].iter().all(|(_, all)| all.is_empty()));
        kept.make_room(3, 4);
    }
}
