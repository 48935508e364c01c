//! Which service has a port, and which ports no service has.

use super::labels::labelled;
use super::*;
use crate::backend::Operation as _;

pub(super) fn port(number: u16, proto: Proto) -> PublishedPort {
    testing::port(proto, number, 80)
}

pub(super) fn tcp(number: u16) -> Port {
    Port::new(Be16::new(number), TCP)
}

/// A service that publishes 8080, by Swarm or by label.
fn rival(name: &str, created: u64, label: bool) -> Service {
    let mut service = Service {
        name: name.into(),
        created,
        ..Service::default()
    };
    if label {
        service.labels = testing::labels(&[("swarmlb.publish", "8080:81")]);
    } else {
        service.ports = vec![port(8080, Proto::Tcp)];
    }
    service
}

pub(super) fn sentences(problems: &[Problem]) -> Vec<String> {
    let one = |problem: &Problem| format!("{}: {}", problem.object, problem.message);
    problems.iter().map(one).collect()
}

/// The service that has port 8080/tcp.
fn holder(state: &State) -> Key {
    Key(state.frontends[&tcp(8080)].service)
}

#[test]
fn the_ports_of_the_swarm_and_of_the_agents_are_nobodys_whoever_asks() {
    for (number, why) in [
        (
            6081,
            "it is the port of the agents and of the tunnel between nodes",
        ),
        (2377, "it is the port of the Swarm's managers"),
        (7946, "the Swarm's nodes talk to each other on it"),
        (4789, "it is the port of the Swarm's overlay networks"),
    ] {
        let expected = format!(
            "service vote: ports {number}/tcp, {number}/udp are not served: {why}; choose another one"
        );
        // By label…
        let label = format!("{number}:80/udp,{number}:80/tcp");
        let (state, problems) = want(&labelled(&[("swarmlb.publish", &label)]));
        let mut said = sentences(&problems);
        let told = said.pop().unwrap().replace(
            &format!("{number}/udp, {number}/tcp"),
            &format!("{number}/tcp, {number}/udp"),
        );
        assert_eq!(
            (state.frontends.len(), told),
            (1, expected.clone()),
            "{said:?}"
        );
        // …and by Swarm.
        let mut snapshot = snapshot();
        let service = snapshot.services.get_mut(&"vote".into()).unwrap();
        for proto in [Proto::Tcp, Proto::Udp] {
            service.ports.push(port(number, proto));
        }
        let (state, problems) = want(&snapshot);
        assert_eq!(state.frontends.len(), 1, "8080 alone");
        assert_eq!(sentences(&problems), [expected]);
    }
    // Where the agents have another port, theirs is that, and this is anybody's.
    let config = Config {
        port: 7000,
        ..Config::default()
    };
    let asks = labelled(&[("swarmlb.publish", "6081:80,7000:80/udp")]);
    let (state, problems) = lower(&asks, &node(), &config, &State::default());
    assert_eq!((state.frontends.len(), problems.len()), (2, 1));
}

#[test]
fn labels_publish_ports_from_1024_up_or_what_the_operator_says() {
    let asks = labelled(&[("swarmlb.publish", "22:80,1023:80/udp,1024:80,9000:80")]);
    for (label_ports, served, says) in [
        (
            Config::default().label_ports,
            vec![1024, 8080, 9000],
            "ports 22/tcp, 1023/udp are not served: labels publish ports from 1024 to 65535 on this node (--labels-publish); choose another one, or let Swarm publish it",
        ),
        (
            Some(9000..=9010),
            vec![8080, 9000],
            "ports 22/tcp, 1023/udp, 1024/tcp are not served: labels publish ports from 9000 to 9010 on this node (--labels-publish); choose another one, or let Swarm publish it",
        ),
        (
            None,
            vec![8080],
            "ports 22/tcp, 1023/udp, 1024/tcp, 9000/tcp are not served: labels publish no ports on this node (--labels-publish); let Swarm publish it",
        ),
    ] {
        let config = Config {
            label_ports,
            ..Config::default()
        };
        let (state, problems) = lower(&asks, &node(), &config, &State::default());
        let ports: Vec<u16> = state
            .frontends
            .keys()
            .map(|port| port.number.get())
            .collect();
        assert_eq!(ports, served);
        assert_eq!(sentences(&problems), [format!("service vote: {says}")]);
    }
    // Who may publish ports by Swarm may publish any.
    let mut snapshot = snapshot();
    let service = snapshot.services.get_mut(&"vote".into()).unwrap();
    service.ports.push(port(22, Proto::Tcp));
    assert_eq!(want(&snapshot).0.frontends.len(), 2);
}

#[test]
fn a_label_that_is_refused_keeps_nobody_from_the_port() {
    let mut snapshot = labelled(&[("swarmlb.publish", "443:80")]);
    let mut second = rival("second", 9, false);
    second.ports = vec![port(443, Proto::Tcp)];
    snapshot.services.insert("z-second".into(), second);
    let (state, problems) = want(&snapshot);
    assert_eq!(state.frontends.len(), 2);
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[test]
fn of_two_services_the_older_one_has_the_port_whatever_their_ids_and_ways() {
    for (older, younger) in [(true, false), (false, true), (true, true)] {
        let mut snapshot = snapshot();
        snapshot.services.clear();
        // Before it in the order of ids.
        snapshot
            .services
            .insert("a".into(), rival("younger", 2_000, younger));
        snapshot
            .services
            .insert("b".into(), rival("older", 1_000, older));
        let (state, problems) = want(&snapshot);
        assert_eq!(holder(&state), Key::of("b"));
        assert_eq!(
            sentences(&problems),
            [
                "service younger: port 8080/tcp is not served: service older has it; choose another one"
            ]
        );
    }
    // Of the same age: by id, so on all nodes the same.
    let mut snapshot = snapshot();
    snapshot.services.clear();
    for id in ["b", "a"] {
        snapshot.services.insert(id.into(), rival(id, 1_000, true));
    }
    assert_eq!(holder(&want(&snapshot).0), Key::of("a"));
}

#[test]
fn a_port_in_use_is_not_given_away() {
    let mut view = snapshot();
    view.services.get_mut(&"vote".into()).unwrap().created = 2_000;
    let (state, _) = want(&view);
    // An older service thinks of it only now.
    view.services
        .insert("a".into(), rival("older", 1_000, true));
    let (again, problems) = lower(&view, &node(), &Config::default(), &state);
    assert_eq!(holder(&again), Key::of("vote"));
    assert_eq!(
        sentences(&problems),
        ["service older: port 8080/tcp is not served: service vote has it; choose another one"]
    );
    // When it is free, it is the other one's.
    view.services.get_mut(&"vote".into()).unwrap().removed = true;
    let (after, problems) = lower(&view, &node(), &Config::default(), &again);
    assert_eq!((holder(&after), problems), (Key::of("a"), vec![]));
}

#[test]
fn a_removed_service_gives_its_port_to_who_asks_for_it_next() {
    let mut snapshot = labelled(&[("swarmlb.publish", "8081:80")]);
    let mut next = snapshot.services[&"vote".into()].clone();
    next.name = "next".into();
    // Only the label's port is the same, and the old one's id comes first.
    next.ports.clear();
    snapshot.services.insert("x-next".into(), next);
    snapshot.services.get_mut(&"vote".into()).unwrap().removed = true;
    let (state, problems) = want(&snapshot);
    assert_eq!(problems, vec![], "there is nothing to do about it");
    assert_eq!(state.frontends[&tcp(8081)].count, 0, "it has no task yet");
}

/// The kernel has each network once for each port.
#[test]
fn networks_and_ports_of_one_service_leave_room_for_others_also_while_all_of_them_change() {
    let room = usize::try_from(limits::ALLOWED).unwrap();
    let ports: Vec<_> = (0..256).map(|n| format!("{}:80/udp", 20_000 + n)).collect();
    let view = |first: u32| {
        let networks = (0..1_024).map(|n| format!("10.{}.{}.0/25", first + n / 256, n % 256));
        labelled(&[
            ("swarmlb.publish", &ports.join(",")),
            ("swarmlb.allow", &networks.collect::<Vec<_>>().join(",")),
        ])
    };
    let (before, problems) = want(&view(0));
    // The 256 of the label, and one of Swarm's.
    assert_eq!(before.frontends.len(), 257);
    assert!(before.allowed.len() <= room / 4, "{}", before.allowed.len());
    assert!(
        sentences(&problems)[0].contains(
            "of 1024 networks that it allows, clients of the first 63 are let in: it has 257 ports"
        ),
        "{problems:?}"
    );
    let (after, _) = want(&view(100));
    assert!(before.allowed.is_disjoint(&after.allowed));
    let mut have = before;
    let mut most = 0;
    for op in plan(&after, &have, Prune::Allowed) {
        op.apply_to(&mut have);
        most = most.max(have.allowed.len());
    }
    assert_eq!(have.allowed, after.allowed);
    assert!(most <= room / 2, "{most} at once");
}

#[test]
fn what_one_service_asks_for_leaves_room_for_others() {
    let mut view = snapshot();
    let mut range = Service {
        name: "range".into(),
        ..Service::default()
    };
    range.ports = (20_000..30_000).map(|n| port(n, Proto::Tcp)).collect();
    range.ports.reverse();
    view.services.insert("a-range".into(), range);
    let (state, problems) = want(&view);
    assert_eq!(state.frontends.len(), 1 + 4_096);
    assert!(
        state.frontends.contains_key(&tcp(8080)),
        "another service's"
    );
    assert_eq!(
        sentences(&problems),
        [
            "service range: ports 24096/tcp, 24097/tcp, 24098/tcp, 24099/tcp, 24100/tcp, 24101/tcp, 24102/tcp, 24103/tcp and 5896 more are not served: a service can have 4096 of them; share them out among several services"
        ]
    );
    // A large table for many ports is one table.
    let mut view = labelled(&[("swarmlb.policy", "maglev")]);
    let service = view.services.get_mut(&"vote".into()).unwrap();
    service.ports = (20_000..21_000).map(|n| port(n, Proto::Tcp)).collect();
    let (state, problems) = want(&view);
    let places: Vec<usize> = state.tables.values().map(Vec::len).collect();
    assert_eq!((state.frontends.len(), places), (1_000, vec![251]));
    assert_eq!(problems, vec![]);
    // Many networks on many ports: who does not fit in stays out.
    let networks: Vec<_> = (0..1_000)
        .map(|n| format!("10.{}.{}.0/24", n / 100, n % 100 * 2))
        .collect();
    let mut view = labelled(&[("swarmlb.allow", &networks.join(","))]);
    let service = view.services.get_mut(&"vote".into()).unwrap();
    service.ports = (20_000..20_100).map(|n| port(n, Proto::Tcp)).collect();
    let (state, problems) = want(&view);
    assert_eq!((state.frontends.len(), state.allowed.len()), (100, 16_300));
    assert!(
        state
            .frontends
            .values()
            .all(|port| port.flags & RESTRICTED != 0)
    );
    assert_eq!(
        sentences(&problems),
        [
            "service vote: of 1000 networks that it allows, clients of the first 163 are let in: it has 100 ports; allow fewer networks or publish fewer ports"
        ]
    );
}
