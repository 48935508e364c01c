mod retargeted;

use super::*;
use crate::backend::ipvs::{Lowered, ServiceKey, VirtualService, lower};
use crate::backend::{Operation as _, execute, strategies};
use crate::kernel::Kernel;
use crate::kernel::fake::FakeKernel;
use lb_abi::service::Port;
use lb_abi::{Be16, TCP};
use proptest::collection::btree_set;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A kernel of this datapath that refuses the steps with these numbers.
fn fake(state: State, faults: BTreeSet<usize>) -> FakeKernel<Op> {
    let mut kernel = FakeKernel::of(state);
    kernel.faults = faults;
    kernel
}

/// The objects that serve what services ask for.
fn lowered() -> impl Strategy<Value = Lowered> {
    strategies::desired().prop_map(|desired| lower(&desired, &BTreeMap::new()))
}

/// Does anything lead where nothing is?
fn consistent(state: &State) -> Result<(), String> {
    for element in &state.elements {
        if let Some(service) = element.service()
            && !state.services.contains_key(&service)
        {
            return Err(format!("{element} without its service"));
        }
    }
    let route = |virtual_service: &VirtualService| -> Vec<Ipv4Addr> {
        let routed = virtual_service.destinations.iter();
        let routed = routed
            .filter(|(_, destination)| destination.method == crate::backend::ipvs::Method::Route);
        routed.map(|(key, _)| key.0).collect()
    };
    for (service, virtual_service) in &state.services {
        if let Some(route_address) = route(virtual_service)
            .iter()
            .find(|route_address| !state.routes.contains_key(route_address))
        {
            return Err(format!("{service} has no route to {route_address}"));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn every_prefix_of_a_plan_is_consistent_and_the_whole_leads_to_what_is_wanted(
        have in lowered(), want in lowered(),
    ) {
        let mut state = have.state;
        for op in plan(&want.state, &state.clone(), Prune::Allowed) {
            op.apply_to(&mut state);
            prop_assert_eq!(consistent(&state), Ok(()), "after {}", op);
        }
        prop_assert_eq!(&state, &want.state);
        prop_assert_eq!(plan(&want.state, &state, Prune::Allowed), vec![]);
    }

    #[test]
    fn with_a_view_that_is_not_complete_nothing_goes(have in lowered(), want in lowered()) {
        let mut state = have.state.clone();
        for op in plan(&want.state, &have.state, Prune::Withheld) {
            op.apply_to(&mut state);
        }
        for service in have.state.services.keys() {
            prop_assert!(state.services.contains_key(service));
        }
        for route_address in have.state.routes.keys() {
            prop_assert!(state.routes.contains_key(route_address));
        }
    }

    #[test]
    fn whatever_the_kernel_refuses_what_stands_is_consistent_and_the_next_turn_mends_it(
        have in lowered(), want in lowered(), faults in btree_set(0usize..40, 0..6),
    ) {
        let mut kernel = fake(have.state.clone(), faults);
        let ops = plan(&want.state, &have.state, Prune::Allowed);
        let _ = execute(&mut kernel, &ops);
        prop_assert_eq!(consistent(&kernel.observe().unwrap()), Ok(()));
        kernel.faults.clear();
        let ops = plan(&want.state, &kernel.observe().unwrap(), Prune::Allowed);
        prop_assert!(execute(&mut kernel, &ops).is_empty());
        prop_assert_eq!(kernel.observe().unwrap(), want.state);
    }
}

/// Also with a view in which nothing goes else: whoever had a key two epochs ago is believed no more.
#[test]
fn a_nodes_old_cookies_go_with_its_new_ones() {
    let peer = Ipv4Addr::new(10, 0, 0, 2);
    let cookies = |all: [u8; 2]| State {
        elements: all.map(|of| Element::CookieFrom(peer, [of; 3])).into(),
        ..State::default()
    };
    let mut state = cookies([1, 2]);
    let other = Element::CookieFrom(Ipv4Addr::new(10, 0, 0, 3), [1; 3]);
    state.elements.insert(other);
    for op in plan(&cookies([2, 3]), &state.clone(), Prune::Withheld) {
        op.apply_to(&mut state);
    }
    let mut expected = cookies([2, 3]);
    expected.elements.insert(other);
    assert_eq!(state, expected);
}

#[test]
fn a_refused_server_is_not_claimed() {
    let port = Port::new(Be16::new(8080), TCP);
    let node = Ipv4Addr::new(10, 0, 0, 1);
    let service = ServiceKey::Address(node, port);
    let virtual_service = VirtualService {
        scheduler: crate::backend::ipvs::Scheduler::RoundRobin,
        persistence_s: 0,
        destinations: BTreeMap::new(),
    };
    let want = State {
        services: [(service, virtual_service)].into(),
        elements: [Element::Vip(node, port), Element::Published(port)].into(),
        ..State::default()
    };
    let mut kernel = fake(State::default(), [0].into());
    let errors = execute(&mut kernel, &plan(&want, &State::default(), Prune::Allowed));
    assert_eq!(errors.len(), 1);
    assert_eq!(kernel.observe().unwrap(), State::default());
}

/// Also with a view in which nothing else goes: maps of the ruleset have each key once, and who is behind which port of a bridge
/// is what this node knows by itself.
#[test]
fn a_new_element_takes_the_place_of_the_one_with_its_key_and_of_no_other() {
    let [a, b] = [2, 3].map(|last| Ipv4Addr::new(10, 0, 0, last));
    let [at, other] = [8080, 8081].map(|number| Port::new(Be16::new(number), TCP));
    let mark = Element::TunnelMark(7, at, 2);
    let own = Element::OwnPortMark(7, a, 80, 2);
    for (old, new, replaced) in [
        (Element::Peer(a, a), Element::Peer(a, b), true),
        (Element::Peer(b, b), Element::Peer(a, b), false),
        (
            Element::CookieTo(a, [1; 3]),
            Element::CookieTo(a, [2; 3]),
            true,
        ),
        (
            Element::CookieTo(b, [1; 3]),
            Element::CookieTo(a, [2; 3]),
            false,
        ),
        (
            Element::CookieFrom(a, [1; 3]),
            Element::CookieTo(a, [2; 3]),
            false,
        ),
        (Element::TunnelMark(7, at, 1), mark, true),
        (Element::TunnelMark(8, at, 1), mark, false),
        (Element::TunnelMark(7, other, 1), mark, false),
        (Element::OwnPortMark(7, a, 80, 1), own, true),
        (Element::OwnPortMark(8, a, 80, 1), own, false),
        (Element::OwnPortMark(7, b, 80, 1), own, false),
        (Element::OwnPortMark(7, a, 81, 1), own, false),
        (Element::Endpoint(a, 1), Element::Endpoint(b, 2), true),
        (Element::Vip(a, at), Element::Vip(b, at), false),
    ] {
        let of = |element| State {
            elements: [element].into(),
            ..State::default()
        };
        let remove = if replaced { vec![old] } else { vec![] };
        let add = vec![new];
        let ops = plan(&of(new), &of(old), Prune::Withheld);
        assert_eq!(ops, [Op::Swap { remove, add }], "{old}, {new}");
    }
}
