//! What the back end knows from one view to the next, and tasks that one mark stands for.

use super::*;
use crate::backend::ipvs::Ipvs;
use crate::backend::{Backend as _, TaskAddresses};

const BRIDGED: Ipv4Addr = Ipv4Addr::new(172, 18, 0, 5);

/// Port 8080 of tasks here and elsewhere, to which routes lead, too.
fn routed() -> Desired {
    let mut want = want();
    change(&mut want, |service| service.routed_ports = [80].into());
    want
}

fn change(want: &mut Desired, change: impl FnOnce(&mut Service)) {
    change(Arc::make_mut(want.services.get_mut(&SERVICE).unwrap()));
}

#[test]
fn who_compares_the_addresses_of_tasks_sees_what_has_changed_and_at_once_that_nothing_has() {
    let mut want = routed();
    let have = State::default();
    let mut ipvs = Ipvs::default();
    ipvs.lower(&want, &have);
    let first = ipvs.task_addresses();
    assert_eq!(first.get(HERE), Some(BRIDGED.into()));
    ipvs.lower(&want, &have);
    let again = ipvs.task_addresses();
    let (TaskAddresses::Listed(a), TaskAddresses::Listed(b)) = (&first, &again) else {
        panic!("{first:?}, {again:?}")
    };
    assert!(Arc::ptr_eq(a, b));
    change(&mut want, |service| {
        service.backends.remove(&THERE);
    });
    ipvs.lower(&want, &have);
    let fewer = ipvs.task_addresses();
    assert_eq!(fewer.changes(&first), [THERE].into());
    assert_eq!(fewer.get(THERE), None);
}

#[test]
fn the_ports_that_were_lowered_last_are_in_use_whatever_the_kernel_has() {
    let mut ipvs = Ipvs::default();
    let none = State::default();
    assert!(ipvs.serving(&none).is_empty());
    ipvs.lower(&routed(), &none);
    let serving = ipvs.serving(&none);
    assert_eq!((serving.len(), &serving), (1, &routed().serving()));
    assert_eq!(ipvs.lowered(), &lower(&routed(), &BTreeMap::new()));
}

#[test]
fn a_task_of_this_node_is_held_as_soon_as_the_tunnel_leads_to_it() {
    let none = State::default();
    assert!(!Ipvs::holds(&none, HERE));
    let published = lowered(|_| {}).state;
    let routed = lowered(|service| {
        service.frontends.clear();
        service.routed_ports = [80].into();
    });
    for state in [published, routed.state] {
        assert!(Ipvs::holds(&state, HERE));
        // Their keys are on either side of its own.
        for other in [Key(1 << 41), THERE, Key(u64::MAX)] {
            assert!(!Ipvs::holds(&state, other), "{other}");
        }
    }
}

#[test]
fn tasks_of_one_service_that_share_a_tag_stand_in_for_each_other() {
    // Tags are of the upper bits of a key.
    let twin = Key(HERE.0 ^ 1);
    let lowered = lowered(|service| {
        let second = backend(
            Ipv4Addr::new(172, 18, 0, 6),
            Locality::Local { bridge: None },
        );
        service.backends.insert(twin, second);
    });
    let elements = lowered.state.elements.iter();
    let tags = elements.filter(|element| matches!(element, Element::TunnelMark(..)));
    assert_eq!(tags.count(), 1);
    assert_eq!(service(&lowered).destinations.len(), 3, "each has its turn");
    let services = lowered.state.services.keys();
    let marks = services.filter(|key| matches!(key, ServiceKey::Mark(_)));
    assert_eq!(marks.count(), 1);
}

#[test]
fn a_node_that_joins_leaves_the_route_addresses_of_others_as_they_are() {
    let of = |peers: &[u8]| -> BTreeMap<Ipv4Addr, Ipv4Addr> {
        let peers = peers.iter();
        let peers = peers.map(|last| (Ipv4Addr::new(10, 0, 0, *last), PeerKeys::Absent));
        let host = Host {
            peers: peers.collect(),
            ..host(NODE)
        };
        let want = Desired {
            host: Some(host.into()),
            ..Desired::default()
        };
        let elements = lower(&want, &BTreeMap::new()).state.elements.into_iter();
        let routes = elements.filter_map(|element| match element {
            Element::Peer(peer, address) => Some((peer, address)),
            _ => None,
        });
        routes.collect()
    };
    let before = of(&[3, 4, 5]);
    let after = of(&[2, 3, 4, 5]);
    assert_eq!((before.len(), after.len()), (3, 4));
    for (peer, address) in before {
        assert_eq!(after[&peer], address, "{peer}");
    }
}

#[test]
fn a_port_that_is_published_anew_leaves_the_marks_of_others_as_they_are() {
    let of = |ports: &[(u16, Proto)]| -> BTreeMap<Port, u32> {
        let lowered = lowered(|service| {
            let ports = ports.iter().map(|(published, proto)| Frontend {
                published: *published,
                ..frontend(*proto)
            });
            service.frontends = ports.collect();
        });
        let elements = lowered.state.elements.into_iter();
        let marks = elements.filter_map(|element| match element {
            Element::TunnelMark(_, port, mark) => Some((port, mark)),
            _ => None,
        });
        marks.collect()
    };
    let ports = [(8080, Proto::Udp), (8081, Proto::Tcp), (8081, Proto::Udp)];
    let first = [(8079, Proto::Tcp), (8080, Proto::Tcp)];
    let before = of(&ports);
    let after = of(&[&first[..], &ports].concat());
    assert_eq!((before.len(), after.len()), (3, 5));
    for (port, mark) in before {
        assert_eq!(after[&port], mark, "{port:?}");
    }
}
