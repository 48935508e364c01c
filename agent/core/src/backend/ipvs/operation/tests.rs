//! What is left of an operation where others failed.

use super::*;
use crate::backend::ipvs::Destination;
use lb_abi::{Be16, TCP};

const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

fn port() -> Port {
    Port::new(Be16::new(8080), TCP)
}

fn swap(remove: &[Element], add: &[Element]) -> Op {
    Op::Swap {
        remove: remove.to_vec(),
        add: add.to_vec(),
    }
}

#[test]
fn an_operation_is_held_up_by_what_it_builds_on_and_by_nothing_else() {
    let service = ServiceKey::Address(A, port());
    let to = |method| Op::PutDestination(service, (B, 80), Destination { method, weight: 1 });
    for (op, object, possible) in [
        (to(Method::Route), Object::Route(B), false),
        (to(Method::Route), Object::Route(A), true),
        (to(Method::Nat), Object::Route(B), true),
        (to(Method::Route), Object::Service(service), false),
        (to(Method::Nat), Object::Service(service), false),
        (to(Method::Nat), Object::Service(ServiceKey::Mark(1)), true),
        (Op::RemoveService(service), Object::Elements, false),
        (Op::RemoveService(service), Object::Destinations, true),
        (Op::RemoveRoutes(vec![A]), Object::Elements, false),
        (Op::RemoveRoutes(vec![A]), Object::Destinations, false),
        (Op::RemoveRoutes(vec![A]), Object::Route(A), true),
        (Op::RemoveRoutes(vec![A]), Object::NodeConfig, false),
    ] {
        let there = op.possible(&[object].into()).is_some();
        assert_eq!(there, possible, "{op}, {object:?}");
    }
}

#[test]
fn of_elements_those_stay_away_that_would_lead_nowhere_and_others_change() {
    let service = ServiceKey::Address(A, port());
    let marked = Object::Service(ServiceKey::Mark(9));
    let old = Element::Bridge(7);
    let other = Element::Restricted(port());
    for (element, object) in [
        (Element::Published(port()), Object::Port(port())),
        (Element::OwnAddress(A, B), Object::Route(A)),
        (Element::Vip(A, port()), Object::Service(service)),
        (Element::TunnelMark(7, port(), 9), marked),
        (Element::OwnPortMark(7, A, 80, 9), marked),
    ] {
        let left = |remove: &[Element], add: &[Element], failed| {
            let op = swap(remove, add);
            op.possible(&[failed].into()).map(Cow::into_owned)
        };
        for removed in [&[][..], &[old]] {
            let most = left(removed, &[element, other], object);
            assert_eq!(most, Some(swap(removed, &[other])), "{element}");
            let all = left(removed, &[element], Object::Route(B));
            assert_eq!(all, Some(swap(removed, &[element])), "{element}");
        }
        let removed = left(&[old], &[element], object);
        assert_eq!(removed, Some(swap(&[old], &[])), "{element}");
        assert_eq!(left(&[], &[element], object), None, "{element}");
    }
}

/// A node with many services has many elements.
#[test]
fn elements_are_not_copied_where_nothing_failed() {
    let op = swap(&[], &[Element::Published(port())]);
    let possible = op.possible(&BTreeSet::new());
    assert!(matches!(possible, Some(Cow::Borrowed(it)) if *it == op));
}
