use super::*;
use crate::ipvs::lower;
use crate::node::Node;
use lb_abi::{Be16, Be32};
use proptest::prelude::*;

/// What a node has for one peer, of which it was told these keys, itself in this epoch of its own.
fn node(own: Ipv4Addr, epoch: u32, keys: TokenKeys, peer: Ipv4Addr, told: TokenKeys) -> State {
    let want = state::State {
        settings: Some(Settings {
            node: Be32::new(own.into()),
            tunnel_port: Be16::new(7788),
            mac: [2; 6],
            zero: [0; 4],
            epoch,
            uplink: 2,
            mtu: 1500,
            bridge: 0,
            network: 1,
        }),
        token_keys: Some(keys),
        peers: [(peer, told)].into(),
        ..state::State::default()
    };
    lower(&want, &Node::default()).state
}

/// The keys that follow each other, and what others are told of them in each epoch.
fn told(seed: u8, epoch: u32) -> TokenKeys {
    let key = |epoch: u32| TokenKey::new([seed ^ u8::try_from(epoch).unwrap(); 16]);
    TokenKeys::new(epoch, key(epoch), key(epoch + 1))
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
            node(own, epoch, told(seed, epoch), peer, told(theirs, heard))
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
        prop_assert_ne!(cookie(&TokenKey::new(key), from, to), [0; 3]);
    }
}

const HERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const THIRD: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 3);

/// What an implementation apart from this one computes.
#[test]
fn a_cookie_is_siphash_1_3_of_both_addresses() {
    let key: [u8; 16] = std::array::from_fn(|byte| u8::try_from(byte).unwrap());
    assert_eq!(cookie(&TokenKey::new(key), HERE, PEER), [0xcb, 0x9c, 0x3b]);
}

#[test]
fn a_cookie_is_good_for_one_way_between_two_nodes_and_two_epochs() {
    let keys = told(64, 5);
    let here = node(HERE, 5, keys, PEER, keys);
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
        let other = node(own, 5, told(1, 5), peer, told(64, heard));
        assert!(!taken(&other).contains(&to_peer), "{own} {peer} {heard}");
    }
    assert_eq!(taken(&here).len(), 2);
}

#[test]
fn a_node_keeps_its_keys_for_the_next_agent() {
    let keys = told(64, 5);
    let kept = node(HERE, 5, keys, PEER, keys).keys.unwrap();
    let key = |key: token::TokenKey| TokenKey::new(key.bytes());
    let again = TokenKeys::new(kept.epoch, key(kept.current), key(kept.next));
    assert_eq!((kept.epoch, again), (5, keys));
}

#[test]
fn cookies_of_nodes_that_are_not_heard_of_stay_and_others_go() {
    let keys = told(64, 5);
    let before = node(HERE, 5, keys, PEER, told(1, 5));
    let keeps = |peer, told| {
        let mut want = node(HERE, 5, keys, peer, told);
        let without = taken(&want);
        want.keep_cookies(&before);
        (without, taken(&want))
    };
    let nothing = TokenKeys::default();
    assert_eq!(keeps(PEER, nothing), (BTreeSet::new(), taken(&before)));
    assert_eq!(keeps(THIRD, nothing), (BTreeSet::new(), BTreeSet::new()));
    let (new, kept) = keeps(PEER, told(1, 7));
    assert_eq!((new.len(), &new), (2, &kept));
}
