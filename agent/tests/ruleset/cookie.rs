//! The cookie of tunnel packets: what does not bear its sender's gets nowhere, and what does gets through the kernel's
//! own VXLAN from one node to another.

use crate::arrival::{PATIENCE, assert_count, hears, hears_nothing, receive};
use crate::namespace::{in_namespace, run};
use crate::neighbour::neighbour;
use crate::ruleset::{device, params, put, udp};
use crate::tunnel::{CALLED, COOKIE, TAG, datagram, neighbour_node, peer, with_cookie};
use agent::kernel::ipvs::routes::{RouteHandle, Tunnel};
use agent::kernel::ipvs::ruleset::*;
use etherparse::PacketBuilder;
use lb_core::backend::ipvs::Element;
use lb_core::backend::ipvs::ids::{TASK_MARKS, TUNNEL};
use lb_netlink::socket::NetlinkSocket;
use netlink_sys::protocols::NETLINK_NETFILTER;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, SockaddrIn, sendto, socket};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::sync::mpsc::channel;

/// A socket of this namespace, and its port.
fn task() -> (UdpSocket, u16) {
    let task = UdpSocket::bind("0.0.0.0:0").unwrap();
    let port = task.local_addr().unwrap().port();
    (task, port)
}

#[test]
fn what_does_not_bear_its_senders_cookie_reaches_no_task() {
    in_namespace("cookies of tunnel packets", |netlink| {
        let (task, port) = task();
        let neighbour = neighbour_node(netlink, udp(port));
        let next = [0x11, 0x22, 0x33];
        let others = [0x44, 0x55, 0x66];
        let mut elements = Elements::read(netlink).unwrap();
        elements.looked_up.extend([
            Element::CookieFrom(Ipv4Addr::new(127, 0, 0, 5), next),
            Element::CookieFrom(Ipv4Addr::new(127, 0, 0, 6), others),
        ]);
        put(netlink, &elements);
        let packet = datagram(CALLED, port);
        let [a, b, c] = COOKIE;
        let bad = [
            [0; 3],
            [a, b, c ^ 1],
            [a, b ^ 0x80, c],
            [a ^ 1, b, c],
            [a, b, next[2]],
            [c, b, a],
            others,
        ];
        for (number, cookie) in bad.into_iter().enumerate() {
            let packet = with_cookie(cookie, TAG, &packet);
            neighbour.send(&packet).unwrap();
            assert!(hears_nothing(&task), "{cookie:x?}");
            assert_count(netlink, "bad token", number as u64 + 1);
        }
        // Of both epochs.
        for good in [COOKIE, next] {
            neighbour.send(&with_cookie(good, TAG, &packet)).unwrap();
            assert!(hears(&task), "{good:x?}");
        }
        // Nor what ends before it.
        neighbour.send(&with_cookie(COOKIE, TAG, &[])[..7]).unwrap();
        assert_count(netlink, "bad token", bad.len() as u64 + 1);
        assert_count(netlink, "stranger", 0);
    });
}

/// What each of two nodes has: a tunnel, and the other one for a peer.
fn node(netlink: &mut NetlinkSocket, node: Ipv4Addr, elements: &Elements) {
    let tunnel = Tunnel::over(1500, params().tunnel_port);
    RouteHandle::open().unwrap().make_tunnel(&tunnel).unwrap();
    let params = Params { node, ..params() };
    lb_netlink::nft::apply(netlink, &replace(&params, elements, Vec::new())).unwrap();
}

const HERE: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 1);
const THERE: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 2);

#[test]
fn what_one_node_sends_into_the_tunnel_comes_out_of_it_at_another() {
    in_namespace("the tunnel from node to node", |netlink| {
        let (ready, waits) = channel();
        let there = neighbour("outside0", &["10.7.0.2/24"], "10.7.0.1", move || {
            let (task, port) = task();
            let mut elements = peer(HERE);
            let mark = Element::TunnelMark(TAG, udp(port), TASK_MARKS | 1);
            elements.looked_up.insert(mark);
            let mut netlink = NetlinkSocket::open(NETLINK_NETFILTER).unwrap();
            node(&mut netlink, THERE, &elements);
            ready.send(port).unwrap();
            let (_, heard) = receive(&task, PATIENCE).unwrap();
            for bad in 1..=2 {
                ready.send(port).unwrap();
                assert_count(&mut netlink, "bad token", bad);
                assert!(hears_nothing(&task));
            }
            heard
        });
        let port = waits.recv().unwrap();
        let with = peer(THERE);
        let mut without = with.clone();
        let sent = Element::CookieTo(THERE, COOKIE);
        assert!(without.looked_up.remove(&sent));
        let mut wrong = without.clone();
        wrong.looked_up.insert(Element::CookieTo(THERE, [1, 2, 3]));
        node(netlink, HERE, &with);
        let called = Ipv4Addr::from(CALLED);
        let (to, id) = (called.to_string(), TAG.to_string());
        let route = [
            "route", "add", &to, "encap", "ip", "id", &id, "dst", "10.7.0.2",
        ];
        run("ip", &[&route[..], &["dev", TUNNEL]].concat());
        run("sysctl", &["-q", "net.ipv4.ip_forward=1"]);
        // As much as fits.
        let said = [7; 1400];
        let (go, told) = channel::<()>();
        // What a process of the node itself sends is nothing that the tunnel's device made.
        let client = neighbour("inside0", &["172.18.0.3/24"], "172.18.0.1", move || {
            let socket = UdpSocket::bind("172.18.0.3:0").unwrap();
            for () in told {
                socket.send_to(&said, (called, port)).unwrap();
            }
        });
        // To who asks for the way back from the tunnel's device, everyone is this host. IPVS does not ask.
        run("sysctl", &["-q", "net.ipv4.conf.inside0.accept_local=1"]);
        let mut have = with.clone();
        for (number, elements) in [&with, &without, &wrong].into_iter().enumerate() {
            // The one before has come, or did not.
            if number > 0 {
                waits.recv().unwrap();
            }
            lb_netlink::nft::apply(netlink, &elements.changes(&have)).unwrap();
            have = elements.clone();
            go.send(()).unwrap();
        }
        let heard = there.join().unwrap();
        drop(go);
        client.join().unwrap();
        assert_eq!(heard, said);
    });
}

/// From a card that does not compute them, whose sum over all of the packet has to stay right, too.
#[test]
fn what_is_cleared_leaves_the_sum_of_the_packet_as_it_was() {
    in_namespace("checksums of tunnel packets", |netlink| {
        device();
        run("ip", &["address", "add", "10.9.0.1/32", "dev", "lo"]);
        put(netlink, &peer(THERE));
        let port = params().tunnel_port;
        let tunnel = UdpSocket::bind((params().node, port)).unwrap();
        let (over, done) = channel::<()>();
        let there = neighbour("outside0", &["10.7.0.2/24"], "10.7.0.1", move || {
            let raw = socket(
                AddressFamily::Inet,
                SockType::Raw,
                SockFlag::empty(),
                nix::sys::socket::SockProtocol::Raw,
            )
            .unwrap();
            let node = params().node;
            for id in [7, 0x00ff_ffff] {
                let said = with_cookie(COOKIE, id, b"x");
                let builder = PacketBuilder::ipv4(THERE.octets(), node.octets(), 64);
                let mut packet = Vec::new();
                builder.udp(50_000, port).write(&mut packet, &said).unwrap();
                let to = SockaddrIn::from(SocketAddrV4::new(node, 0));
                sendto(raw.as_raw_fd(), &packet, &to, MsgFlags::empty()).unwrap();
            }
            // The packets are on their way, and go with their namespace.
            let _ = done.recv();
        });
        for id in [7, 0x00ff_ffff] {
            let (from, heard) = receive(&tunnel, PATIENCE).unwrap();
            assert_eq!(heard, with_cookie([0; 3], id, b"x"));
            let [a, b, c] = COOKIE;
            let words = [[0, a], [b, 0], [0, c]].map(u16::from_be_bytes);
            // One's complement.
            let sum = words
                .into_iter()
                .fold(50_000_u32, |sum, word| sum + u32::from(word));
            let sum = (sum & 0xffff) + (sum >> 16);
            assert_eq!(u32::from(from.port()), sum);
        }
        drop(over);
        there.join().unwrap();
    });
}
