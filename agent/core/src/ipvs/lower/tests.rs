use super::*;
use crate::node::Link;
use lb_abi::service::{REMOTE, SCHED_RR};
use lb_abi::settings::Settings;
use lb_abi::tunnel::TokenKeys;
use lb_abi::{Be16, Be32, TCP, UDP};

const NODE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const HERE: Key = Key(0x1111_2222_3333_4444);
const THERE: Key = Key(0x5555_6666_7777_8888);
const SERVICE: u64 = 77;

fn port() -> Port {
    Port::new(Be16::new(8080), TCP)
}

fn node() -> Node {
    let link = |name: &str, index| Link {
        name: name.into(),
        index,
        mtu: 1500,
        mac: [2; 6],
        xdp: true,
    };
    Node {
        bridge: Some(link("docker_gwbridge", 3)),
        bridges: [link("docker0", 4)].into(),
        ..Node::default()
    }
}

/// Port 8080 with a task here and one on another node.
fn want() -> state::State {
    let mut want = state::State {
        settings: Some(Settings {
            node: Be32::new(NODE.into()),
            tunnel_port: Be16::new(7788),
            mac: [2; 6],
            zero: [0; 4],
            epoch: 0,
            uplink: 2,
            mtu: 1500,
            bridge: 3,
            network: 1,
        }),
        addresses: [NODE].into(),
        peers: [(OTHER, TokenKeys::default())].into(),
        ..state::State::default()
    };
    let here = Be32::new(Ipv4Addr::new(172, 18, 0, 5).into());
    let there = Be32::new(OTHER.into());
    want.backends
        .insert(HERE, Backend::new(here, LOCAL, SERVICE));
    want.backends
        .insert(THERE, Backend::new(there, REMOTE, SERVICE));
    want.tables.insert((port(), 1), vec![HERE, THERE]);
    let frontend = Frontend::new(Be16::new(80), 2, 1, SERVICE);
    want.frontends.insert(port(), frontend);
    want
}

fn service(lowered: &Lowered) -> &VirtualService {
    &lowered.state.services[&ServiceKey::Address(NODE, port())]
}

#[test]
fn a_task_here_is_rewritten_to_and_one_elsewhere_is_led_to() {
    let lowered = lower(&want(), &node());
    let destinations = &service(&lowered).destinations;
    let here = (Ipv4Addr::new(172, 18, 0, 5), 80);
    assert_eq!(
        destinations[&here],
        Destination {
            method: Method::Nat,
            weight: 1
        }
    );
    let (route_address, destination) = destinations.iter().find(|(key, _)| **key != here).unwrap();
    assert_eq!((route_address.1, destination.method), (8080, Method::Route));
    let route = lowered.state.routes[&route_address.0];
    assert_eq!(
        route,
        EncapRoute {
            id: ids::tag(THERE),
            node: OTHER
        }
    );
    assert_eq!(lowered.tasks[&route_address.0], THERE);
}

#[test]
fn what_comes_out_of_the_tunnel_finds_its_task_by_tag_and_port() {
    let lowered = lower(&want(), &node());
    let tags: Vec<&Element> = lowered
        .state
        .elements
        .iter()
        .filter(|element| matches!(element, Element::TunnelMark(..)))
        .collect();
    let [Element::TunnelMark(tag, at, mark)] = tags[..] else {
        panic!("{tags:?}")
    };
    assert_eq!((*tag, *at), (ids::tag(HERE), port()));
    let destinations = &lowered.state.services[&ServiceKey::Mark(*mark)].destinations;
    assert!(destinations.contains_key(&(Ipv4Addr::new(172, 18, 0, 5), 80)));
}

#[test]
fn a_task_that_takes_no_new_flows_keeps_its_own() {
    let mut want = want();
    want.tables.insert((port(), 1), vec![HERE]);
    let lowered = lower(&want, &node());
    let weights: Vec<u32> = service(&lowered)
        .destinations
        .values()
        .map(|destination| destination.weight)
        .collect();
    assert_eq!(weights, [1, 0]);
}

#[test]
fn an_address_that_a_new_task_has_takes_new_flows() {
    // Whichever of the two comes first.
    for old in [Key(1), Key(u64::MAX)] {
        let mut want = want();
        let address = want.backends.get(&HERE).unwrap().address;
        want.backends
            .insert(old, Backend::new(address, LOCAL, SERVICE));
        let lowered = lower(&want, &node());
        let here = (Ipv4Addr::new(172, 18, 0, 5), 80);
        assert_eq!(service(&lowered).destinations[&here].weight, 1, "{old}");
        assert_eq!(lowered.tasks[&here.0], HERE, "{old}");
    }
}

#[test]
fn options_become_schedulers_persistence_and_sets() {
    for (pick, scheduler) in [
        (SCHED_RR, Scheduler::RoundRobin),
        (SCHED_LC, Scheduler::LeastConnections),
        (SCHED_SH, Scheduler::SourceHash),
        (SCHED_MAGLEV, Scheduler::Maglev),
    ] {
        let mut want = want();
        let mut frontend = *want.frontends.get(&port()).unwrap();
        frontend.scheduler = pick;
        frontend.flags = DIRECT | RESTRICTED;
        frontend.affinity_ticks = 56;
        want.frontends.insert(port(), frontend);
        let lowered = lower(&want, &node());
        assert_eq!(service(&lowered).scheduler, scheduler);
        assert_eq!(service(&lowered).persistence_s, 61);
        for element in [Element::DirectReturn(port()), Element::Restricted(port())] {
            assert!(lowered.state.elements.contains(&element), "{element}");
        }
    }
}

#[test]
fn networks_within_others_are_not_told_twice() {
    let mut want = want();
    for network in ["192.0.2.0/24", "192.0.2.7/32", "203.0.113.7/32"] {
        want.allowed.insert((port(), network.parse().unwrap()));
    }
    let lowered = lower(&want, &node());
    let allowed = |element: &&Element| matches!(element, Element::Allowed(..));
    assert_eq!(lowered.state.elements.iter().filter(allowed).count(), 2);
}

#[test]
fn a_restriction_holds_for_datagrams_as_for_connections() {
    let mut want = want();
    let datagrams = Port::new(Be16::new(8080), UDP);
    want.tables.insert((datagrams, 1), vec![HERE, THERE]);
    let frontend = Frontend {
        flags: RESTRICTED,
        ..Frontend::new(Be16::new(80), 2, 1, SERVICE)
    };
    want.frontends.insert(datagrams, frontend);
    let network = "192.0.2.0/24".parse().unwrap();
    want.allowed.insert((datagrams, network));
    let elements = lower(&want, &node()).state.elements;
    assert!(elements.contains(&Element::Restricted(datagrams)));
    assert!(elements.contains(&Element::Allowed(datagrams, network)));
    assert!(
        !elements.contains(&Element::Restricted(port())),
        "another one"
    );
}

#[test]
fn a_port_of_the_hosts_own_is_not_claimed_and_its_tasks_are_reached_by_the_tunnel() {
    let mut want = want();
    want.barred.insert(port());
    let lowered = lower(&want, &node());
    let elements = &lowered.state.elements;
    let steered = |element: &&Element| matches!(element, Element::Vip(..) | Element::Published(..));
    assert_eq!(elements.iter().find(steered), None);
    let services: Vec<&ServiceKey> = lowered.state.services.keys().collect();
    assert!(
        matches!(services[..], [ServiceKey::Mark(_)]),
        "{services:?}"
    );
    let tags = |element: &&Element| matches!(element, Element::TunnelMark(..));
    assert_eq!(elements.iter().filter(tags).count(), 1);
}

#[test]
fn a_port_without_tasks_is_claimed_and_so_refused() {
    let mut want = want();
    want.tables = [].into_iter().collect();
    want.backends = [].into_iter().collect();
    want.frontends
        .insert(port(), Frontend::new(Be16::new(80), 0, 0, SERVICE));
    let lowered = lower(&want, &node());
    assert!(service(&lowered).destinations.is_empty());
    assert!(lowered.state.elements.contains(&Element::Vip(NODE, port())));
}

#[test]
fn nothing_is_kept_on_a_node_without_a_way_out() {
    let want = state::State {
        settings: None,
        ..want()
    };
    assert_eq!(lower(&want, &node()), Lowered::default());
}

#[test]
fn answers_of_a_task_are_not_tracked_unless_docker_publishes_its_service_too() {
    let from = Ipv4Addr::new(172, 18, 0, 5);
    let at = Port::new(Be16::new(80), TCP);
    let both = [
        Element::LocalReply(from, at),
        Element::TrackedReply(from, at),
    ];
    let there = |want: &state::State| {
        let elements = lower(want, &node()).state.elements;
        both.map(|one| elements.contains(&one))
    };
    let mut want = want();
    assert_eq!(there(&want), [true, false]);
    want.tracked.insert(Key(SERVICE));
    assert_eq!(there(&want), [false, true]);
}
