//! IPv4 addresses of tasks, on a host without IPv6.

use super::*;
use crate::backend::ipvs::ids::{
    HAIRPIN_FROM, HAIRPIN_TO, OWN_ROUTE_ADDRESSES, PEER_ROUTE_ADDRESSES, TASK_ROUTE_ADDRESSES,
};
use crate::backend::{TaskAddressFamily, TaskAddresses};
use crate::desired::{self, Desired, Locality};
use crate::persistent::PersistentMap;
use ipnet::Ipv4Net;
use lb_abi::settings::TASKS_BY_IPV4;
use std::net::IpAddr;
use std::sync::Arc;

/// Keys of three tasks that are due one address: the halves of each together make 7.
const FIRST: u64 = 7;
const SECOND: u64 = 1 << 32 | 6;
const THIRD: u64 = 2 << 32 | 5;
/// The address that they are due.
const DUE: Ipv4Addr = Ipv4Addr::new(252, 0, 0, 7);

/// A service whose tasks, those with these keys, may be called by themselves.
fn called(tasks: impl IntoIterator<Item = u64>) -> Desired {
    let tasks = tasks.into_iter().map(|task| {
        let backend = desired::Backend {
            address: Ipv4Addr::new(10, 0, 0, 2),
            locality: Locality::Remote,
            active: true,
        };
        (Key(task), backend)
    });
    let service = desired::Service {
        task_address: true,
        backends: tasks.collect(),
        ..desired::Service::default()
    };
    Desired {
        host: Some(testing::host(Ipv4Addr::new(10, 0, 0, 1)).into()),
        services: [(Key(1), Arc::new(service))].into(),
        ..Desired::default()
    }
}

/// An agent on a host without IPv6, whose kernel does what it is told.
struct Agent(Lowered);

impl Agent {
    fn new() -> Self {
        Self(Lowered::new(TaskAddressFamily::Ipv4))
    }

    /// The addresses that stand for tasks once these tasks are there.
    fn has(&mut self, tasks: impl IntoIterator<Item = u64>) -> PersistentMap<Ipv4Addr, Key> {
        self.wants(&called(tasks))
    }

    fn wants(&mut self, desired: &Desired) -> PersistentMap<Ipv4Addr, Key> {
        let have = self.0.want.clone();
        self.0 = std::mem::take(&mut self.0).update(desired, &have);
        self.0.want.task_addresses.clone()
    }

    /// The next agent, which finds what the kernel has.
    fn next_agent(&self) -> Self {
        let mut next = Self::new();
        next.0.want = self.0.want.clone();
        next
    }

    /// This agent, once it has to read again what the kernel has.
    fn restarted(mut self) -> Self {
        let have = self.0.want.clone();
        self.0.restart();
        self.0.want = have;
        self
    }

    /// By which address processes call a task.
    fn address(&self, task: u64) -> Option<IpAddr> {
        self.0.task_addresses().get(Key(task))
    }
}

fn after(address: Ipv4Addr, n: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(address) + n)
}

#[test]
fn without_ipv6_each_task_that_may_be_called_has_one_address_and_else_none() {
    let open = [("swarmlb.task-address", "true")];
    let routes = [
        ("com.docker.lb.hosts", "a.example"),
        ("com.docker.lb.port", "80"),
    ];
    let config = Config {
        router: true,
        ..Config::default()
    };
    let mut snapshot = snapshot();
    for (labels, family, count, flags) in [
        (&open[..], TaskAddressFamily::Ipv4, 2, TASKS_BY_IPV4),
        (&open[..], TaskAddressFamily::Ipv6, 0, 0),
        (&routes[..], TaskAddressFamily::Ipv4, 2, TASKS_BY_IPV4),
        (&open[..0], TaskAddressFamily::Ipv4, 0, TASKS_BY_IPV4),
    ] {
        let service = snapshot.services.get_mut(&"vote".into()).unwrap();
        service.labels = testing::labels(labels);
        let (wanted, problems) = desired(&snapshot, &node(), &config);
        assert_eq!(problems, vec![]);
        let lowered = Lowered::new(family).update(&wanted, &State::default());
        assert_eq!(lowered.want.task_addresses.len(), count);
        assert_eq!(lowered.want.settings.unwrap().flags, flags);
        let told = lowered.task_addresses();
        for task in ["a", "b"].map(Key::of) {
            let entries = lowered.want.task_addresses.iter();
            let own = entries.filter(|(_, of)| **of == task);
            let own: Vec<IpAddr> = own.map(|(address, _)| (*address).into()).collect();
            match family {
                TaskAddressFamily::Ipv4 => assert_eq!(told.get(task).as_slice(), own),
                TaskAddressFamily::Ipv6 => assert_eq!(told, TaskAddresses::ByKey),
            }
        }
        let again = Lowered::new(family).update(&wanted, &lowered.want);
        assert_eq!(plan(&again.want, &lowered.want, Prune::Allowed), vec![]);
    }
}

#[test]
fn of_two_tasks_that_are_due_one_address_each_keeps_its_own() {
    let mut agent = Agent::new();
    assert_eq!(agent.has([SECOND]), [(DUE, Key(SECOND))].into());
    let both: PersistentMap<Ipv4Addr, Key> =
        [(DUE, Key(SECOND)), (after(DUE, 1), Key(FIRST))].into();
    assert_eq!(agent.has([FIRST, SECOND]), both);
    let mut next = agent.next_agent();
    assert_eq!(next.has([FIRST, SECOND]), both);
    assert_eq!(next.address(FIRST), Some(IpAddr::from(after(DUE, 1))));
    // Beside sixteen others with its bits a task has none, and the others keep theirs.
    let many = (0..17).map(|n| n << 32 | (n ^ FIRST));
    assert_eq!(agent.has(many.clone()).len(), 16);
    let addressed = many.filter(|task| agent.address(*task).is_some());
    assert_eq!(addressed.count(), 16);
    assert_eq!(agent.address(SECOND), Some(IpAddr::from(DUE)));
}

#[test]
fn the_address_of_a_task_that_is_gone_is_not_given_to_another_before_4096_more_have_ended() {
    let mut agent = Agent::new();
    agent.has([FIRST]);
    let quarantined: PersistentMap<Ipv4Addr, Key> =
        [(DUE, Key(FIRST)), (after(DUE, 1), Key(SECOND))].into();
    assert_eq!(agent.has([SECOND]), quarantined);
    assert_eq!(agent.address(FIRST), None);
    assert_eq!(
        agent.next_agent().has([SECOND]),
        quarantined,
        "the next agent"
    );
    // Its own again where the view was not complete.
    agent.has([FIRST, SECOND]);
    assert_eq!(agent.address(FIRST), Some(IpAddr::from(DUE)));

    agent.has([SECOND]);
    agent.has((0..4094).map(|n| 0x10_0000 + n));
    agent.has([]);
    // A task ends while the agent reads what the kernel has.
    agent.has([0x20_0000]);
    let mut agent = agent.restarted();
    assert_eq!(agent.has([0x20_0000]).get(&DUE), Some(&Key(FIRST)));
    let mut agent = agent.restarted();
    assert_eq!(agent.has([]).get(&DUE), None, "4096 others");
    assert_eq!(agent.has([]).len(), 4096);
    assert_eq!(agent.has([THIRD]).get(&DUE), Some(&Key(THIRD)));
}

#[test]
fn while_the_node_has_no_way_out_tasks_keep_their_addresses() {
    let mut agent = Agent::new();
    let before = agent.has([FIRST, SECOND]);
    assert_eq!(agent.wants(&Desired::default()), before);
    assert_eq!(agent.has([FIRST, SECOND]), before);
    assert_eq!(agent.has([FIRST]).len(), 2);
    assert_eq!(agent.address(SECOND), None);
}

#[test]
fn addresses_of_tasks_are_none_of_those_by_which_ipvs_steers_packets() {
    let tasks: Ipv4Net = "252.0.0.0/7".parse().unwrap();
    let mut agent = Agent::new();
    for address in agent.has([0, 1, u64::MAX, 0x1234_5678_9abc_def0]).keys() {
        assert!(tasks.contains(address), "{address}");
    }
    for other in [
        HAIRPIN_FROM,
        OWN_ROUTE_ADDRESSES,
        PEER_ROUTE_ADDRESSES,
        TASK_ROUTE_ADDRESSES,
        HAIRPIN_TO.into(),
        Ipv4Addr::BROADCAST.into(),
    ] {
        assert!(
            !tasks.contains(&other) && !other.contains(&tasks),
            "{other}"
        );
    }
}
