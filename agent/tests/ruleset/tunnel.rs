//! What comes out of a real tunnel, whose packets a neighbour on loopback makes.

use crate::arrival::{assert_count, hears, hears_nothing};
use crate::namespace::{in_namespace, run};
use crate::ruleset::{params, put, tcp, udp};
use agent::kernel::ipvs::routes::{RouteHandle, Tunnel};
use agent::kernel::ipvs::ruleset::*;
use etherparse::{Icmpv4Type, PacketBuilder, icmpv4};
use lb_abi::service::Port;
use lb_core::backend::ipvs::ids::TASK_MARKS;
use lb_core::backend::ipvs::{Cookie, Element};
use lb_netlink::socket::NetlinkSocket;
use std::net::{Ipv4Addr, UdpSocket};

pub(crate) const TAG: u32 = 77;
/// Nobody's here, as the node's that the client called.
pub(crate) const CALLED: [u8; 4] = [192, 0, 2, 7];
pub(crate) const CLIENT: [u8; 4] = [203, 0, 113, 9];

/// What packets from and to any neighbour bear.
pub(crate) const COOKIE: Cookie = [0xc0, 0x0c, 0x1e];

/// What there is for a node with this address.
pub(crate) fn peer(peer: Ipv4Addr) -> Elements {
    let route_address = Ipv4Addr::new(241, 0, 0, peer.octets()[3]);
    Elements::from_iter([
        Element::Peer(peer, route_address),
        Element::CookieFrom(peer, COOKIE),
        Element::CookieTo(peer, COOKIE),
    ])
}

/// A neighbour, whose packets the tunnel takes; the only task has a tag and this port.
pub(crate) fn neighbour_node(netlink: &mut NetlinkSocket, port: Port) -> UdpSocket {
    let tunnel = Tunnel::over(1500, params().tunnel_port);
    RouteHandle::open().unwrap().make_tunnel(&tunnel).unwrap();
    run("ip", &["address", "add", "10.9.0.1/32", "dev", "lo"]);
    let address = Ipv4Addr::new(127, 0, 0, 5);
    let mut elements = peer(address);
    let mark = Element::TunnelMark(TAG, port, TASK_MARKS | 1);
    elements.looked_up.insert(mark);
    put(netlink, &elements);
    let neighbour = UdpSocket::bind((address, 0)).unwrap();
    neighbour.connect((params().node, tunnel.port)).unwrap();
    neighbour
}

/// VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe): a number, and an IPv4 packet.
pub(crate) fn encapsulated(id: u32, packet: &[u8]) -> Vec<u8> {
    with_cookie(COOKIE, id, packet)
}

pub(crate) fn with_cookie([first, second, last]: Cookie, id: u32, packet: &[u8]) -> Vec<u8> {
    let [_, high, middle, low] = id.to_be_bytes();
    let header = [0x0c, first, second, 1, high, middle, low, last];
    [&header[..], packet].concat()
}

fn syn(port: u16) -> Vec<u8> {
    let builder = PacketBuilder::ipv4(CLIENT, CALLED, 64).tcp(4000, port, 7, 1000);
    let mut packet = Vec::new();
    builder.syn().write(&mut packet, &[]).unwrap();
    packet
}

pub(crate) fn datagram(called: [u8; 4], port: u16) -> Vec<u8> {
    let builder = PacketBuilder::ipv4(CLIENT, called, 64).udp(4000, port);
    let mut packet = Vec::new();
    builder.write(&mut packet, b"x").unwrap();
    packet
}

#[test]
fn a_call_for_a_task_that_is_gone_does_not_reach_whatever_listens_here() {
    in_namespace("a tag that names nobody", |netlink| {
        let neighbour = neighbour_node(netlink, tcp(8080));
        for (id, port, unknown) in [(TAG, 8080, 0), (TAG, 8081, 1), (TAG + 1, 8080, 2)] {
            neighbour.send(&encapsulated(id, &syn(port))).unwrap();
            assert_count(netlink, "unknown task", unknown);
        }
    });
}

/// What a client or a router has to say about what a task sent from this port.
fn complaint(port: u16) -> Vec<u8> {
    let sent = PacketBuilder::ipv4(CALLED, CLIENT, 64).udp(port, 4000);
    let mut about = Vec::new();
    sent.write(&mut about, b"x").unwrap();
    let unreachable = Icmpv4Type::DestinationUnreachable(icmpv4::DestUnreachableHeader::Port);
    let builder = PacketBuilder::ipv4(CLIENT, CALLED, 64).icmpv4(unreachable);
    let mut packet = Vec::new();
    builder.write(&mut packet, &about).unwrap();
    packet
}

#[test]
fn what_names_no_task_reaches_no_socket_but_errors_about_flows_that_are_known() {
    in_namespace("a tag that names nobody, and no SYN", |netlink| {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let neighbour = neighbour_node(netlink, udp(port));
        let unknown = encapsulated(TAG + 1, &datagram(CALLED, port));
        neighbour.send(&unknown).unwrap();
        assert!(hears_nothing(&socket));
        assert_count(netlink, "unknown task", 1);
        let error = encapsulated(TAG, &complaint(port));
        neighbour.send(&error).unwrap();
        assert_count(netlink, "unknown task", 2);
        let known = encapsulated(TAG, &datagram(CALLED, port));
        neighbour.send(&known).unwrap();
        assert!(hears(&socket));
        neighbour.send(&error).unwrap();
        let other = encapsulated(TAG, &complaint(port + 1));
        neighbour.send(&other).unwrap();
        assert_count(netlink, "unknown task", 3);
    });
}

#[test]
fn the_tunnel_takes_nothing_by_ipv6() {
    in_namespace("a tunnel packet by IPv6", |netlink| {
        let task = UdpSocket::bind("0.0.0.0:0").unwrap();
        let port = task.local_addr().unwrap().port();
        let by_ipv4 = neighbour_node(netlink, udp(port));
        let by_ipv6 = UdpSocket::bind("[::1]:0").unwrap();
        by_ipv6.connect(("::1", params().tunnel_port)).unwrap();
        let packet = encapsulated(TAG, &datagram(CALLED, port));
        let bare = with_cookie([0; 3], TAG, &datagram(CALLED, port));
        by_ipv6.send(&bare).unwrap();
        assert!(hears_nothing(&task));
        assert_count(netlink, "stranger", 1);
        by_ipv4.send(&packet).unwrap();
        assert!(hears(&task));
    });
}

#[test]
fn clients_from_anywhere_come_in_where_the_host_checks_sources_strictly() {
    in_namespace("strict checks of sources", |netlink| {
        let task = UdpSocket::bind("0.0.0.0:0").unwrap();
        let port = task.local_addr().unwrap().port();
        let neighbour = neighbour_node(netlink, udp(port));
        run("sysctl", &["-q", "net.ipv4.conf.all.rp_filter=1"]);
        let packet = encapsulated(TAG, &datagram(CALLED, port));
        neighbour.send(&packet).unwrap();
        assert!(hears(&task));
        // It is the rule that lets it in.
        run("ip", &["rule", "del", "pref", "5001"]);
        neighbour.send(&packet).unwrap();
        assert!(hears_nothing(&task));
    });
}
