//! Containers that call published ports of their own node.

use crate::namespace::{in_namespace, run};
use crate::neighbour::{index, neighbour};
use crate::ruleset::{count, device, put, tcp, udp};
use agent::kernel::ipvs::ruleset::*;
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
            let time = Duration::from_millis(500);
            for () in orders {
                let connects = TcpStream::connect_timeout(&at, time).is_ok();
                let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
                socket.send_to(b"x", at).unwrap();
                told.send(connects).unwrap();
            }
        });
        run("ip", &["link", "set", "inside0", "up"]);
        let _listener = TcpListener::bind(at).unwrap();
        let socket = UdpSocket::bind(at).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(500)))
            .unwrap();
        let arrive = || {
            order.send(()).unwrap();
            let connects = tells.recv().unwrap();
            (connects, socket.recv_from(&mut [0]).is_ok())
        };
        let ports = [tcp(PORT), udp(PORT)];
        let mut elements = Elements {
            bridges: [index("inside0")].into(),
            restricted: ports.into(),
            ..Elements::default()
        };
        put(netlink, &elements);
        nft::apply(netlink, &lease(Duration::from_secs(60))).unwrap();
        assert_eq!(arrive(), (false, false));
        assert!(count(netlink, "refused") >= 2);
        let network = "10.9.0.0/24".parse().unwrap();
        let all = ports.map(|port| Allowed { port, network });
        elements.allowed = all.into();
        put(netlink, &elements);
        assert_eq!(arrive(), (true, true));
        elements.allowed.clear();
        put(netlink, &elements);
        nft::apply(netlink, &[nft::Change::Flush(LEASE)]).unwrap();
        assert_eq!(arrive(), (true, true), "without a lease it is the kernel's");
    });
}
