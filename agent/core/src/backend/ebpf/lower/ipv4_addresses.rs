//! IPv4 addresses of tasks for processes of the node, on a host without IPv6 (ADR 0020).
//!
//! An address follows from some bits of the task's key, which another task may share: then that one has the next address. Each task
//! keeps what it has. The address of a task that is gone is kept from others for a while (quarantine): whoever still calls it is
//! refused, and never reaches a task of another service.

use crate::backend::ebpf::state::State;
use crate::desired::{Backend, Desired, Service};
use crate::model::ids::Key;
use crate::persistent::PersistentMap;
use lb_abi::limits;
use lb_abi::sock_rev_nat::{TASKS_IPV4, TASKS_IPV4_BITS};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// An address is given to another task only after so many other tasks have ended. Not more, as the agent reads the whole map every
/// 30 s.
const QUARANTINE: usize = 4096;
/// The next so many addresses are tried for a task. With 2^17 tasks and 2^25 addresses, so many in a row are never taken.
const TRIES: u32 = 16;

/// The addresses of the tasks that are there, and the quarantine.
#[derive(Clone, Debug, Default)]
pub(super) struct Ipv4Addresses {
    of_tasks: Arc<BTreeMap<Key, Ipv4Addr>>,
    /// Addresses of tasks that are gone, in the order in which those ended.
    quarantine: VecDeque<Ipv4Addr>,
    /// What the kernel has is known.
    adopted: bool,
}

impl Ipv4Addresses {
    /// The addresses of the tasks that are there. A task that is not among them has none.
    pub(super) fn of_tasks(&self) -> Arc<BTreeMap<Key, Ipv4Addr>> {
        Arc::clone(&self.of_tasks)
    }

    /// Takes over what the kernel has at the next update, whatever was wanted.
    pub(super) fn restarted(self) -> Self {
        Self {
            adopted: false,
            ..self
        }
    }

    /// Lets `want` have an address for each task of `desired` that processes may call by itself. `before` was desired the
    /// last time.
    pub(super) fn update(
        &mut self,
        want: &mut State,
        have: &State,
        desired: &Desired,
        before: &Desired,
    ) {
        if desired.host.is_none() {
            // Nothing is desired then, and routers keep what they have.
            want.task_addresses.clone_from(&have.task_addresses);
            self.adopted = false;
            return;
        }
        let nothing = PersistentMap::default();
        let before = if self.adopted {
            &before.services
        } else {
            self.adopt(want, have, desired);
            &nothing
        };
        let (mut gone, mut there) = (Vec::<Key>::new(), Vec::<Key>::new());
        for change in desired.services.changes(before) {
            let (was, now) = (called(change.before()), called(change.now()));
            let is_there = |task: &&Key| now.is_some_and(|now| now.contains_key(*task));
            gone.extend(keys(was).filter(|task| !is_there(task)));
            there.extend(keys(now));
        }
        self.retire(&gone);
        self.give(want, have, &there);
        self.release(want);
    }

    /// Takes over the addresses that the kernel has.
    fn adopt(&mut self, want: &mut State, have: &State, desired: &Desired) {
        self.adopted = true;
        want.task_addresses.clone_from(&have.task_addresses);
        let services = desired.services.values();
        let tasks: BTreeSet<Key> = services
            .flat_map(|service| keys(called(Some(service))))
            .copied()
            .collect();
        let known = have.task_addresses.iter();
        let known = known.filter(|(_, task)| tasks.contains(*task));
        let of_tasks: BTreeMap<Key, Ipv4Addr> =
            known.map(|(address, task)| (*task, *address)).collect();
        let mut others = BTreeMap::new();
        for (address, task) in &have.task_addresses {
            if of_tasks.get(task) != Some(address) {
                others.insert(*address, *task);
            }
        }
        self.quarantine
            .retain(|address| others.contains_key(address));
        for address in &self.quarantine {
            others.remove(address);
        }
        for (address, task) in others {
            if self.of_tasks.contains_key(&task) {
                self.quarantine.push_back(address);
            } else {
                // It was no task of this agent's, but of an earlier one's.
                self.quarantine.push_front(address);
            }
        }
        // Where both are equal, the old one stays: whoever compares them sees at once that nothing has changed.
        if *self.of_tasks != of_tasks {
            self.of_tasks = Arc::new(of_tasks);
        }
    }

    /// Puts the addresses of tasks that are gone under quarantine.
    fn retire(&mut self, tasks: &[Key]) {
        if tasks.is_empty() {
            return;
        }
        let of_tasks = Arc::make_mut(&mut self.of_tasks);
        let addresses = tasks.iter().filter_map(|task| of_tasks.remove(task));
        self.quarantine.extend(addresses);
    }

    /// Gives addresses to those of `tasks` that have none.
    fn give(&mut self, want: &mut State, have: &State, tasks: &[Key]) {
        for task in tasks {
            if self.of_tasks.contains_key(task) {
                continue;
            }
            if let Some(address) = choose(want, have, *task) {
                if want.task_addresses.insert(address, *task).is_some() {
                    // The task came back, as where the view was not complete.
                    self.quarantine.retain(|waiting| *waiting != address);
                }
                Arc::make_mut(&mut self.of_tasks).insert(*task, address);
            }
        }
    }

    /// Ends the quarantine of those that are in it for the longest time, where there are too many of them.
    fn release(&mut self, want: &mut State) {
        let most = limits::TASK_ADDRESSES as usize;
        while self.quarantine.len() > QUARANTINE || want.task_addresses.len() > most {
            let Some(address) = self.quarantine.pop_front() else {
                break;
            };
            want.task_addresses.remove(&address);
        }
    }
}

/// Tasks by key, if there are any.
type Tasks<'a> = Option<&'a BTreeMap<Key, Backend>>;

/// The tasks of a service that processes may call by themselves.
fn called(service: Option<&Arc<Service>>) -> Tasks<'_> {
    let service = service.filter(|service| service.task_address || service.routed)?;
    Some(&service.backends)
}

/// The keys of tasks, if there are any.
fn keys(tasks: Tasks<'_>) -> impl Iterator<Item = &Key> {
    tasks.into_iter().flat_map(BTreeMap::keys)
}

/// The address for a task: one that stands for it already, else the first that stands for none, in the kernel either. `None`
/// if all that are tried stand for others.
fn choose(want: &State, have: &State, task: Key) -> Option<Ipv4Addr> {
    let mut free = None;
    for address in (0..TRIES).map(|n| nth(task, n)) {
        let known = want.task_addresses.get(&address);
        match known.or_else(|| have.task_addresses.get(&address)) {
            Some(owner) if *owner == task => return Some(address),
            None if free.is_none() => free = Some(address),
            _ => {}
        }
    }
    free
}

/// The address that follows from the task's key, and after it the others that are tried.
fn nth(task: Key, n: u32) -> Ipv4Addr {
    #[expect(clippy::cast_possible_truncation, reason = "both halves are in it")]
    let hash = (task.0 ^ task.0 >> 32) as u32;
    let rest = u32::MAX >> TASKS_IPV4_BITS;
    Ipv4Addr::from(TASKS_IPV4.get() | hash.wrapping_add(n) & rest)
}
