//! The reconcile pass, with the back end of `lb_core::testing::plain`: its kernel half is below, and it is
//! registered as the real ones are, by `BackendDatapath::new`.

use super::*;
use crate::kernel::{NodeKernel, StatsReader};
use crate::run::datapath::BackendDatapath;
use lb_core::kernel::fake::FakeKernel;
use lb_core::model::ids::Key;
use lb_core::model::node::TaskAddress;
use lb_core::model::port::Proto;
use lb_core::model::token::TokenKeys;
use lb_core::testing::plain::{Op, Plain, State};
use lb_core::testing::{SnapshotBuilder, labels, link, member, port, service};
use std::net::Ipv4Addr;
use std::time::Duration;

impl NodeKernel for FakeKernel<Op> {
    type Backend = Plain;

    const NAME: &'static str = "plain";

    fn token_keys(&self) -> Result<Option<TokenKeys>, ObserveError> {
        Ok(None)
    }

    /// Drift, where the kernel does not hold what it is known to hold.
    fn tick(
        &mut self,
        _lease: Option<Duration>,
        have: Option<&State>,
    ) -> Result<bool, ObserveError> {
        Ok(have.is_some_and(|have| self.state != *have))
    }

    /// Ports with even numbers have no connection.
    fn drained(
        &mut self,
        withdrawn: &WithdrawnPorts,
        _have: &State,
    ) -> Result<BTreeSet<Number>, ObserveError> {
        let even = withdrawn.ports().iter().filter(|(port, _)| port % 2 == 0);
        Ok(even.copied().collect())
    }

    fn stats_reader(&self) -> Result<Box<dyn StatsReader>, ObserveError> {
        Err(ObserveError {
            object: "counters".to_owned(),
            source: "this back end has none".into(),
        })
    }
}

/// A service with a port, and its one task on `node1`.
fn snapshot(published: u16) -> Snapshot {
    let web = service("web", vec![port(Proto::Tcp, published, 80)]);
    let tasks = [("task1", "node1")];
    let view = SnapshotBuilder::new().service("service1", web);
    view.tasks("service1", tasks).build()
}

fn node() -> Node {
    let address = Ipv4Addr::new(172, 18, 0, 2);
    Node {
        id: "node1".into(),
        address: Some(Ipv4Addr::new(10, 0, 0, 1)),
        uplink: Some(link("eth0", 2)),
        tasks: [("task1".into(), TaskAddress::gateway(address))].into(),
        ..Node::default()
    }
}

fn pass(reconciler: &mut Reconciler, snapshot: &Snapshot) -> ReconcileReport {
    let report = reconciler.reconcile(snapshot, &node(), &Config::default());
    report.unwrap()
}

#[test]
fn what_is_refused_is_reported_and_mended_by_a_retry_alone() {
    let mut kernel = FakeKernel::of(State::default());
    // The task: without it, the port is not even tried.
    kernel.faults.insert(0);
    let mut reconciler = Reconciler::new(Box::new(BackendDatapath::new(kernel)), None);
    for _ in 0..2 {
        let report = pass(&mut reconciler, &snapshot(8080));
        assert!(!report.in_sync);
        let [problem] = &report.problems[..] else {
            panic!("{:?}", report.problems)
        };
        assert!(problem.object.starts_with("add task"), "{problem:?}");
        assert!(problem.message.ends_with("told to fail"), "{problem:?}");
        assert_eq!(report.held, BTreeSet::new());
        assert_eq!(reconciler.datapath.serving().iter().count(), 0);
    }
    reconciler.retry_refused();
    let report = pass(&mut reconciler, &snapshot(8080));
    assert!(report.in_sync && report.problems.is_empty(), "{report:?}");
    assert_eq!(report.held, ["task1".into()].into());
    assert!(reconciler.publishes_any(&[(8080, Proto::Tcp)].into()));
    assert!(!reconciler.publishes_any(&[(8081, Proto::Tcp)].into()));
}

#[test]
fn while_something_is_refused_the_tasks_that_the_kernel_has_are_held() {
    let view = snapshot(8080);
    let web = service("other", vec![port(Proto::Tcp, 8081, 80)]);
    let mut other = SnapshotBuilder::new().service("service2", web);
    other = other.tasks("service2", [("task2", "node1")]);
    let mut both = other.build();
    both.services.extend(view.services);
    both.tasks.extend(view.tasks);
    let mut this = node();
    let address = TaskAddress::gateway(Ipv4Addr::new(172, 18, 0, 3));
    this.tasks.insert("task2".into(), address);
    let tasks = ["task1", "task2"].map(TaskId::from);
    let first = tasks.iter().min_by_key(|task| Key::from(*task)).unwrap();
    // The first task, and a port.
    for (refused, held) in [(0, 1), (2, 2)] {
        let mut kernel = FakeKernel::of(State::default());
        kernel.faults.insert(refused);
        let mut reconciler = Reconciler::new(Box::new(BackendDatapath::new(kernel)), None);
        let report = reconciler.reconcile(&both, &this, &Config::default());
        let report = report.unwrap();
        assert!(!report.in_sync);
        assert_eq!(report.held.len(), held);
        assert_eq!(report.held.contains(first), refused != 0);
    }
}

#[test]
fn of_routes_and_of_what_the_datapath_has_learned_the_smaller_mtu_counts_and_is_named() {
    let kernel = FakeKernel::<Op>::of(State::default());
    let mut reconciler = Reconciler::new(Box::new(BackendDatapath::new(kernel)), None);
    let [node2, node3] = [2, 3].map(|last| Ipv4Addr::new(10, 0, 0, last));
    let this = Node {
        path_mtus: [(node2, 1400)].into(),
        ..node()
    };
    reconciler.learned = [(node2, 1450), (node3, 1300)].into();
    let both = [(node2, 1400), (node3, 1300)];
    assert_eq!(reconciler.path_mtus(&this), both.into());
    reconciler.learned = [(node2, 1350)].into();
    assert_eq!(reconciler.path_mtus(&this), [(node2, 1350)].into());

    let view = SnapshotBuilder::new().node("node2", member("beta", Some(node2)));
    let mut told = |this: &Node| {
        let report = reconciler.reconcile(&view.clone().build(), this, &Config::default());
        let problems = report.unwrap().problems.into_iter();
        problems.map(|problem| problem.message).collect::<Vec<_>>()
    };
    assert!(told(&this)[0].contains("beta (1350 bytes)"));
    reconciler.learned.clear();
    let report = reconciler.reconcile(&view.build(), &node(), &Config::default());
    assert_eq!(report.unwrap().problems, vec![]);
}

#[test]
fn a_task_that_only_a_router_reaches_is_held_as_one_of_a_published_port() {
    let web = lb_core::model::snapshot::Service {
        labels: labels(&[
            ("com.docker.lb.hosts", "a.example"),
            ("com.docker.lb.port", "80"),
        ]),
        ..service("web", vec![])
    };
    let view = SnapshotBuilder::new().service("service1", web);
    let view = view.tasks("service1", [("task1", "node1")]).build();
    let kernel = FakeKernel::of(State::default());
    let mut reconciler = Reconciler::new(Box::new(BackendDatapath::new(kernel)), None);
    let mut held = |router| {
        let config = Config {
            router,
            ..Config::default()
        };
        let report = reconciler.reconcile(&view, &node(), &config).unwrap();
        assert!(report.in_sync);
        let declares = report.declarations.get(&"service1".into()).is_some();
        assert_eq!(declares, router, "as lbctl routes shows it");
        report.held.len()
    };
    assert_eq!([held(false), held(true)], [0, 1]);
}

#[test]
fn what_is_gone_from_a_view_stays_until_the_view_is_complete() {
    let kernel = FakeKernel::<Op>::of(State::default());
    let mut datapath = BackendDatapath::new(kernel);
    let mut published = |complete, number| {
        let view = Snapshot {
            complete,
            ..snapshot(number)
        };
        let wanted = Incremental::full(&view, &node(), &Config::default());
        let prune = if complete {
            Prune::Allowed
        } else {
            Prune::Withheld
        };
        assert!(datapath.apply(&wanted.desired, prune).unwrap().in_sync);
        let serving = datapath.serving();
        serving
            .iter()
            .map(|((number, _), _)| *number)
            .collect::<Vec<_>>()
    };
    assert_eq!(published(true, 8080), [8080]);
    assert_eq!(published(false, 8081), [8080, 8081]);
    assert_eq!(published(true, 8081), [8081]);
}

#[test]
fn what_an_earlier_agent_left_goes_with_the_first_pass() {
    let left = State {
        ports: [((9000, Proto::Tcp), (Key(1), BTreeSet::new()))].into(),
        ..State::default()
    };
    let kernel = FakeKernel::<Op>::of(left);
    let mut reconciler = Reconciler::new(Box::new(BackendDatapath::new(kernel)), None);
    let tick = |reconciler: &mut Reconciler| reconciler.tick(Lease::Never).unwrap();
    assert!(!tick(&mut reconciler), "nothing is known yet");
    assert!(pass(&mut reconciler, &snapshot(8080)).in_sync);
    assert!(!tick(&mut reconciler));
    let serving = reconciler.datapath.serving();
    let serving: Vec<_> = serving.iter().map(|((number, _), _)| *number).collect();
    assert_eq!(serving, [8080]);
}

#[test]
fn a_withdrawn_port_stays_until_it_has_no_connection() {
    let kernel = FakeKernel::<Op>::of(State::default());
    let mut reconciler = Reconciler::new(Box::new(BackendDatapath::new(kernel)), None);
    let serving = |reconciler: &mut Reconciler| {
        let serving = reconciler.datapath.serving();
        serving
            .iter()
            .map(|((number, _), serving)| (*number, serving.has_tasks))
            .collect::<Vec<_>>()
    };
    let tick = |reconciler: &mut Reconciler| reconciler.tick(Lease::Never).unwrap();
    for (published, kept, drains) in [
        (8080, None, false),
        (8083, Some(8080), true),
        (8085, Some(8083), false),
    ] {
        pass(&mut reconciler, &snapshot(published));
        let mut expected: Vec<_> = kept.into_iter().map(|port| (port, false)).collect();
        expected.push((published, true));
        assert_eq!(serving(&mut reconciler), expected);
        assert_eq!(tick(&mut reconciler), drains);
        pass(&mut reconciler, &snapshot(published));
        if drains {
            expected.remove(0);
        }
        assert_eq!(serving(&mut reconciler), expected);
        assert!(!tick(&mut reconciler));
    }
}

#[test]
fn a_port_that_is_withdrawn_again_between_two_ticks_is_asked_about_anew() {
    let kernel = FakeKernel::<Op>::of(State::default());
    let mut reconciler = Reconciler::new(Box::new(BackendDatapath::new(kernel)), None);
    pass(&mut reconciler, &snapshot(8081));
    pass(&mut reconciler, &snapshot(8083));
    let first = reconciler.withdrawn.clone();
    assert_eq!(*first.ports(), [(8081, Proto::Tcp)].into());
    pass(&mut reconciler, &snapshot(8083));
    assert_eq!(reconciler.withdrawn, first, "it was withdrawn all the time");
    pass(&mut reconciler, &snapshot(8081));
    pass(&mut reconciler, &snapshot(8083));
    assert_eq!(reconciler.withdrawn.ports(), first.ports());
    assert_ne!(reconciler.withdrawn, first);
}
