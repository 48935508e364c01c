//! Datagrams that the node, or a container on it, sends from a published port: the answers are those of whoever sent.

use crate::arrival::{PATIENCE, receive};
use crate::namespace::{in_namespace, run};
use crate::neighbour::{index, neighbour};
use crate::nft::nft;
use crate::ruleset::{device, put, udp};
use agent::kernel::ipvs::ruleset::*;
use lb_core::backend::ipvs::Element;
use lb_netlink::nft;
use lb_netlink::socket::NetlinkSocket;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::Duration;

const NODE: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 1);
const TASK: Ipv4Addr = Ipv4Addr::new(172, 18, 0, 3);
const FAR: (Ipv4Addr, u16) = (Ipv4Addr::new(10, 7, 0, 2), 5353);
const TIMES: usize = 6;

/// A far end that gets so many datagrams, and answers each twice: from a port that was not asked, and from its own. The
/// senders that it has seen.
fn far_end(datagrams: usize) -> JoinHandle<BTreeSet<SocketAddr>> {
    let (ready, waits) = channel();
    let far_end = neighbour("outside0", &["10.7.0.2/24"], "10.7.0.1", move || {
        let socket = UdpSocket::bind(FAR).unwrap();
        let other = UdpSocket::bind((FAR.0, FAR.1 + 1)).unwrap();
        ready.send(()).unwrap();
        let mut seen = BTreeSet::new();
        for _ in 0..datagrams {
            let (sender, _) = receive(&socket, PATIENCE).unwrap();
            other.send_to(b"stranger", sender).unwrap();
            socket.send_to(b"answer", sender).unwrap();
            seen.insert(sender);
        }
        seen
    });
    waits.recv().unwrap();
    far_end
}

/// The next datagram after each question, and who sent it.
fn asks(socket: &UdpSocket) -> Vec<Option<(SocketAddr, Vec<u8>)>> {
    let ask = |_| {
        socket.send_to(b"question", FAR).unwrap();
        receive(socket, PATIENCE)
    };
    (0..TIMES).map(ask).collect()
}

fn answered(all: &[Option<(SocketAddr, Vec<u8>)>]) {
    let answer = Some((SocketAddr::from(FAR), b"answer".to_vec()));
    assert_eq!(all, vec![answer; TIMES]);
}

fn serves(netlink: &mut NetlinkSocket, elements: impl IntoIterator<Item = Element>) {
    put(netlink, &Elements::from_iter(elements));
    nft::apply(netlink, &lease(Duration::from_secs(60))).unwrap();
}

#[test]
fn a_container_that_asks_from_a_published_port_gets_the_answers() {
    in_namespace("what containers ask from published ports", |netlink| {
        device();
        run("sysctl", &["-q", "net.ipv4.ip_forward=1"]);
        let far_end = far_end(2 * TIMES);
        let (order, orders) = channel::<u16>();
        let (told, tells) = channel();
        neighbour("inside0", &["172.18.0.3/24"], "172.18.0.1", move || {
            for port in orders {
                let socket = UdpSocket::bind((TASK, port)).unwrap();
                told.send(asks(&socket)).unwrap();
            }
        });
        // What Docker does for what its containers send.
        if !nft("add table ip docker
             add chain ip docker post { type nat hook postrouting priority 100; }
             add rule ip docker post ip saddr 172.18.0.0/24 oifname outside0 masquerade")
        {
            return;
        }
        // One is the task's own port; by the other one, another service is published.
        let ports = [5060, 5061];
        let vips = ports.map(|port| Element::Vip(NODE, udp(port)));
        let own = [
            Element::Bridge(index("inside0")),
            Element::LocalReply(TASK, udp(ports[0])),
        ];
        serves(netlink, vips.into_iter().chain(own));
        for port in ports {
            order.send(port).unwrap();
            answered(&tells.recv().unwrap());
        }
        let seen = ports.map(|port| SocketAddr::from((NODE, port)));
        assert_eq!(far_end.join().unwrap(), seen.into());
    });
}

#[test]
fn a_process_that_asks_from_a_published_port_gets_the_answers_past_ipvs() {
    in_namespace("what processes ask from published ports", |netlink| {
        device();
        let port = 5062;
        let far_end = far_end(TIMES);
        // What IPVS does with what is for a virtual service, where it does it: `ip_vs_remote_request4` is at priority 99.
        if !nft(&format!(
            "add table ip ipvs
             add chain ip ipvs input {{ type filter hook input priority 99; }}
             add rule ip ipvs input udp dport {port} meta pkttype host drop"
        )) {
            return;
        }
        serves(netlink, [Element::Vip(NODE, udp(port))]);
        let socket = UdpSocket::bind((NODE, port)).unwrap();
        answered(&asks(&socket));
        far_end.join().unwrap();
    });
}
