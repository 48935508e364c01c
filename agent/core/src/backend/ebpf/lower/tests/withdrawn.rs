//! Ports that a service has no more, and tasks that have other ports than their service.

use super::*;
use crate::testing::{labels, port, service};
use lb_abi::service::{Frontend, TARGETS};
use lb_abi::{Be32, UDP};

fn tcp(number: u16) -> Port {
    Port::new(Be16::new(number), TCP)
}

/// The view with another service in the place of its own.
fn with(service: Service) -> Snapshot {
    let mut snapshot = snapshot();
    snapshot.services.insert("vote".into(), service);
    snapshot
}

/// The state once `snapshot` is served on `node`, where `have` was.
fn then(snapshot: &Snapshot, node: &Node, have: &State) -> State {
    let (want, problems) = lower(snapshot, node, &Config::default(), have);
    assert_eq!(problems, vec![]);
    want
}

/// The three ways to withdraw port 8080, each with the service before and after.
fn ways() -> [(Service, Service); 3] {
    let published = || service("vote", vec![port(Proto::Tcp, 8080, 80)]);
    let labelled = |label, value| Service {
        labels: labels(&[(label, value)]),
        ..service("vote", vec![])
    };
    [
        (published(), service("vote", vec![])),
        (
            published(),
            Service {
                labels: labels(&[("swarmlb.enable", "false")]),
                ..published()
            },
        ),
        (
            labelled("swarmlb.publish", "8080:80,8081:81"),
            labelled("swarmlb.publish", "8081:81"),
        ),
    ]
}

/// The frontend of a port that is withdrawn.
fn kept(target: u16) -> Frontend {
    Frontend::new(Be16::new(target), 0, 0, Key::of("vote").0)
}

#[test]
fn a_port_that_is_withdrawn_keeps_its_tasks_and_takes_nothing_new() {
    for (before, after) in ways() {
        let have = want(&with(before)).0;
        let mut now = then(&with(after), &node(), &have);
        assert_eq!(now.frontends.get(&tcp(8080)), Some(&kept(80)));
        // A table is there for ports that take something new, if there are any.
        let others = now.frontends.iter().filter(|(port, _)| **port != tcp(8080));
        let named: BTreeSet<u32> = others.map(|(_, frontend)| frontend.table).collect();
        assert_eq!(now.tables.keys().copied().collect::<BTreeSet<_>>(), named);
        assert!(now.allowed.iter().all(|(port, _)| *port != tcp(8080)));
        let tasks: Vec<_> = now.backends.keys().copied().collect();
        let all: BTreeSet<Key> = ["a", "b"].map(Key::of).into();
        assert_eq!(tasks, all.into_iter().collect::<Vec<_>>());
        // It lasts, also for an agent that knows nothing but the kernel.
        for _ in 0..2 {
            let ports = now.frontends.len();
            now = then(&with(ways()[0].1.clone()), &node(), &now);
            assert_eq!(now.frontends.get(&tcp(8080)), Some(&kept(80)));
            assert!(now.frontends.len() <= ports);
        }
    }
}

#[test]
fn it_is_over_when_no_connection_is_left_or_no_task() {
    for (before, after) in ways() {
        let have = want(&with(before)).0;
        let now = then(&with(after.clone()), &node(), &have);
        let drained = Node {
            drained: [(8080, Proto::Tcp)].into(),
            ..node()
        };
        let gone = then(&with(after.clone()), &drained, &now);
        assert_eq!(gone.frontends.get(&tcp(8080)), None);
        let published = !after.claims().is_empty();
        assert_eq!(gone.backends.is_empty(), !published);
        let mut idle = with(after);
        idle.tasks.clear();
        let gone = then(&idle, &node(), &now);
        assert_eq!(gone.frontends.get(&tcp(8080)), None);
    }
}

#[test]
fn a_port_that_comes_back_is_as_it_was() {
    for (before, after) in ways() {
        let first = want(&with(before.clone())).0;
        let now = then(&with(after), &node(), &first);
        let again = then(&with(before), &node(), &now);
        let shape = |state: &State| {
            let frontends = state.frontends.iter();
            let shapes: Vec<_> = frontends
                .map(|(port, frontend)| (*port, frontend.count, frontend.flags))
                .collect();
            shapes
        };
        assert_eq!(shape(&again), shape(&first));
    }
}

#[test]
fn networks_and_schedulers_are_those_of_ports_that_take_new_connections() {
    let labelled = |enable| Service {
        labels: labels(&[
            ("swarmlb.enable", enable),
            ("swarmlb.allow", "192.0.2.0/24"),
            ("swarmlb.policy", "maglev"),
            ("swarmlb.affinity", "60"),
        ]),
        ..service("vote", vec![port(Proto::Tcp, 8080, 80)])
    };
    let have = want(&with(labelled("true"))).0;
    assert_eq!(have.allowed.len(), 1);
    let now = then(&with(labelled("false")), &node(), &have);
    assert_eq!(now.frontends.get(&tcp(8080)), Some(&kept(80)));
    assert!(now.allowed.is_empty() && now.tables.is_empty());
    assert!(
        now.backends
            .values()
            .all(|backend| backend.flags & ACTIVE == 0)
    );
}

#[test]
fn datagrams_of_a_port_that_is_withdrawn_are_the_hosts_at_once() {
    let have = want(&with(service("vote", vec![port(Proto::Udp, 8080, 80)]))).0;
    let udp = Port::new(Be16::new(8080), UDP);
    assert!(have.frontends.contains_key(&udp));
    let now = then(&with(service("vote", vec![])), &node(), &have);
    assert!(now.frontends.is_empty() && now.backends.is_empty());
}

#[test]
fn a_port_that_another_service_gets_is_not_kept() {
    let have = want(&snapshot()).0;
    let mut next = with(service("vote", vec![]));
    let other = service("other", vec![port(Proto::Tcp, 8080, 90)]);
    next.services.insert("other".into(), other);
    let now = then(&next, &node(), &have);
    assert_eq!(now.frontends[&tcp(8080)].service, Key::of("other").0);
    assert!(now.backends.is_empty());
}

#[test]
fn no_port_is_kept_that_no_service_can_have() {
    let have = want(&snapshot()).0;
    let config = Config {
        port: 8080,
        ..Config::default()
    };
    let gone = with(service("vote", vec![]));
    let (now, problems) = lower(&gone, &node(), &config, &have);
    assert_eq!(problems, vec![]);
    assert!(now.frontends.is_empty());
}

#[test]
fn an_own_task_that_is_older_than_its_services_ports_has_its_own() {
    let mut next = with(service("vote", vec![port(Proto::Tcp, 8080, 81)]));
    for task in ["a", "b"] {
        let task = next.tasks.get_mut(&task.into()).unwrap();
        task.targets = vec![port(Proto::Tcp, 8080, 80), port(Proto::Tcp, 9090, 90)].into();
    }
    let now = then(&next, &node(), &want(&snapshot()).0);
    // What goes to another node goes to the published port.
    let own: Vec<_> = now
        .targets
        .iter()
        .map(|(key, target)| (*key, *target))
        .collect();
    assert_eq!(own, [((tcp(8080), Key::of("a")), 80)]);
    let frontend = now.frontends[&tcp(8080)];
    assert_eq!((frontend.target.get(), frontend.flags), (81, TARGETS));
    // Where all tasks have the service's port, nothing is asked.
    for task in ["a", "b"] {
        next.tasks.get_mut(&task.into()).unwrap().targets = [].into_iter().collect();
    }
    let over = then(&next, &node(), &now);
    assert!(over.targets.is_empty());
    assert_eq!(over.frontends[&tcp(8080)].flags, 0);
    assert_eq!(Be32::new(0xac12_0003), over.backends[&Key::of("a")].address);
}

#[test]
fn a_label_that_names_another_port_holds_for_all_tasks_at_once() {
    let labelled = |ports| Service {
        labels: labels(&[("swarmlb.publish", ports)]),
        ..service("vote", vec![])
    };
    let have = want(&with(labelled("8080:80"))).0;
    let now = then(&with(labelled("8080:81")), &node(), &have);
    assert!(now.targets.is_empty());
    assert_eq!(now.frontends[&tcp(8080)].target.get(), 81);
}
