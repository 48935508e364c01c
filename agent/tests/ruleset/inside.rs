//! Containers that call published ports of their own node.

use crate::arrival::{MOMENT, PATIENCE, becomes, receive};
use crate::namespace::{in_namespace, run};
use crate::neighbour::{index, neighbour};
use crate::ruleset::{device, put, tcp, udp};
use agent::kernel::ipvs::ruleset::*;
use lb_core::backend::ipvs::Element;
use lb_netlink::nft;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::channel;
use std::time::Duration;

const HOST: [u8; 4] = [10, 9, 0, 254];
const PORT: u16 = 8080;

#[test]
fn who_may_not_call_may_not_from_a_container_of_the_node_either() {
    in_namespace("restricted calls from inside", |netlink| {
        device();
        let at = SocketAddr::from((HOST, PORT));
        let (order, orders) = channel();
        let (told, tells) = channel();
        neighbour("inside0", &["10.9.0.2/24"], "10.9.0.254", move || {
            for patience in orders {
                let connects = TcpStream::connect_timeout(&at, patience).is_ok();
                let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
                socket.send_to(b"x", at).unwrap();
                told.send(connects).unwrap();
            }
        });
        run("ip", &["link", "set", "inside0", "up"]);
        let _listener = TcpListener::bind(at).unwrap();
        let socket = UdpSocket::bind(at).unwrap();
        let arrive = |patience| {
            order.send(patience).unwrap();
            let connects = tells.recv().unwrap();
            (connects, receive(&socket, patience).is_some())
        };
        let ports = [tcp(PORT), udp(PORT)];
        let restricted = ports.map(Element::Restricted);
        let mut elements = Elements::from_iter(restricted);
        let bridge = Element::Bridge(index("inside0"));
        elements.looked_up.insert(bridge);
        put(netlink, &elements);
        nft::apply(netlink, &lease(Duration::from_secs(60))).unwrap();
        assert_eq!(arrive(MOMENT), (false, false));
        becomes(
            || counts(netlink).unwrap()["refused"],
            |refused| *refused >= 2,
        );
        let network = "10.9.0.0/24".parse().unwrap();
        let all = ports.map(|port| Element::Allowed(port, network));
        elements.looked_up.extend(all);
        put(netlink, &elements);
        assert_eq!(arrive(PATIENCE), (true, true));
        elements.looked_up.retain(|element| !all.contains(element));
        put(netlink, &elements);
        nft::apply(netlink, &[nft::Change::Flush(LEASE)]).unwrap();
        assert_eq!(
            arrive(PATIENCE),
            (true, true),
            "without a lease it is the kernel's"
        );
    });
}
