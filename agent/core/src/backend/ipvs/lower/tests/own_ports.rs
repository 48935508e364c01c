use super::*;

const BRIDGED: Ipv4Addr = Ipv4Addr::new(172, 18, 0, 5);

/// A routed service without published ports, changed.
fn routed(change: impl FnOnce(&mut Service)) -> Lowered {
    lowered(|service| {
        service.frontends.clear();
        service.routed_ports = [80, 443].into();
        change(service);
    })
}

fn own(number: u16) -> Port {
    Port::new(Be16::new(number), TCP)
}

#[test]
fn a_task_here_is_called_by_its_address_and_one_elsewhere_by_a_route_of_this_nodes() {
    let lowered = routed(|_| {});
    assert_eq!(lowered.own_addresses[&HERE], BRIDGED);
    let address = lowered.own_addresses[&THERE];
    let route = EncapRoute {
        id: allocator::own_port_id(THERE),
        node: OTHER,
        source: Some(NODE),
    };
    assert_eq!(lowered.state.routes[&address], route);
    let back = lowered.state.route_to_peer(OTHER).unwrap();
    let calls = Element::OwnAddress(address, back);
    assert!(lowered.state.elements.contains(&calls));
    assert!(lowered.services.is_empty(), "no port is published");
}

#[test]
fn what_comes_for_an_own_port_finds_its_task_by_number_network_and_port() {
    let lowered = routed(|_| {});
    for number in [80, 443] {
        let marks = lowered.state.elements.iter().filter_map(|it| match it {
            Element::OwnPortMark(id, network, port, mark) if *port == number => {
                Some((*id, *network, *mark))
            }
            _ => None,
        });
        let marks: Vec<_> = marks.collect();
        let [(id, network, mark)] = marks[..] else {
            panic!("{marks:?}")
        };
        assert_eq!(id, allocator::own_port_id(HERE));
        assert_eq!(network, allocator::own_network(HERE));
        let destinations = &lowered.state.services[&ServiceKey::Mark(mark)].destinations;
        assert!(destinations.contains_key(&(BRIDGED, number)));
        assert!(
            lowered
                .state
                .elements
                .contains(&Element::OwnReply(BRIDGED, own(number)))
        );
    }
}

#[test]
fn a_port_that_is_published_and_routed_has_two_marks_and_one_kind_of_reply() {
    let lowered = lowered(|service| service.routed_ports = [80].into());
    let elements = &lowered.state.elements;
    assert!(elements.contains(&Element::OwnReply(BRIDGED, own(80))));
    assert!(!elements.contains(&Element::LocalReply(BRIDGED, own(80))));
    let marks = lowered.state.services.keys();
    let marks = marks.filter(|key| matches!(key, ServiceKey::Mark(_)));
    assert_eq!(marks.count(), 2);
    let routes = lowered
        .state
        .routes
        .values()
        .filter(|route| route.node == OTHER);
    assert_eq!(
        routes.count(),
        3,
        "replies, the published port, the task's own"
    );
}

#[test]
fn a_task_of_a_node_that_is_not_known_is_not_called() {
    let lowered = routed(|service| {
        let there = service.backends.get_mut(&THERE).unwrap();
        there.address = Ipv4Addr::new(10, 0, 0, 9);
    });
    assert_eq!(lowered.own_addresses.keys().collect::<Vec<_>>(), [&HERE]);
}

#[test]
fn the_rules_are_told_as_whom_the_router_runs() {
    for router_user in [None, Some(60_081)] {
        let mut want = want();
        let host = want.host.as_mut().unwrap();
        Arc::make_mut(host).router_user = router_user;
        let lowered = lower(&want, &BTreeMap::new());
        let node_config = lowered.state.node_config.unwrap();
        assert_eq!(node_config.router_user, router_user);
    }
}

#[test]
fn services_without_routes_have_no_addresses_of_their_own() {
    assert!(lowered(|_| {}).own_addresses.is_empty());
}
