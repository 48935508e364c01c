mod update;

use super::*;
use crate::backend::Operation as _;
use crate::backend::ebpf::{InUse, Lowered, State, plan};
use crate::backend::{Prune, TaskAddressFamily};
use crate::desired::desired;
use crate::model::node::{Listener, TaskAddress};
use crate::model::port::Proto;
use crate::model::snapshot::{
    DesiredState, LocalHealth, NodeState, Service, SwarmNode, Task, TaskState,
};
use crate::testing::{labels, link, member, port, task as running};
use proptest::collection::vec;
use proptest::prelude::*;
use std::net::Ipv4Addr;

/// What may happen between two views.
#[derive(Clone, Debug)]
enum Step {
    Task(u8, Task),
    TaskGone(u8),
    /// Where an own task is, or that it is nowhere.
    Address(u8, Option<u8>),
    Service(u8, Service),
    ServiceGone(u8),
    Node(u8, NodeState),
    Bridge(bool),
    /// Somebody listens on a port of the host, or nobody does any more.
    Listens(u16, Option<(bool, bool)>),
}

fn task() -> impl Strategy<Value = Task> {
    let state = prop_oneof![
        4 => Just(TaskState::Running),
        1 => Just(TaskState::Starting),
        1 => Just(TaskState::Ended),
    ];
    let desired = prop_oneof![4 => Just(DesiredState::Running), 1 => Just(DesiredState::Ended)];
    let health = prop_oneof![
        4 => Just(LocalHealth::Ok),
        1 => Just(LocalHealth::Stopping),
        1 => Just(LocalHealth::Dead),
    ];
    (0u8..4, 0u8..4, state, desired, health).prop_map(|(service, node, state, desired, health)| {
        Task {
            state,
            desired,
            health,
            ..running(&id("service", service), &id("node", node))
        }
    })
}

fn service() -> impl Strategy<Value = Service> {
    // Few ports, so that services get into each other's way.
    let ports = (0u16..4, any::<bool>()).prop_map(|(number, udp)| {
        let proto = if udp { Proto::Udp } else { Proto::Tcp };
        port(proto, 8080 + number, 80)
    });
    let label = prop_oneof![
        Just(Vec::new()),
        Just(vec![("swarmlb.policy", "maglev")]),
        Just(vec![("swarmlb.allow", "10.0.0.0/8")]),
        Just(vec![("swarmlb.local", "prefer")]),
        Just(vec![("swarmlb.publish", "8080:80,8082:81/udp")]),
        Just(vec![("swarmlb.publish", "80:80,8081:80,2377:80")]),
        Just(vec![("swarmlb.policy", "no such thing")]),
        Just(vec![
            ("com.docker.lb.hosts", "a.example"),
            ("com.docker.lb.port", "80")
        ]),
        Just(vec![(
            "traefik.http.services.x.loadbalancer.server.port",
            "80"
        )]),
        Just(vec![
            ("traefik.http.services.x.loadbalancer.server.port", "80"),
            ("traefik.http.routers.x.middlewares", "to")
        ]),
        Just(vec![(
            "traefik.http.middlewares.to.redirectscheme.scheme",
            "https"
        )]),
        Just(vec![
            ("traefik.http.middlewares.to.redirectscheme.scheme", "http"),
            ("swarmlb.allow", "10.0.0.0/8")
        ]),
    ];
    (vec(ports, 0..3), label, any::<bool>(), 0u64..3).prop_map(
        |(ports, label, removed, created)| Service {
            name: "name".to_owned(),
            labels: labels(&label),
            ports,
            removed,
            created,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0u8..20, task()).prop_map(|(n, task)| Step::Task(n, task)),
        3 => (0u8..20).prop_map(Step::TaskGone),
        3 => (0u8..20, any::<Option<u8>>()).prop_map(|(n, at)| Step::Address(n, at)),
        1 => (0u8..4, service()).prop_map(|(n, service)| Step::Service(n, service)),
        1 => (0u8..4).prop_map(Step::ServiceGone),
        1 => (0u8..4, prop_oneof![Just(NodeState::Ready), Just(NodeState::Down)])
            .prop_map(|(n, state)| Step::Node(n, state)),
        1 => any::<bool>().prop_map(Step::Bridge),
        3 => (8080u16..8084, any::<Option<(bool, bool)>>())
            .prop_map(|(port, who)| Step::Listens(port, who)),
    ]
}

fn id(kind: &str, n: u8) -> String {
    format!("{kind}{n}")
}

fn take(step: Step, snapshot: &mut Snapshot, node: &mut Node) {
    match step {
        Step::Task(n, task) => {
            snapshot.tasks.insert(id("task", n).as_str().into(), task);
        }
        Step::TaskGone(n) => {
            snapshot.tasks.remove(&id("task", n).as_str().into());
        }
        Step::Address(n, at) => {
            let task = TaskId::from(id("task", n).as_str());
            match at {
                Some(at) => {
                    let at = TaskAddress::gateway(Ipv4Addr::new(172, 18, 0, at));
                    node.tasks.insert(task, at);
                }
                None => {
                    node.tasks.remove(&task);
                }
            }
        }
        Step::Service(n, service) => {
            snapshot
                .services
                .insert(id("service", n).as_str().into(), service);
        }
        Step::ServiceGone(n) => {
            snapshot.services.remove(&id("service", n).as_str().into());
        }
        Step::Node(n, state) => {
            let member = SwarmNode {
                state,
                ..member("", Some(Ipv4Addr::new(10, 0, 0, n)))
            };
            snapshot.nodes.insert(id("node", n).as_str().into(), member);
        }
        Step::Listens(port, None) => {
            node.listening.remove(&(port, Proto::Tcp));
        }
        Step::Listens(port, Some((engine, passing))) => {
            let listener = Listener {
                address: Ipv4Addr::UNSPECIFIED.into(),
                engine,
                passing,
            };
            node.listening.insert((port, Proto::Tcp), listener);
        }
        Step::Bridge(there) => node.bridge = there.then(|| link("docker_gwbridge", 3)),
    }
}

proptest! {
    #[test]
    fn what_follows_from_the_last_view_is_what_follows_from_the_whole_one(
        begin in vec(step(), 0..40),
        services in vec(service(), 4),
        steps in vec(vec(step(), 0..4), 1..12),
        router in any::<bool>(),
        family in prop_oneof![Just(TaskAddressFamily::Ipv6), Just(TaskAddressFamily::Ipv4)],
    ) {
        let mut node = Node {
            id: "node0".into(),
            address: Some(Ipv4Addr::new(10, 0, 0, 1)),
            uplink: Some(link("eth0", 2)),
            ..Node::default()
        };
        let mut snapshot = Snapshot::default();
        for (n, service) in (0..).zip(services) {
            snapshot.services.insert(id("service", n).as_str().into(), service);
        }
        for step in begin {
            take(step, &mut snapshot, &mut node);
        }
        let config = Config {
            router,
            ..Config::default()
        };
        let mut stepwise = Incremental::full(&snapshot, &node, &config);
        let mut lowered = Lowered::new(family).update(&stepwise.desired, &State::default());
        for step in steps {
            let have = lowered.want.clone();
            node.serving = stepwise.desired.serving();
            let mut in_use = InUse::default();
            prop_assert_eq!(&node.serving, in_use.of(&have));
            for step in step {
                take(step, &mut snapshot, &mut node);
            }
            stepwise = stepwise.update(&snapshot, &node, &config);
            let (wanted, problems) = desired(&snapshot, &node, &config);
            prop_assert_eq!(&stepwise.desired, &wanted);
            prop_assert_eq!(stepwise.problems(), problems);
            let whole = Incremental::full(&snapshot, &node, &config);
            prop_assert_eq!(stepwise.declarations(), whole.declarations());
            for task in (0..20).map(|n| TaskId::from(id("task", n).as_str())) {
                let mut services = wanted.services.values();
                let held = services.any(|service| service.backends.contains_key(&(&task).into()));
                prop_assert_eq!(stepwise.holds(&task), held);
            }
            // So it is with what a back end makes of it.
            lowered = lowered.update(&stepwise.desired, &have);
            let want = Lowered::new(family).update(&wanted, &have).want;
            prop_assert_eq!(&lowered.want, &want);
            // And a plan does not mind that they share.
            let mut got = have.clone();
            for op in plan(&lowered.want, &have, Prune::Allowed) {
                op.apply_to(&mut got);
            }
            got.reuse_from(&want);
            prop_assert_eq!(got, want);
        }
    }
}
