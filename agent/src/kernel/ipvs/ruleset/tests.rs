use super::rules::definition;
use super::set_element::{DECODED, DECODED_OWNED, keys, keys_of, owned, to_sets};
use super::*;
use ipnet::Ipv4Net;
use lb_abi::service::Port;
use lb_abi::{Be16, TCP, UDP};
use lb_core::backend::ipvs::{Element, ServiceKey};
use lb_core::model::token::{TokenKey, TokenKeys};
use lb_netlink::nft::{self, Change, Comparison, Expression, Found, Meta, SetName, Verdict};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn params() -> Params {
    Params {
        node: Ipv4Addr::new(10, 9, 0, 1),
        tunnel_port: 7790,
        tunnel_mtu: 1464,
        connections: 131_072,
        router_user: Some(60_081),
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
        Params {
            router_user: Some(999),
            ..params()
        },
        Params {
            router_user: None,
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
fn one_rule_lets_the_routers_user_open_connections_and_none_does_without_a_router() {
    let by_user = |router_user: Option<u32>| {
        let params = Params {
            router_user,
            ..params()
        };
        let rules = definition(&params).into_iter().filter(|change| {
            let Change::AddRule(rule) = change else {
                return false;
            };
            rule.expressions.windows(2).any(|pair| {
                use Expression::{Compare, Meta as Load};
                matches!(
                    pair,
                    [Load(Meta::User, _), Compare(_, Comparison::Equal, _)]
                )
            })
        });
        rules.count()
    };
    assert_eq!((by_user(Some(60_081)), by_user(None)), (1, 0));
}

#[test]
fn a_route_address_is_a_mark_with_the_same_bytes() {
    let node = Element::Peer(Ipv4Addr::new(10, 9, 0, 2), Ipv4Addr::new(241, 0, 0, 2));
    for (set, element) in to_sets(&node) {
        assert_eq!(element.value, Some(vec![241, 0, 0, 2]), "{set}");
    }
}

#[test]
fn no_form_for_people_shows_a_byte_of_the_keys() {
    let key = TokenKey::new([0xab; 16]);
    let all = TokenKeys {
        epoch: 7,
        current: key,
        next: key,
    };
    let shown = format!("{all:?} {:?}", keys(&all));
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

/// One element of each kind.
fn element() -> impl Strategy<Value = Element> {
    let numbers = (any::<u32>(), any::<u32>(), any::<[u8; 3]>(), 0_u8..=32);
    (address(), address(), port(), numbers, 0..13).prop_map(
        |(address, other, port, (number, mark, cookie, length), kind)| match kind {
            0 => Element::Bridge(number),
            1 => Element::Peer(address, other),
            2 => Element::CookieFrom(address, cookie),
            3 => Element::CookieTo(address, cookie),
            4 => Element::TunnelMark(number, port, mark),
            5 => Element::Allowed(port, Ipv4Net::new(address, length).unwrap().trunc()),
            6 => Element::Restricted(port),
            7 => Element::DirectReturn(port),
            8 => Element::Published(port),
            9 => Element::LocalReply(address, port),
            10 => Element::TrackedReply(address, port),
            11 => Element::Endpoint(address, number),
            _ => Element::Vip(address, port),
        },
    )
}

/// What the sets hold, by set and key.
type Held = BTreeMap<(SetName, Vec<u8>), nft::Element>;

/// What a kernel has after these changes, as far as it takes them.
fn carried_out(have: Held, changes: &[Change]) -> Held {
    let mut all = have;
    for change in changes {
        match change {
            Change::AddElements(set, elements) => {
                for element in elements {
                    let key = (*set, element.key.bytes().to_vec());
                    assert_eq!(all.insert(key, element.clone()), None);
                }
            }
            Change::DeleteElements(set, elements) => {
                for element in elements {
                    let key = (*set, element.key.bytes().to_vec());
                    assert!(all.remove(&key).is_some());
                }
            }
            other => panic!("{other} is no change of elements"),
        }
    }
    all
}

proptest! {
    #[test]
    fn what_is_in_sets_is_read_as_it_was_put(element in element()) {
        let mut read = 0;
        for (set, put) in to_sets(&element) {
            if let Some((_, decode)) = DECODED.iter().find(|(name, _)| *name == set) {
                prop_assert_eq!(decode(&put), Some(element));
                read += 1;
            }
        }
        // The others are read from two maps.
        let pair = matches!(element, Element::Peer(..) | Element::CookieTo(..));
        prop_assert_eq!(read, usize::from(!pair));
    }

    #[test]
    fn records_of_virtual_services_and_keys_are_read_as_they_were_put(
        address in address(), port in port(), number: u32, key: [u8; 16], other: [u8; 16],
    ) {
        for service in [ServiceKey::Address(address, port), ServiceKey::Mark(number)] {
            let (set, put) = owned(service);
            let (_, decode) = DECODED_OWNED.into_iter().find(|(name, _)| *name == set).unwrap();
            prop_assert_eq!(decode(&put), Some(service));
        }
        let [current, next] = [key, other].map(TokenKey::new);
        let all = TokenKeys { epoch: number, current, next };
        prop_assert_eq!(keys_of(&keys(&all)), Some(all));
    }

    #[test]
    fn changes_lead_from_what_is_to_what_shall_be(
        want in proptest::collection::btree_map(0_u8..20, any::<u8>(), 0..20),
        have in proptest::collection::btree_map(0_u8..20, any::<u8>(), 0..20),
    ) {
        let address = |last| Ipv4Addr::new(10, 0, 0, last);
        let elements = |all: &BTreeMap<u8, u8>| -> Elements {
            let all = all.iter().map(|(from, to)| (address(*from), *to));
            // Of each kind that has a value, and tasks that get another port of a bridge.
            let each = all.flat_map(|(from, to)| [
                Element::Peer(from, address(to)),
                Element::CookieTo(from, [1, 2, to]),
                Element::Endpoint(from, u32::from(to)),
            ]);
            each.collect()
        };
        let nothing = Elements::default();
        let whole = |all| carried_out(Held::new(), &elements(all).changes(&nothing));
        let step = elements(&want).changes(&elements(&have));
        prop_assert_eq!(carried_out(whole(&have), &step), whole(&want));
        prop_assert_eq!(elements(&want).changes(&elements(&want)), Vec::new());
    }
}
