mod kept;
mod own_ports;

use super::*;
use crate::model::port::Proto;
use crate::testing::{host, link};
use lb_abi::{TCP, UDP};
use std::sync::Arc;

const NODE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const HERE: Key = Key(0x1111_2222_3333_4444);
const THERE: Key = Key(0x5555_6666_7777_8888);
const SERVICE: Key = Key(77);

fn port() -> Port {
    Port::new(Be16::new(8080), TCP)
}

fn backend(address: Ipv4Addr, locality: Locality) -> Backend {
    Backend {
        address,
        locality,
        active: true,
    }
}

/// Port 8080 with a task here and one on another node.
fn want() -> Desired {
    let here = backend(
        Ipv4Addr::new(172, 18, 0, 5),
        Locality::Local { bridge: None },
    );
    let served = Service {
        backends: [(HERE, here), (THERE, backend(OTHER, Locality::Remote))].into(),
        frontends: vec![frontend(Proto::Tcp)],
        ..Service::default()
    };
    let host = Host {
        bridges: [link("docker0", 4)].into(),
        peers: [(OTHER, PeerKeys::Absent)].into(),
        ..host(NODE)
    };
    Desired {
        host: Some(host.into()),
        services: [(SERVICE, served.into())].into(),
        ..Desired::default()
    }
}

fn frontend(proto: Proto) -> Frontend {
    Frontend {
        published: 8080,
        proto,
        target: 80,
        barred: false,
    }
}

/// What serves `want`, with the service changed.
fn lowered(change: impl FnOnce(&mut Service)) -> Lowered {
    let mut want = want();
    let service = want.services.get_mut(&SERVICE).unwrap();
    change(Arc::make_mut(service));
    lower(&want, &BTreeMap::new())
}

fn service(lowered: &Lowered) -> &VirtualService {
    &lowered.state.services[&ServiceKey::Address(NODE, port())]
}

#[test]
fn a_task_here_is_rewritten_to_and_one_elsewhere_is_led_to() {
    let lowered = lowered(|_| {});
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
            id: allocator::tag(THERE),
            node: OTHER,
            source: None
        }
    );
    assert_eq!(lowered.tasks[&route_address.0], THERE);
}

#[test]
fn what_comes_out_of_the_tunnel_finds_its_task_by_tag_and_port() {
    let lowered = lowered(|_| {});
    let tags: Vec<&Element> = lowered
        .state
        .elements
        .iter()
        .filter(|element| matches!(element, Element::TunnelMark(..)))
        .collect();
    let [Element::TunnelMark(tag, at, mark)] = tags[..] else {
        panic!("{tags:?}")
    };
    assert_eq!((*tag, *at), (allocator::tag(HERE), port()));
    let destinations = &lowered.state.services[&ServiceKey::Mark(*mark)].destinations;
    assert!(destinations.contains_key(&(Ipv4Addr::new(172, 18, 0, 5), 80)));
}

#[test]
fn a_task_that_takes_no_new_flows_keeps_its_own() {
    let lowered = lowered(|service| service.backends.get_mut(&THERE).unwrap().active = false);
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
        let lowered = lowered(|service| {
            let same = Backend {
                active: false,
                ..service.backends[&HERE]
            };
            service.backends.insert(old, same);
        });
        let here = (Ipv4Addr::new(172, 18, 0, 5), 80);
        assert_eq!(service(&lowered).destinations[&here].weight, 1, "{old}");
        assert_eq!(lowered.tasks[&here.0], HERE, "{old}");
    }
}

#[test]
fn a_port_that_is_withdrawn_keeps_its_connections_and_refuses_new_ones() {
    let lowered = lowered(|served| {
        served.withdrawn = std::mem::take(&mut served.frontends);
    });
    let destinations = &service(&lowered).destinations;
    assert_eq!(destinations.len(), 2);
    assert!(destinations.values().all(|to| to.weight == 0));
    let elements = &lowered.state.elements;
    assert!(elements.contains(&Element::Vip(NODE, port())));
    // For its clients, and for what comes out of the tunnel.
    let services: Vec<_> = lowered.state.services_of_ports().collect();
    assert_eq!(services.len(), lowered.state.services.len());
    assert!(services.iter().all(|(_, at)| *at == port()));
}

#[test]
fn a_port_that_is_withdrawn_is_the_hosts_own_if_a_process_listens_on_it() {
    let lowered = lowered(|served| {
        served.withdrawn = std::mem::take(&mut served.frontends);
        served.withdrawn[0].barred = true;
    });
    let state = &lowered.state;
    assert!(!state.elements.contains(&Element::Vip(NODE, port())));
    let mut marks = state.services.keys();
    assert!(marks.all(|key| matches!(key, ServiceKey::Mark(_))));
}

#[test]
fn a_task_here_that_is_older_than_its_services_ports_has_its_own() {
    let lowered = lowered(|served| {
        served.targets = [(((8080, Proto::Tcp), HERE), 79)].into();
    });
    let here = (Ipv4Addr::new(172, 18, 0, 5), 79);
    assert!(service(&lowered).destinations.contains_key(&here));
    let marked = lowered.state.services.iter();
    let marked = marked.filter(|(key, _)| matches!(key, ServiceKey::Mark(_)));
    let marked: Vec<_> = marked.flat_map(|(_, it)| it.destinations.keys()).collect();
    assert_eq!(marked, [&here]);
    let reply = Element::LocalReply(here.0, Port::new(Be16::new(here.1), TCP));
    assert!(lowered.state.elements.contains(&reply));
}

#[test]
fn options_become_schedulers_persistence_and_sets() {
    for (policy, scheduler) in [
        (Policy::RoundRobin, Scheduler::RoundRobin),
        (Policy::LeastConn, Scheduler::LeastConnections),
        (Policy::SourceHash, Scheduler::SourceHash),
        (Policy::Maglev, Scheduler::Maglev),
    ] {
        let lowered = lowered(|service| {
            service.policy = policy;
            service.direct = true;
            service.allow = Some([].into());
            service.affinity = Some(Duration::from_secs(60));
        });
        assert_eq!(service(&lowered).scheduler, scheduler);
        assert_eq!(service(&lowered).persistence_s, 60);
        for element in [Element::DirectReturn(port()), Element::Restricted(port())] {
            assert!(lowered.state.elements.contains(&element), "{element}");
        }
    }
    assert_eq!(service(&lowered(|_| {})).persistence_s, 0);
}

#[test]
fn networks_within_others_are_not_told_twice() {
    let networks = ["192.0.2.0/24", "192.0.2.7/32", "203.0.113.7/32"];
    let networks = networks.map(|network| network.parse().unwrap());
    let lowered = lowered(|service| service.allow = Some(networks.into()));
    let allowed = |element: &&Element| matches!(element, Element::Allowed(..));
    assert_eq!(lowered.state.elements.iter().filter(allowed).count(), 2);
}

#[test]
fn a_restriction_holds_for_datagrams_as_for_connections() {
    let mut want = want();
    let datagrams = Port::new(Be16::new(8080), UDP);
    let network = "192.0.2.0/24".parse().unwrap();
    let restricted = Service {
        allow: Some([network].into()),
        frontends: vec![frontend(Proto::Udp)],
        ..Service::default()
    };
    want.services.insert(Key(78), restricted.into());
    let elements = lower(&want, &BTreeMap::new()).state.elements;
    assert!(elements.contains(&Element::Restricted(datagrams)));
    assert!(elements.contains(&Element::Allowed(datagrams, network)));
    assert!(
        !elements.contains(&Element::Restricted(port())),
        "another one"
    );
}

#[test]
fn a_port_of_the_hosts_own_is_not_claimed_and_its_tasks_are_reached_by_the_tunnel() {
    let lowered = lowered(|service| service.frontends[0].barred = true);
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
    let lowered = lowered(|service| service.backends.clear());
    assert!(service(&lowered).destinations.is_empty());
    assert!(lowered.state.elements.contains(&Element::Vip(NODE, port())));
}

#[test]
fn nothing_is_kept_on_a_node_without_a_way_out() {
    let want = Desired {
        host: None,
        ..want()
    };
    assert_eq!(lower(&want, &BTreeMap::new()), Lowered::default());
}

#[test]
fn answers_of_a_task_are_not_tracked_unless_docker_publishes_its_service_too() {
    let from = Ipv4Addr::new(172, 18, 0, 5);
    let at = Port::new(Be16::new(80), TCP);
    let both = [
        Element::LocalReply(from, at),
        Element::TrackedReply(from, at),
    ];
    let there = |tracked| {
        let elements = lowered(|service| service.tracked = tracked).state.elements;
        both.map(|one| elements.contains(&one))
    };
    assert_eq!(there(false), [true, false]);
    assert_eq!(there(true), [false, true]);
}
