use super::rules::definition;
use super::set_element::SetElement;
use super::*;
use ipnet::Ipv4Net;
use lb_abi::service::Port;
use lb_abi::{Be16, TCP, UDP};
use lb_core::model::token::{TokenKey, TokenKeys};
use lb_netlink::nft::{Change, Element, Expression, Found, Verdict};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn params() -> Params {
    Params {
        node: Ipv4Addr::new(10, 9, 0, 1),
        tunnel_port: 7790,
        tunnel_mtu: 1464,
        connections: 131_072,
    }
}

/// The comment of the tables that `replace` adds.
fn digest(params: &Params) -> String {
    let changes = replace(params, &Elements::default(), Vec::new());
    let digests: BTreeSet<String> = changes
        .into_iter()
        .filter_map(|change| match change {
            Change::AddTable(table) => table.comment,
            _ => None,
        })
        .collect();
    let [digest] = &Vec::from_iter(digests)[..] else {
        panic!("all tables have the same digest")
    };
    digest.clone()
}

#[test]
fn other_parameters_have_another_digest_and_the_same_the_same() {
    let others = [
        params(),
        Params {
            node: Ipv4Addr::new(10, 9, 0, 2),
            ..params()
        },
        Params {
            tunnel_port: 7791,
            ..params()
        },
        Params {
            tunnel_mtu: 1400,
            ..params()
        },
    ];
    let digests: BTreeSet<String> = others.iter().map(digest).collect();
    assert_eq!(digests.len(), others.len());
    assert_eq!(digest(&params()), digest(&params()));
}

#[test]
fn rules_use_only_sets_and_chains_that_are_before_them() {
    let (mut sets, mut chains) = (BTreeSet::new(), BTreeSet::new());
    for change in definition(&params()) {
        match change {
            Change::AddSet(set) => assert!(sets.insert(set.name)),
            Change::AddChain(chain) => assert!(chains.insert((chain.table, chain.name))),
            Change::AddRule(rule) => {
                assert!(chains.contains(&(rule.table, rule.chain)));
                for step in rule.expressions {
                    match step {
                        Expression::Lookup(set, ..) | Expression::Update { set, .. } => {
                            assert!(sets.contains(&set), "{set}");
                        }
                        Expression::Verdict(Verdict::Goto(chain) | Verdict::Jump(chain)) => {
                            assert!(chains.contains(&(rule.table, chain)), "{chain}");
                        }
                        _ => {}
                    }
                }
            }
            other => panic!("{other} is no rule"),
        }
    }
}

#[test]
fn nobody_decides_behind_a_step_that_may_fail() {
    for change in definition(&params()) {
        let Change::AddRule(rule) = change else {
            continue;
        };
        // A full set takes nothing new; what was found in it is there already.
        let mut found = BTreeSet::new();
        let mut fails = |step: &Expression| match step {
            Expression::Lookup(set, _, Found::Present | Found::Value(_)) => {
                found.insert(*set);
                false
            }
            Expression::Update { set, .. } => !found.contains(set),
            _ => false,
        };
        let mut expressions = rule.expressions.into_iter();
        if expressions.any(|step| fails(&step)) {
            let notes = |step: Expression| {
                use Expression::{Flip, Payload, SetSummed, Update};
                matches!(step, Flip(..) | Payload(..) | SetSummed(..) | Update { .. })
            };
            assert!(expressions.all(notes), "in chain {}", rule.chain);
        }
    }
}

#[test]
fn a_route_address_is_a_mark_with_the_same_bytes() {
    let pair = (Ipv4Addr::new(10, 9, 0, 2), Ipv4Addr::new(241, 0, 0, 2));
    assert_eq!(pair.element().value, Some(vec![241, 0, 0, 2]));
}

#[test]
fn no_form_for_people_shows_a_byte_of_the_keys() {
    let key = TokenKey::new([0xab; 16]);
    let keys = TokenKeys {
        epoch: 7,
        current: key,
        next: key,
    };
    let shown = format!("{keys:?} {:?}", keys.element());
    assert!(shown.contains('7'), "{shown}");
    assert!(!shown.contains("171") && !shown.contains("ab"), "{shown}");
}

fn address() -> impl Strategy<Value = Ipv4Addr> {
    any::<u32>().prop_map(Ipv4Addr::from)
}

fn port() -> impl Strategy<Value = Port> {
    let proto = prop_oneof![Just(TCP), Just(UDP)];
    (proto, any::<u16>()).prop_map(|(proto, number)| Port::new(Be16::new(number), proto))
}

fn survives<T: SetElement + PartialEq + std::fmt::Debug>(item: T) {
    assert_eq!(T::of(&item.element()), Some(item));
}

/// What a kernel has after these changes, as far as it takes them.
fn carried_out(have: BTreeMap<Vec<u8>, Element>, changes: &[Change]) -> Vec<Element> {
    let mut all = have;
    for change in changes {
        match change {
            Change::AddElements(_, elements) => {
                for element in elements {
                    let before = all.insert(element.key.bytes().to_vec(), element.clone());
                    assert_eq!(before, None);
                }
            }
            Change::DeleteElements(_, elements) => {
                for element in elements {
                    assert!(all.remove(element.key.bytes()).is_some());
                }
            }
            other => panic!("{other} is no change of elements"),
        }
    }
    all.into_values().collect()
}

proptest! {
    #[test]
    fn what_is_in_sets_survives_being_an_element(
        address in address(), route_address in address(), port in port(), number: u32, mark: u32,
        length in 0_u8..=32, bits: Bits, key: [u8; 16],
    ) {
        survives(port);
        survives(Service { address, port });
        survives(number);
        let network = Ipv4Net::new(address, length).unwrap().trunc();
        survives(Allowed { port, network });
        survives((address, route_address));
        survives((Tag { id: number, port }, mark));
        survives(Cookie { peer: address, bits });
        survives((address, bits));
        survives(TokenKeys {
            epoch: number, current: TokenKey::new([length; 16]), next: TokenKey::new(key),
        });
    }

    #[test]
    fn changes_lead_from_what_is_to_what_shall_be(
        want in proptest::collection::btree_map(0_u8..20, any::<u8>(), 0..20),
        have in proptest::collection::btree_map(0_u8..20, any::<u8>(), 0..20),
    ) {
        let address = |last| Ipv4Addr::new(10, 0, 0, last);
        let origins = |all: &BTreeMap<u8, u8>| -> BTreeMap<Ipv4Addr, Ipv4Addr> {
            all.iter().map(|(from, to)| (address(*from), address(*to))).collect()
        };
        let elements = |all| Elements { origins: origins(all), ..Elements::default() };
        let nothing = Elements::default();
        let keyed = |all: Vec<Element>| all.into_iter()
            .map(|it| (it.key.bytes().to_vec(), it)).collect::<BTreeMap<_, _>>();
        let before = carried_out(BTreeMap::new(), &elements(&have).changes(&nothing));
        let step = elements(&want).changes(&elements(&have));
        let after = carried_out(keyed(before), &step);
        prop_assert_eq!(after, carried_out(BTreeMap::new(), &elements(&want).changes(&nothing)));
        prop_assert_eq!(elements(&want).changes(&elements(&want)), Vec::new());
    }
}
