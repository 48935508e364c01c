use super::*;
use crate::backend::ipvs::lower;
use crate::desired::{Desired, PeerKeys};
use crate::testing;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What a node has for one peer, of which it was told these keys, itself with these of its own.
fn node(own: Ipv4Addr, keys: TokenKeys, peer: Ipv4Addr, told: PeerKeys) -> State {
    let host = Host {
        token_keys: Some(keys),
        peers: [(peer, told)].into(),
        ..testing::host(own)
    };
    let want = Desired {
        host: Some(host.into()),
        ..Desired::default()
    };
    lower(&want, &BTreeMap::new()).state
}

/// The keys that follow each other, and what others are told of them in each epoch.
fn told(seed: u8, epoch: u32) -> TokenKeys {
    let key = |epoch: u32| TokenKey::new([seed ^ u8::try_from(epoch).unwrap(); 16]);
    TokenKeys {
        epoch,
        current: key(epoch),
        next: key(epoch + 1),
    }
}

fn sent(state: &State) -> Vec<Cookie> {
    let all = state.elements.iter();
    let sent = all.filter_map(|element| match element {
        Element::CookieTo(_, cookie) => Some(*cookie),
        _ => None,
    });
    sent.collect()
}

fn taken(state: &State) -> BTreeSet<Cookie> {
    let all = state.elements.iter();
    let taken = all.filter_map(|element| match element {
        Element::CookieFrom(_, cookie) => Some(*cookie),
        _ => None,
    });
    taken.collect()
}

fn address() -> impl Strategy<Value = Ipv4Addr> {
    (1u32..).prop_map(Ipv4Addr::from)
}

proptest! {
    /// Whoever has heard of the sender's present or last keys takes what it sends, both ways and in every epoch.
    #[test]
    fn what_one_node_sends_is_what_the_other_takes(
        one in address(), other in address(), seed in 64u8.., epochs in (1u32..60, 1u32..60),
    ) {
        prop_assume!(one != other);
        let (a, b) = epochs;
        let of = |own, epoch, seed, peer, heard, theirs| {
            node(own, told(seed, epoch), peer, PeerKeys::Known(told(theirs, heard)))
        };
        let second = seed ^ 1;
        for late in [0, 1] {
            let here = of(one, a, seed, other, b - late, second);
            let there = of(other, b, second, one, a - late, seed);
            for (from, to) in [(&here, &there), (&there, &here)] {
                let sent = sent(from);
                prop_assert_eq!(sent.len(), 1);
                prop_assert!(taken(to).contains(&sent[0]));
            }
        }
    }

    #[test]
    fn a_cookie_is_never_what_the_kernel_itself_sends(key: [u8; 16], from in address(), to in address()) {
        prop_assert_ne!(cookie(TokenKey::new(key), from, to), [0; 3]);
    }
}

const HERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const THIRD: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 3);

/// What an implementation apart from this one computes.
#[test]
fn a_cookie_is_siphash_1_3_of_both_addresses() {
    let key: [u8; 16] = std::array::from_fn(|byte| u8::try_from(byte).unwrap());
    assert_eq!(cookie(TokenKey::new(key), HERE, PEER), [0xcb, 0x9c, 0x3b]);
}

#[test]
fn a_cookie_is_good_for_one_way_between_two_nodes_and_two_epochs() {
    let keys = told(64, 5);
    let here = node(HERE, keys, PEER, PeerKeys::Known(keys));
    let [to_peer] = sent(&here)[..] else {
        panic!("one for each node")
    };
    for (own, peer, heard) in [
        (PEER, THIRD, 5),
        (THIRD, HERE, 5),
        (HERE, PEER, 5),
        (PEER, HERE, 3),
        (PEER, HERE, 6),
    ] {
        let other = node(own, told(1, 5), peer, PeerKeys::Known(told(64, heard)));
        assert!(!taken(&other).contains(&to_peer), "{own} {peer} {heard}");
    }
    assert_eq!(taken(&here).len(), 2);
}

#[test]
fn a_node_keeps_its_keys_for_the_next_agent() {
    let keys = told(64, 5);
    let kept = node(HERE, keys, PEER, PeerKeys::Known(keys)).keys;
    assert_eq!(kept, Some(keys));
}

#[test]
fn cookies_of_nodes_that_are_not_heard_of_stay_and_others_go() {
    let keys = told(64, 5);
    let before = node(HERE, keys, PEER, PeerKeys::Known(told(1, 5)));
    let keeps = |peer, told| {
        let mut want = node(HERE, keys, peer, told);
        let without = taken(&want);
        want.keep_cookies(&before);
        (without, taken(&want))
    };
    for nothing in [PeerKeys::Absent, PeerKeys::Unknown] {
        assert_eq!(keeps(PEER, nothing), (BTreeSet::new(), taken(&before)));
        assert_eq!(keeps(THIRD, nothing), (BTreeSet::new(), BTreeSet::new()));
    }
    let (new, kept) = keeps(PEER, PeerKeys::Known(told(1, 7)));
    assert_eq!((new.len(), &new), (2, &kept));
}

#[test]
fn keys_that_were_known_stay_until_something_else_is_heard_of_the_node() {
    let host = |own, told| Host {
        peers: [(PEER, told)].into(),
        ..testing::host(own)
    };
    let lowered = |own, told, known: &BTreeMap<_, _>| {
        let want = Desired {
            host: Some(host(own, told).into()),
            ..Desired::default()
        };
        lower(&want, known)
    };
    let known = PeerKeys::Known(told(1, 5));
    let first = lowered(HERE, known, &BTreeMap::new());
    let silent = lowered(THIRD, PeerKeys::Unknown, &first.peer_keys);
    // Also at another address of this node, for which cookies are others.
    assert_eq!(silent, lowered(THIRD, known, &BTreeMap::new()));
    assert_ne!(taken(&silent.state), taken(&first.state));
    let absent = lowered(THIRD, PeerKeys::Absent, &silent.peer_keys);
    assert!(absent.peer_keys.is_empty() && taken(&absent.state).is_empty());
}

#[test]
fn a_key_of_zeros_is_none() {
    let zeros = TokenKeys {
        epoch: 0,
        current: TokenKey::new([0; 16]),
        next: TokenKey::new([0; 16]),
    };
    let state = node(HERE, told(64, 5), PEER, PeerKeys::Known(zeros));
    assert_eq!(taken(&state), BTreeSet::new());
}
