//! What labels of services make of the state.

use super::*;

fn labelled(labels: &[(&str, &str)]) -> Snapshot {
    let mut snapshot = snapshot();
    let service = snapshot.services.get_mut(&"vote".into()).unwrap();
    for (label, value) in labels {
        service.labels.insert((*label).into(), (*value).into());
    }
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
    for (value, pick) in [("source-hash", PICK_SOURCE), ("maglev", PICK_FLOW)] {
        let (state, problems) = want(&labelled(&[("swarmlb.policy", value)]));
        assert_eq!(problems, vec![]);
        let frontend = state.frontends.values().next().unwrap();
        let mut tasks = [Key::of("a"), Key::of("b")];
        tasks.sort_unstable();
        assert_eq!((frontend.pick, frontend.count), (pick, 251));
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
        (frontend.pick, frontend.count, frontend.flags),
        (PICK_LEAST, 2, RESTRICTED | DIRECT)
    );
    assert_eq!(frontend.keep, 56, "60 s in ticks of 1.07 s");
    assert_eq!(frontend.service, Key::from(&ServiceId::from("vote")).0);
    let networks = ["192.0.2.7/32", "203.0.113.0/24"].map(|net| (*port, net.parse().unwrap()));
    assert_eq!(state.allowed, networks.into());
    // A client stays with a task only as long as that takes others, too.
    let (state, _) = want(&labelled(&[("swarmlb.local", "only")]));
    let takes = ["a", "b"].map(|task| state.backends[&Key::of(task)].takes);
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
    let (state, problems) = desired(&snapshot, &node, &Config::default(), &State::default());
    assert_eq!(problems, vec![]);
    let published: Vec<u16> = state.frontends.keys().map(|p| p.number.get()).collect();
    assert_eq!(published, [8081]);
    let a = state.backends[&Key::of("a")];
    assert_eq!((a.place, a.link), (LOCAL, 4), "on docker0");
    // Without that bridge there is no way to it; the other task is served.
    node.bridges.clear();
    let (state, problems) = desired(&snapshot, &node, &Config::default(), &State::default());
    assert_eq!((ready(&state), problems.len()), (1, 1));
}

#[test]
fn a_port_has_one_holder_and_the_other_is_told() {
    let mut snapshot = snapshot();
    let mut second = snapshot.services[&"vote".into()].clone();
    second.name = "late".into();
    second.ports.clear();
    let label = ("swarmlb.publish".to_owned(), "8080:81".to_owned());
    second.labels = [label].into();
    // Before it in every order but the one that matters: what Swarm publishes is Swarm's.
    snapshot.services.insert("a-late".into(), second);
    let (state, problems) = want(&snapshot);
    let target = state.frontends.values().next().unwrap().target.get();
    assert_eq!((state.frontends.len(), target), (1, 80));
    assert_eq!(
        problems,
        [Problem {
            object: "service late".into(),
            sentence: "port 8080/tcp is not served: service vote has it; choose another one".into()
        }]
    );
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
    let port = Port::new(Be16::new(8081), TCP);
    assert_eq!(state.frontends[&port].count, 0, "it has no task yet");
}

#[test]
fn the_tunnels_own_port_is_nobodys() {
    let label = format!("{0}:53/udp,{0}:53/tcp", Config::default().port);
    let (state, problems) = want(&labelled(&[("swarmlb.publish", &label)]));
    assert_eq!((state.frontends.len(), problems.len()), (2, 1));
    assert_eq!(
        problems[0].sentence,
        "port 6081/udp is not served: it is the port of the tunnel between nodes; choose another one"
    );
}
