use crate::arrival::{PATIENCE, assert_count, connects, connects_not, hears_nothing, receive};
use crate::namespace::{in_namespace, run};
use crate::nft::nft;
use crate::tunnel::{COOKIE, encapsulated, peer};
use agent::kernel::ipvs::ruleset::*;
use lb_abi::service::Port;
use lb_abi::{Be16, TCP, UDP};
use lb_core::backend::ipvs::ids::TUNNEL;
use lb_core::backend::ipvs::{Element, ServiceKey};
use lb_core::model::token::{TokenKey, TokenKeys};
use lb_netlink::nft;
use lb_netlink::socket::NetlinkSocket;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::time::{Duration, Instant};

pub(crate) fn params() -> Params {
    Params {
        node: Ipv4Addr::new(10, 9, 0, 1),
        tunnel_port: 7790,
        tunnel_mtu: 1464,
        connections: 131_072,
        router_user: Some(60_081),
    }
}

/// Rules sit on a device of this name; that it is no tunnel makes no difference to them.
pub(crate) fn device() {
    run("ip", &["link", "add", TUNNEL, "type", "bridge"]);
}

pub(crate) fn tcp(port: u16) -> Port {
    Port::new(Be16::new(port), TCP)
}

pub(crate) fn udp(port: u16) -> Port {
    Port::new(Be16::new(port), UDP)
}

/// One element of each kind, at least.
pub(crate) fn elements() -> Elements {
    let here = Ipv4Addr::new(10, 9, 0, 1);
    let other = Ipv4Addr::new(10, 9, 0, 2);
    let task = Ipv4Addr::new(172, 18, 0, 3);
    let network = |network: &str| Element::Allowed(tcp(8080), network.parse().unwrap());
    let looked_up = [
        Element::Vip(here, tcp(8080)),
        Element::LocalReply(task, tcp(80)),
        Element::TrackedReply(Ipv4Addr::new(172, 18, 0, 4), tcp(80)),
        Element::Published(tcp(8080)),
        Element::DirectReturn(udp(53)),
        Element::Restricted(tcp(8080)),
        network("10.0.0.0/8"),
        network("192.168.3.4/32"),
        Element::Bridge(1),
        Element::Peer(other, Ipv4Addr::new(241, 0, 0, 2)),
        Element::CookieFrom(other, [9, 9, 9]),
        Element::CookieFrom(other, COOKIE),
        Element::CookieTo(other, COOKIE),
        Element::Endpoint(task, 12),
        Element::TunnelMark(77, tcp(8080), 0x5100_0001),
        Element::OwnPortMark(0x80_0077, Ipv4Addr::new(244, 0, 0, 4), 80, 0x5100_0002),
        Element::OwnAddress(Ipv4Addr::new(244, 0, 0, 9), Ipv4Addr::new(241, 0, 0, 2)),
        Element::OwnReply(Ipv4Addr::new(172, 18, 0, 5), tcp(80)),
    ];
    Elements {
        looked_up: looked_up.into(),
        owned: [
            ServiceKey::Address(here, tcp(8080)),
            ServiceKey::Mark(0x5100_0001),
        ]
        .into(),
        keys: Some(TokenKeys {
            epoch: 3,
            current: TokenKey::new([0xab; 16]),
            next: TokenKey::new([0xcd; 16]),
        }),
        incomplete: false,
    }
}

pub(crate) fn put(netlink: &mut NetlinkSocket, elements: &Elements) {
    let kept = volatile(netlink).unwrap();
    nft::apply(netlink, &replace(&params(), elements, kept)).unwrap();
}

#[test]
fn rules_are_found_right_until_they_or_their_parameters_are_others() {
    in_namespace("the rules", |netlink| {
        device();
        assert!(!is_current(netlink, &params()).unwrap());
        for _ in 0..2 {
            put(netlink, &elements());
            assert!(is_current(netlink, &params()).unwrap());
        }
        let other = Params {
            tunnel_mtu: 1400,
            ..params()
        };
        assert!(!is_current(netlink, &other).unwrap());
        for table in [TABLE, TABLE6, TABLE_TUNNEL] {
            put(netlink, &elements());
            nft::apply(netlink, &[nft::Change::DeleteTable(table)]).unwrap();
            assert!(!is_current(netlink, &params()).unwrap(), "{table}");
        }
        nft::apply(netlink, &removal()).unwrap();
        assert_eq!(nft::comment(netlink, TABLE).unwrap(), None);
    });
}

#[test]
fn rules_are_right_only_if_they_are_on_the_device() {
    in_namespace("another device", |netlink| {
        device();
        put(netlink, &elements());
        let on =
            |netlink: &mut NetlinkSocket| nft::devices(netlink, TABLE_TUNNEL, "tunnel").unwrap();
        assert_eq!(on(netlink), [TUNNEL]);
        run("ip", &["link", "delete", TUNNEL]);
        device();
        // From 6.16 on, the kernel puts them on the new one.
        let right = on(netlink) == [TUNNEL];
        assert_eq!(is_current(netlink, &params()).unwrap(), right);
        put(netlink, &elements());
        assert!(is_current(netlink, &params()).unwrap());
    });
}

#[test]
fn elements_are_read_as_they_were_put_and_follow_changes() {
    in_namespace("the elements", |netlink| {
        device();
        assert_eq!(Elements::read(netlink).unwrap(), Elements::default());
        put(netlink, &elements());
        assert_eq!(Elements::read(netlink).unwrap(), elements());
        let other = |element| match element {
            Element::Vip(..) | Element::CookieFrom(_, COOKIE) => None,
            Element::Allowed(port, _) => Some(Element::Allowed(port, "0.0.0.0/0".parse().unwrap())),
            Element::TunnelMark(id, port, mark) => Some(Element::TunnelMark(id, port, mark + 1)),
            Element::Peer(node, _) => Some(Element::Peer(node, Ipv4Addr::new(241, 0, 0, 9))),
            Element::CookieTo(node, [a, b, c]) => Some(Element::CookieTo(node, [a, b, c + 1])),
            Element::Endpoint(task, port) => Some(Element::Endpoint(task, port + 1)),
            same => Some(same),
        };
        let other = Elements {
            looked_up: elements().looked_up.into_iter().filter_map(other).collect(),
            owned: BTreeSet::new(),
            keys: elements().keys.map(|keys| TokenKeys {
                next: TokenKey::new([7; 16]),
                ..keys
            }),
            incomplete: false,
        };
        nft::apply(netlink, &other.changes(&elements())).unwrap();
        assert_eq!(Elements::read(netlink).unwrap(), other);
    });
}

#[test]
fn a_node_without_a_way_back_is_none_and_does_not_go_unnoticed() {
    in_namespace("a half of a node", |netlink| {
        device();
        let node = Ipv4Addr::new(10, 9, 0, 2);
        let whole = peer(node);
        put(netlink, &whole);
        nft::apply(netlink, &[nft::Change::Flush(ORIGINS)]).unwrap();
        let read = Elements::read(netlink).unwrap();
        assert!(read.incomplete);
        let without = |element: &Element| !matches!(element, Element::Peer(..));
        let expected: BTreeSet<Element> = whole.looked_up.into_iter().filter(without).collect();
        assert_eq!(read.looked_up, expected);
    });
}

#[test]
fn ports_under_which_connections_are_presented_survive_new_rules() {
    in_namespace("remapped ports and new rules", |netlink| {
        device();
        put(netlink, &elements());
        let known = "10.8.0.2 . 40000 . 10.9.0.1 . 8080 timeout 1h : 23616";
        if !nft(&format!(
            "add element ip swarmlb remapped_ports {{ {known} }}"
        )) {
            return;
        }
        put(netlink, &elements());
        let listed = run("nft", &["list", "map", "ip", "swarmlb", "remapped_ports"]);
        assert!(listed.contains(": 23616"), "{listed}");
    });
}

#[test]
fn a_lease_ends_by_itself_and_can_be_prolonged() {
    in_namespace("the lease", |netlink| {
        device();
        put(netlink, &Elements::default());
        assert_eq!(lease_left(netlink).unwrap(), None);
        nft::apply(netlink, &lease(Duration::from_secs(1))).unwrap();
        assert!(lease_left(netlink).unwrap().is_some());
        nft::apply(netlink, &lease(Duration::from_secs(2))).unwrap();
        assert!(lease_left(netlink).unwrap().unwrap() > Duration::from_secs(1));
        // It survives new tables.
        put(netlink, &Elements::default());
        let left = lease_left(netlink).unwrap().unwrap();
        assert!(left <= Duration::from_secs(2));
        let end = Instant::now() + Duration::from_secs(10);
        while lease_left(netlink).unwrap().is_some() {
            assert!(Instant::now() < end, "the lease never ends");
            std::thread::sleep(Duration::from_millis(50));
        }
        nft::apply(netlink, &lease(Duration::from_secs(1))).unwrap();
        assert!(lease_left(netlink).unwrap().is_some());
    });
}

#[test]
fn tunnel_packets_of_strangers_are_dropped_and_counted() {
    in_namespace("strangers", |netlink| {
        device();
        let mut elements = elements();
        put(netlink, &elements);
        run("ip", &["address", "add", "10.9.0.1/32", "dev", "lo"]);
        let tunnel = UdpSocket::bind("0.0.0.0:7790").unwrap();
        let sender = UdpSocket::bind("127.0.0.5:0").unwrap();
        let packet = encapsulated(7, b"x");
        sender.send_to(&packet, "10.9.0.1:7790").unwrap();
        assert!(hears_nothing(&tunnel));
        assert_count(netlink, "stranger", 1);
        let known = peer(Ipv4Addr::new(127, 0, 0, 5));
        elements.looked_up.extend(known.looked_up);
        put(netlink, &elements);
        sender.send_to(&packet, "10.9.0.1:7790").unwrap();
        let (_, heard) = receive(&tunnel, PATIENCE).unwrap();
        assert_eq!(heard.len(), packet.len());
        assert_count(netlink, "stranger", 0);
        // To another address of this node, no node sends any.
        sender.send_to(&packet, "127.0.0.1:7790").unwrap();
        assert!(hears_nothing(&tunnel));
        assert_count(netlink, "stranger", 1);
    });
}

/// A listener on loopback whose address is a VIP. Whether IPVS serves it is of no interest to the rules.
pub(crate) fn served() -> (TcpListener, SocketAddr, Elements) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let vip = Element::Vip(Ipv4Addr::LOCALHOST, tcp(at.port()));
    (listener, at, Elements::from_iter([vip]))
}

#[test]
fn without_a_lease_new_connections_are_left_to_the_kernel_and_remembered() {
    in_namespace("released connections", |netlink| {
        device();
        let (_listener, at, elements) = served();
        put(netlink, &elements);
        nft::apply(netlink, &lease(Duration::from_secs(100))).unwrap();
        assert!(connects(&at));
        assert_count(netlink, "released", 0);
        nft::apply(netlink, &[nft::Change::Flush(LEASE)]).unwrap();
        assert!(connects(&at));
        assert_count(netlink, "released", 1);
        let [one] = &nft::elements(netlink, RELEASED).unwrap().unwrap()[..] else {
            panic!("one connection was released")
        };
        let [_, _, address, [high, low, ..]] = one.key.words().unwrap();
        assert_eq!(address, [127, 0, 0, 1]);
        assert_eq!(u16::from_be_bytes([high, low]), at.port());
        // New tables still know it.
        put(netlink, &elements);
        assert_eq!(nft::elements(netlink, RELEASED).unwrap().unwrap().len(), 1);
    });
}

#[test]
fn who_may_not_call_is_dropped_and_counted() {
    in_namespace("restrictions", |netlink| {
        device();
        let (_listener, at, mut elements) = served();
        let port = tcp(at.port());
        elements.looked_up.insert(Element::Restricted(port));
        put(netlink, &elements);
        nft::apply(netlink, &lease(Duration::from_secs(100))).unwrap();
        assert!(connects_not(&at));
        assert!(counts(netlink).unwrap()["refused"] >= 1);
        let network = "127.0.0.0/8".parse().unwrap();
        elements.looked_up.insert(Element::Allowed(port, network));
        put(netlink, &elements);
        assert!(connects(&at));
        assert_count(netlink, "refused", 0);
    });
}

#[test]
fn what_rules_count_is_told_by_their_names() {
    in_namespace("counts", |netlink| {
        device();
        put(netlink, &elements());
        assert!(is_current(netlink, &params()).unwrap());
        let expected = [
            "agent called",
            "bad token",
            "forged",
            "no room",
            "refused",
            "released",
            "returned",
            "sent back",
            "spoofed",
            "stranger",
            "unasked",
            "unknown task",
        ];
        let expected: BTreeMap<String, u64> = expected.map(|name| (name.to_owned(), 0)).into();
        assert_eq!(counts(netlink).unwrap(), expected);
    });
}
