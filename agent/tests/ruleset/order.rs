//! What depends on which rule, or whose, comes first: behaviour, where the listing of `listed` has text.

use crate::arrival::{PATIENCE, assert_count, hears, hears_nothing, receive};
use crate::namespace::{in_namespace, run};
use crate::neighbour::{index, neighbour};
use crate::nft::nft;
use crate::returned::encap_to;
use crate::ruleset::{device, params, put, served, tcp, udp};
use crate::tunnel::{CALLED, CLIENT, TAG, datagram, encapsulated, neighbour_node};
use agent::kernel::ipvs::ruleset::*;
use lb_core::backend::ipvs::Element;
use lb_core::backend::ipvs::ids::HAIRPIN_TO;
use lb_netlink::nft;
use nix::sys::socket::{getsockopt, sockopt::TcpMaxSeg};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

/// A socket at an address, and its port.
fn socket(address: impl Into<Ipv4Addr>) -> (UdpSocket, u16) {
    let socket = UdpSocket::bind((address.into(), 0)).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

#[test]
fn datagrams_of_who_may_not_call_are_dropped_and_counted() {
    in_namespace("restrictions of datagrams", |netlink| {
        device();
        let (server, number) = socket(Ipv4Addr::LOCALHOST);
        let port = udp(number);
        let mut elements = Elements::from_iter([
            Element::Vip(Ipv4Addr::LOCALHOST, port),
            Element::Restricted(port),
        ]);
        put(netlink, &elements);
        nft::apply(netlink, &lease(Duration::from_secs(100))).unwrap();
        let (client, _) = socket(Ipv4Addr::LOCALHOST);
        let call = || client.send_to(b"x", (Ipv4Addr::LOCALHOST, number)).unwrap();
        for times in 1..=2 {
            call();
            assert!(hears_nothing(&server));
            assert_count(netlink, "refused", times);
        }
        // The same number by TCP lets nobody in here.
        let network = "127.0.0.0/8".parse().unwrap();
        let other = tcp(number);
        let allowed = Element::Allowed(other, network);
        elements.looked_up.insert(allowed);
        put(netlink, &elements);
        call();
        assert!(hears_nothing(&server));
        elements.looked_up.remove(&allowed);
        elements.looked_up.insert(Element::Allowed(port, network));
        put(netlink, &elements);
        call();
        assert!(hears(&server));
    });
}

#[test]
fn a_connections_segments_fit_into_the_tunnel_whoever_its_task_will_be() {
    in_namespace("the clamp", |netlink| {
        device();
        let (listener, at, elements) = served();
        // Of what the server may send: the loopback device alone would let it send 64 kB.
        let mss = || {
            let client = TcpStream::connect_timeout(&at, PATIENCE).unwrap();
            let (served, _) = listener.accept().unwrap();
            drop(client);
            getsockopt(&served, TcpMaxSeg).unwrap()
        };
        assert!(mss() > 10_000, "without rules");
        put(netlink, &elements);
        nft::apply(netlink, &lease(Duration::from_secs(100))).unwrap();
        // IPv4 and TCP have 40 bytes of headers, and options of TCP come off as well.
        let most = u32::from(params().tunnel_mtu) - 40;
        let mss = mss();
        assert!((most - 40..=most).contains(&mss), "{mss} of {most}");
    });
}

/// A container on a bridge of this node that sends a datagram to the node's address for each port that
/// it is told.
struct Container {
    tell: std::sync::mpsc::Sender<u16>,
    sent: std::sync::mpsc::Receiver<()>,
}

impl Container {
    fn new() -> Self {
        let (tell, told) = std::sync::mpsc::channel::<u16>();
        let (done, sent) = std::sync::mpsc::channel();
        neighbour("inside0", &["172.18.0.3/24"], "172.18.0.1", move || {
            for port in told {
                // Each is a flow of its own.
                let socket = UdpSocket::bind("172.18.0.3:0").unwrap();
                socket.send_to(b"x", (params().node, port)).unwrap();
                done.send(()).unwrap();
            }
        });
        run("ip", &["address", "add", "10.9.0.1/32", "dev", "lo"]);
        Self { tell, sent }
    }

    fn calls(&self, port: u16) {
        self.tell.send(port).unwrap();
        self.sent.recv().unwrap();
    }
}

#[test]
fn a_containers_call_is_not_a_clients_before_it_has_come_back_as_the_nodes_own() {
    in_namespace("calls of containers", |netlink| {
        device();
        let container = Container::new();
        run(
            "ip",
            &["address", "add", &format!("{HAIRPIN_TO}/32"), "dev", "lo"],
        );
        // Where the packets end: in reality, behind a pair of devices.
        let (ours, number) = socket(HAIRPIN_TO);
        let server = UdpSocket::bind((params().node, number)).unwrap();
        let port = udp(number);
        let mut elements =
            Elements::from_iter([Element::Vip(params().node, port), Element::Published(port)]);
        put(netlink, &elements);
        nft::apply(netlink, &lease(Duration::from_secs(100))).unwrap();
        container.calls(number);
        assert!(hears(&server), "no bridge is known");
        let bridge = Element::Bridge(index("inside0"));
        elements.looked_up.insert(bridge);
        put(netlink, &elements);
        container.calls(number);
        assert!(hears_nothing(&server));
        assert!(hears(&ours));
    });
}

#[test]
fn a_containers_call_for_a_published_port_is_ours_before_it_is_dockers() {
    in_namespace("calls that Docker's rules lead elsewhere", |netlink| {
        device();
        let container = Container::new();
        run(
            "ip",
            &["address", "add", &format!("{HAIRPIN_TO}/32"), "dev", "lo"],
        );
        // Where the packets end: in reality, behind a pair of devices.
        let (ours, number) = socket(HAIRPIN_TO);
        let (dockers, other) = socket([172, 18, 0, 1]);
        if !nft(&format!(
            "add table ip docker
             add chain ip docker prerouting {{ type nat hook prerouting priority -100; }}
             add rule ip docker prerouting udp dport {number} dnat to 172.18.0.1:{other}"
        )) {
            return;
        }
        container.calls(number);
        assert!(hears(&dockers), "without our rules");
        run("nft", &["delete", "table", "ip", "docker"]);
        let elements = Elements::from_iter([
            Element::Published(udp(number)),
            Element::Bridge(index("inside0")),
        ]);
        put(netlink, &elements);
        nft::apply(netlink, &lease(Duration::from_secs(100))).unwrap();
        // Tables of the same priority are in the order in which they were made.
        nft(&format!(
            "add table ip docker
             add chain ip docker prerouting {{ type nat hook prerouting priority -100; }}
             add rule ip docker prerouting udp dport {number} dnat to 172.18.0.1:{other}"
        ));
        container.calls(number);
        assert!(hears_nothing(&dockers));
        assert!(hears(&ours));
    });
}

#[test]
fn a_tasks_answer_goes_back_through_the_tunnel_as_what_ipvs_made_of_it() {
    in_namespace("what IPVS rewrites", |netlink| {
        run("sysctl", &["-q", "net.ipv4.ip_forward=1"]);
        let port = 5300;
        let neighbour_here = neighbour_node(netlink, udp(port));
        encap_to(Ipv4Addr::new(10, 7, 0, 2));
        let node = neighbour("outside0", &["10.7.0.2/24"], "10.7.0.1", || {
            let socket = UdpSocket::bind(("10.7.0.2", params().tunnel_port)).unwrap();
            receive(&socket, PATIENCE).unwrap().1
        });
        let clients = ["route", "add", "203.0.113.0/24", "via", "10.7.0.2"];
        run("ip", &clients);
        let (tell, told) = std::sync::mpsc::channel::<()>();
        let (done, sent) = std::sync::mpsc::channel();
        neighbour("inside0", &["172.18.0.3/24"], "172.18.0.1", move || {
            let socket = UdpSocket::bind(("172.18.0.3", port)).unwrap();
            for () in told {
                let client = SocketAddr::from((CLIENT, 4000));
                socket.send_to(b"x", client).unwrap();
                done.send(()).unwrap();
            }
        });
        let mut elements = Elements::read(netlink).unwrap();
        elements.looked_up.extend([
            Element::Bridge(index("inside0")),
            Element::LocalReply(Ipv4Addr::new(172, 18, 0, 3), udp(port)),
        ]);
        put(netlink, &elements);
        // What IPVS does, where it does it: `ip_vs_reply4` is at priority 100.
        let [a, b, c, d] = CALLED;
        if !nft(&format!(
            "add table ip ipvs
             add chain ip ipvs forward {{ type filter hook forward priority 100; }}
             add rule ip ipvs forward ip saddr 172.18.0.3 ip saddr set {a}.{b}.{c}.{d}"
        )) {
            return;
        }
        neighbour_here
            .send(&encapsulated(TAG, &datagram(CALLED, port)))
            .unwrap();
        tell.send(()).unwrap();
        sent.recv().unwrap();
        assert_count(netlink, "sent back", 1);
        let back = node.join().unwrap();
        assert_eq!(back[20..24], CALLED, "as whom the client called");
    });
}
