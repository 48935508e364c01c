//! What labels of services make of the state.

use super::*;
use std::sync::Arc;
use std::time::Duration;

pub(super) fn labelled(labels: &[(&str, &str)]) -> Snapshot {
    let mut snapshot = snapshot();
    let service = snapshot.services.get_mut(&"vote".into()).unwrap();
    service.labels = testing::labels(labels);
    snapshot
}

fn table(state: &State) -> Vec<Key> {
    state.tables.values().next().cloned().unwrap_or_default()
}

#[test]
fn a_service_that_is_left_to_docker_is_not_in_the_kernel() {
    let (state, problems) = want(&labelled(&[("swarmlb.enable", "false")]));
    assert_eq!(problems, vec![]);
    assert!(state.frontends.is_empty() && state.backends.is_empty());
}

#[test]
fn the_tasks_of_this_node_may_go_first() {
    let here = vec![Key::of("a")];
    for value in ["prefer", "only"] {
        let (state, _) = want(&labelled(&[("swarmlb.local", value)]));
        assert_eq!(table(&state), here);
        assert_eq!(state.backends.len(), 2, "flows from before stay");
    }
    let mut without = labelled(&[("swarmlb.local", "prefer")]);
    without.tasks.remove(&TaskId::from("a"));
    assert_eq!(table(&want(&without).0), [Key::of("b")]);
    let mut without = labelled(&[("swarmlb.local", "only")]);
    without.tasks.remove(&TaskId::from("a"));
    assert_eq!(ready(&want(&without).0), 0, "refused");
}

#[test]
fn by_hash_the_table_has_a_place_for_every_remainder() {
    for (value, scheduler) in [("source-hash", SCHED_SH), ("maglev", SCHED_MAGLEV)] {
        let (state, problems) = want(&labelled(&[("swarmlb.policy", value)]));
        assert_eq!(problems, vec![]);
        let frontend = state.frontends.values().next().unwrap();
        let mut tasks = [Key::of("a"), Key::of("b")];
        tasks.sort_unstable();
        assert_eq!((frontend.scheduler, frontend.count), (scheduler, 251));
        assert_eq!(table(&state), maglev::table(&tasks));
    }
}

#[test]
fn restrictions_stickiness_and_the_direct_way_are_the_frontends() {
    let (state, problems) = want(&labelled(&[
        ("swarmlb.policy", "least-conn"),
        ("swarmlb.affinity", "60"),
        ("swarmlb.return", "direct"),
        ("swarmlb.allow", "203.0.113.0/24,192.0.2.7"),
    ]));
    assert_eq!(problems, vec![]);
    let (port, frontend) = state.frontends.iter().next().unwrap();
    assert_eq!(
        (frontend.scheduler, frontend.count, frontend.flags),
        (SCHED_LC, 2, RESTRICTED | DIRECT)
    );
    assert_eq!(frontend.affinity_ticks, 56, "60 s in ticks of 1.07 s");
    assert_eq!(frontend.service, Key::from(&ServiceId::from("vote")).0);
    let networks = ["192.0.2.7/32", "203.0.113.0/24"].map(|net| (*port, net.parse().unwrap()));
    assert_eq!(state.allowed, networks.into());
    // A client stays with a task only as long as that takes others, too.
    let (state, _) = want(&labelled(&[("swarmlb.local", "only")]));
    let takes = ["a", "b"].map(|task| state.backends[&Key::of(task)].flags);
    assert_eq!(takes, [1, 0]);
}

#[test]
fn a_label_publishes_a_port_that_swarm_does_not_know() {
    let mut snapshot = labelled(&[("swarmlb.publish", "8081:80")]);
    let service = snapshot.services.get_mut(&"vote".into()).unwrap();
    service.ports.clear();
    let mut node = node();
    let address = Ipv4Addr::new(172, 17, 0, 5);
    let bridge = Bridge::Default;
    node.tasks = [(TaskId::from("a"), TaskAddress { address, bridge })].into();
    let (state, problems) = lower(&snapshot, &node, &Config::default(), &State::default());
    assert_eq!(problems, vec![]);
    let published: Vec<u16> = state.frontends.keys().map(|p| p.number.get()).collect();
    assert_eq!(published, [8081]);
    let a = state.backends[&Key::of("a")];
    assert_eq!((a.locality, a.link), (LOCAL, 4), "on docker0");
    // Without that bridge there is no way to it; the other task is served.
    node.bridges.clear();
    let (state, problems) = lower(&snapshot, &node, &Config::default(), &State::default());
    assert_eq!((ready(&state), problems.len()), (1, 1));
}

#[test]
fn the_tasks_of_a_service_with_routes_are_reached_by_their_own_addresses_and_under_no_port() {
    let routes = [
        ("com.docker.lb.hosts", "a.example"),
        ("com.docker.lb.port", "80"),
    ];
    let open = [routes[0], routes[1], ("swarmlb.task-address", "true")];
    let config = Config {
        router: true,
        router_user: 999,
        ..Config::default()
    };
    // By the router alone, or by all where the service says so.
    for (labels, flags) in [
        (&routes[..], ACTIVE | ROUTED),
        (&open[..], ACTIVE | ROUTED | ADDRESSED),
    ] {
        let mut snapshot = labelled(labels);
        let service = snapshot.services.get_mut(&"vote".into()).unwrap();
        service.ports.clear();
        let (state, problems) = lower(&snapshot, &node(), &config, &State::default());
        assert_eq!(problems, vec![]);
        assert_eq!(state.settings.map(|it| it.router_user), Some(999));
        for (task, locality) in [("a", LOCAL), ("b", REMOTE)] {
            let backend = state.backends[&Key::of(task)];
            assert_eq!((backend.locality, backend.flags), (locality, flags));
        }
        assert_eq!((state.frontends.len(), state.tables.len()), (0, 0));
        // Where there is no router, no task has one, and nobody is its user.
        let (state, _) = want(&snapshot);
        assert_eq!(state.backends.len(), 0);
        assert_eq!(state.settings.map(|it| it.router_user), Some(u32::MAX));
    }
}

#[test]
fn a_client_is_kept_for_no_less_than_was_asked_for() {
    // Ticks are of 2^30 ns.
    let tick = Duration::from_nanos(1 << 30);
    let little = Duration::from_nanos(1);
    for (time, ticks) in [
        (little, 1),
        (tick, 1),
        (tick + little, 2),
        (tick * 3 - little, 3),
        (tick * 3, 3),
    ] {
        let (mut wanted, _) = desired(&snapshot(), &node(), &Config::default());
        let service = wanted.services.get_mut(&Key::of("vote")).unwrap();
        Arc::make_mut(service).affinity = Some(time);
        let state = Lowered::default().update(&wanted, &State::default()).want;
        let frontend = state.frontends.values().next().unwrap();
        assert_eq!(frontend.affinity_ticks, ticks, "{time:?}");
    }
}
