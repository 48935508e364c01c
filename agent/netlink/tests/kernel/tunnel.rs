//! What comes out of a real tunnel, whose packets a neighbour on loopback makes.

use crate::claim::{count, params, put, tcp};
use crate::namespace::{in_namespace, run};
use etherparse::PacketBuilder;
use lb_netlink::claim::*;
use lb_netlink::socket::Wire;
use lb_netlink::ways::{Ground, Tunnel};
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

const TAG: u32 = 77;
/// Nobody's here, as the node's that the client called.
const CALLED: [u8; 4] = [192, 0, 2, 7];
const CLIENT: [u8; 4] = [203, 0, 113, 9];

/// A neighbour, whose packets the tunnel takes; the only task has a tag and this port.
fn neighbour(wire: &mut Wire, port: Port) -> UdpSocket {
    let tunnel = Tunnel::over(1500, params().tunnel_port);
    Ground::open().unwrap().make_tunnel(&tunnel).unwrap();
    let address = Ipv4Addr::new(127, 0, 0, 5);
    let elements = Elements {
        peers: [(address, Ipv4Addr::new(241, 0, 0, 5))].into(),
        tags: [(Tag { id: TAG, port }, TUNNEL_MARKS | 0x0100_0001)].into(),
        ..Elements::default()
    };
    put(wire, &elements);
    let neighbour = UdpSocket::bind((address, 0)).unwrap();
    neighbour.connect(("127.0.0.1", tunnel.port)).unwrap();
    neighbour
}

/// VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe): a number, and an IPv4 packet.
fn encapsulated(id: u32, packet: &[u8]) -> Vec<u8> {
    let [_, high, middle, low] = id.to_be_bytes();
    [&[0x0c, 0, 0, 1, high, middle, low, 0][..], packet].concat()
}

fn syn(port: u16) -> Vec<u8> {
    let builder = PacketBuilder::ipv4(CLIENT, CALLED, 64).tcp(4000, port, 7, 1000);
    let mut packet = Vec::new();
    builder.syn().write(&mut packet, &[]).unwrap();
    packet
}

fn datagram(port: u16) -> Vec<u8> {
    let builder = PacketBuilder::ipv4(CLIENT, CALLED, 64).udp(4000, port);
    let mut packet = Vec::new();
    builder.write(&mut packet, b"x").unwrap();
    packet
}

#[test]
fn a_call_for_a_task_that_is_gone_does_not_reach_whatever_listens_here() {
    in_namespace("a tag that names nobody", |wire| {
        let neighbour = neighbour(wire, tcp(8080));
        for (id, port, unknown) in [(TAG, 8080, 0), (TAG, 8081, 1), (TAG + 1, 8080, 2)] {
            neighbour.send(&encapsulated(id, &syn(port))).unwrap();
            assert_eq!(count(wire, "unknown task"), unknown, "{id} {port}");
        }
    });
}

#[test]
fn clients_from_anywhere_come_in_where_the_host_checks_sources_strictly() {
    in_namespace("strict checks of sources", |wire| {
        let task = UdpSocket::bind("0.0.0.0:0").unwrap();
        let port = task.local_addr().unwrap().port();
        let limit = Duration::from_millis(500);
        task.set_read_timeout(Some(limit)).unwrap();
        let protocol = Protocol::Udp;
        let neighbour = neighbour(wire, Port { protocol, port });
        run("sysctl", &["-q", "net.ipv4.conf.all.rp_filter=1"]);
        let packet = encapsulated(TAG, &datagram(port));
        let mut buffer = [0; 4];
        neighbour.send(&packet).unwrap();
        assert_eq!(task.recv(&mut buffer).unwrap(), 1);
        // It is the rule that lets it in.
        run("ip", &["rule", "del", "pref", "5001"]);
        neighbour.send(&packet).unwrap();
        assert!(task.recv(&mut buffer).is_err());
    });
}
