//! Tunnel packets as they are on the wire: nobody but the tunnel's own device sends any to another node, and none
//! comes in by a way that no node has. Nobody but nodes calls another node's agent through this one.

use crate::arrival::{MOMENT, PATIENCE, assert_count, hears, hears_nothing};
use crate::namespace::{in_namespace, run};
use crate::neighbour::{index, neighbour};
use crate::ruleset::{device, params, put};
use crate::tunnel::{encapsulated, peer};
use agent::kernel::ipvs::ruleset::Elements;
use lb_core::backend::ipvs::Element;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// Another node.
const PEER: Ipv4Addr = Ipv4Addr::new(10, 8, 0, 2);

#[test]
fn what_a_process_sends_to_another_nodes_tunnel_never_leaves() {
    in_namespace("forged by a process", |netlink| {
        device();
        let peer = Ipv4Addr::new(127, 0, 0, 5);
        put(netlink, &crate::tunnel::peer(peer));
        let port = params().tunnel_port;
        let tunnel = UdpSocket::bind((peer, port)).unwrap();
        let other = UdpSocket::bind((peer, port + 1)).unwrap();
        let process = UdpSocket::bind("127.0.0.1:0").unwrap();
        let refused = process.send_to(b"x", (peer, port)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
        assert!(hears_nothing(&tunnel));
        assert_count(netlink, "forged", 1);
        // Nothing else is kept from it, nor from that port elsewhere.
        process.send_to(b"x", (peer, port + 1)).unwrap();
        assert!(hears(&other));
        process.send_to(b"x", ("127.0.0.6", port)).unwrap();
        assert_count(netlink, "forged", 1);
    });
}

#[test]
fn nobody_sends_into_the_tunnel_by_a_route_address() {
    in_namespace("packets to route addresses", |netlink| {
        device();
        run("ip", &["link", "set", "lo", "mtu", "1500"]);
        // Somewhere they would go.
        run("ip", &["route", "add", "240.0.0.0/4", "dev", "lo"]);
        put(netlink, &Elements::default());
        let process = UdpSocket::bind("0.0.0.0:0").unwrap();
        for (number, route_address) in ["248.0.0.1:8080", "251.255.0.1:53", "241.0.0.2:8080"]
            .into_iter()
            .enumerate()
        {
            let refused = process.send_to(b"x", route_address).unwrap_err();
            assert_eq!(
                refused.kind(),
                ErrorKind::PermissionDenied,
                "{route_address}"
            );
            assert_count(netlink, "forged", number as u64 + 1);
        }
    });
}

/// Sends a datagram to each as it is told whom.
fn sends(from: &'static str, told: Receiver<SocketAddr>, sent: &Sender<()>) {
    let socket = UdpSocket::bind(from).unwrap();
    for to in told {
        socket.send_to(&encapsulated(7, b"x"), to).unwrap();
        sent.send(()).unwrap();
    }
}

#[test]
fn what_a_container_sends_to_another_nodes_tunnel_never_leaves() {
    in_namespace("forged by a container", |netlink| {
        device();
        run("sysctl", &["-q", "net.ipv4.ip_forward=1"]);
        let (told, who) = channel();
        let (sent, done) = channel();
        let container = neighbour("inside0", &["172.18.0.3/24"], "172.18.0.1", move || {
            sends("172.18.0.3:0", who, &sent);
        });
        let (tell, heard_there) = channel();
        let port = params().tunnel_port;
        let node = neighbour("outside0", &["10.8.0.2/24"], "10.8.0.1", move || {
            let sockets = [port, port + 1].map(|port| UdpSocket::bind((PEER, port)).unwrap());
            tell.send(None).unwrap();
            // What is sent last comes last.
            let [tunnel, other] = sockets;
            tell.send(Some(hears(&other))).unwrap();
            tell.send(Some(hears_nothing(&tunnel))).unwrap();
        });
        assert_eq!(heard_there.recv().unwrap(), None);
        for bridges in [vec![index("inside0")], Vec::new()] {
            let mut elements = peer(PEER);
            let bridges = bridges.into_iter().map(Element::Bridge);
            elements.looked_up.extend(bridges);
            put(netlink, &elements);
            told.send((PEER, port).into()).unwrap();
            done.recv().unwrap();
            assert_count(netlink, "forged", 1);
        }
        told.send((PEER, port + 1).into()).unwrap();
        drop(told);
        container.join().unwrap();
        node.join().unwrap();
        let heard: Vec<bool> = heard_there.iter().flatten().collect();
        assert_eq!(heard, [true, true]);
    });
}

#[test]
fn what_a_container_calls_of_another_nodes_agent_never_leaves() {
    in_namespace("agents called by a container", |netlink| {
        device();
        run("sysctl", &["-q", "net.ipv4.ip_forward=1"]);
        let (call, calls) = channel::<(SocketAddr, Duration)>();
        let (tell, told) = channel::<bool>();
        let container = neighbour("inside0", &["172.18.0.3/24"], "172.18.0.1", move || {
            for (to, patience) in calls {
                let connected = TcpStream::connect_timeout(&to, patience);
                tell.send(connected.is_ok()).unwrap();
            }
        });
        let (end, ends) = channel::<()>();
        let (listens, is_ready) = channel::<()>();
        let port = params().tunnel_port;
        let node = neighbour("outside0", &["10.8.0.2/24"], "10.8.0.1", move || {
            let agents = [port, port + 1].map(|port| TcpListener::bind((PEER, port)).unwrap());
            listens.send(()).unwrap();
            // Until the other end is gone.
            let _ = ends.recv();
            drop(agents);
        });
        is_ready.recv().unwrap();
        let reaches = |port: u16, patience: Duration| {
            call.send(((PEER, port).into(), patience)).unwrap();
            told.recv().unwrap()
        };
        assert!(reaches(port, PATIENCE), "without rules");
        for bridges in [vec![index("inside0")], Vec::new()] {
            let mut elements = peer(PEER);
            let bridges = bridges.into_iter().map(Element::Bridge);
            elements.looked_up.extend(bridges);
            put(netlink, &elements);
            assert!(!reaches(port, MOMENT), "the agent");
            assert_count(netlink, "agent called", 1);
            assert!(reaches(port + 1, PATIENCE), "another port");
        }
        // A node may be behind this one.
        let mut elements = peer(PEER);
        let behind = peer(Ipv4Addr::new(172, 18, 0, 3));
        elements.looked_up.extend(behind.looked_up);
        put(netlink, &elements);
        assert!(reaches(port, PATIENCE), "called by a node");
        drop(call);
        drop(end);
        container.join().unwrap();
        node.join().unwrap();
    });
}

#[test]
fn a_container_with_a_nodes_address_is_a_stranger() {
    in_namespace("a node's address in a container", |netlink| {
        device();
        let node = params().node;
        run("ip", &["address", "add", "10.9.0.1/32", "dev", "lo"]);
        let mut to_senders = Vec::new();
        let mut threads = Vec::new();
        for (device, addresses, gateway) in [
            (
                "inside0",
                &["172.18.0.3/24", "10.8.0.2/32"][..],
                "172.18.0.1",
            ),
            ("outside0", &["10.8.0.2/24"][..], "10.8.0.1"),
        ] {
            let (told, who) = channel();
            let (sent, done) = channel();
            threads.push(neighbour(device, addresses, gateway, move || {
                sends("10.8.0.2:0", who, &sent);
            }));
            to_senders.push((told, done));
        }
        put(netlink, &peer(PEER));
        let port = params().tunnel_port;
        let tunnel = UdpSocket::bind((node, port)).unwrap();
        for (told, done) in &to_senders {
            told.send((node, port).into()).unwrap();
            done.recv().unwrap();
            assert_count(netlink, "stranger", 1);
        }
        // The container's is counted, the node's arrives.
        assert!(hears(&tunnel));
        assert!(hears_nothing(&tunnel));
        assert_count(netlink, "stranger", 1);
        drop(to_senders);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}
