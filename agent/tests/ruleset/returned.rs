//! What comes out of the tunnel as a reply: it goes on only if its client asked for it here. And what goes back
//! into the tunnel.

use crate::arrival::{PATIENCE, assert_count, receive};
use crate::namespace::{in_namespace, run};
use crate::neighbour::{index, neighbour};
use crate::ruleset::{params, put, udp};
use crate::tunnel::{CALLED, CLIENT, COOKIE, TAG, datagram, encapsulated, neighbour_node};
use agent::kernel::ipvs::routes::RouteHandle;
use agent::kernel::ipvs::ruleset::*;
use etherparse::PacketBuilder;
use lb_core::backend::ipvs::ids::RETURN_ID;
use lb_core::backend::ipvs::{Element, EncapRoute};
use lb_netlink::nft;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::mpsc::channel;
use std::time::Duration;

const OUTSIDE: [u8; 4] = [10, 8, 0, 2];
const CLIENTS_PORT: u16 = 4000;

fn reply(from: ([u8; 4], u16), to: ([u8; 4], u16)) -> Vec<u8> {
    let builder = PacketBuilder::ipv4(from.0, to.0, 64).udp(from.1, to.1);
    let mut packet = Vec::new();
    builder.write(&mut packet, b"reply").unwrap();
    encapsulated(RETURN_ID, &packet)
}

fn segment(from: ([u8; 4], u16), to: ([u8; 4], u16)) -> Vec<u8> {
    let builder = PacketBuilder::ipv4(from.0, to.0, 64).tcp(from.1, to.1, 1, 1000);
    let mut packet = Vec::new();
    builder.ack(1).write(&mut packet, b"reply").unwrap();
    encapsulated(RETURN_ID, &packet)
}

#[test]
fn only_answers_to_flows_that_came_in_here_go_out_in_this_nodes_name() {
    in_namespace("replies nobody asked for", |netlink| {
        run("sysctl", &["-q", "net.ipv4.ip_forward=1"]);
        let here = params().node.octets();
        let port = 5300;
        let neighbour_here = neighbour_node(netlink, udp(port));
        let mut elements = Elements::read(netlink).unwrap();
        let ports = [udp(port), crate::ruleset::tcp(port)];
        let vips = ports.map(|port| Element::Vip(params().node, port));
        elements.looked_up.extend(vips);
        put(netlink, &elements);
        nft::apply(netlink, &lease(Duration::from_secs(60))).unwrap();
        let (go, asks) = channel::<()>();
        let (asked, waits) = channel();
        let client = neighbour("outside0", &["10.8.0.2/24"], "10.8.0.1", move || {
            let socket = UdpSocket::bind((Ipv4Addr::from(OUTSIDE), CLIENTS_PORT)).unwrap();
            asked.send(()).unwrap();
            asks.recv().unwrap();
            let node = (params().node, port);
            socket.send_to(b"question", node).unwrap();
            let time = Duration::from_millis(200);
            // Nobody answers it: what counts is that it was tried.
            let _ = std::net::TcpStream::connect_timeout(&node.into(), time);
            asked.send(()).unwrap();
            receive(&socket, PATIENCE).unwrap()
        });
        waits.recv().unwrap();
        let to_client = (OUTSIDE, CLIENTS_PORT);
        let good = reply((here, port), to_client);
        let elsewhere = [198, 51, 100, 66];
        let never = [
            reply((elsewhere, port), to_client),
            reply((here, port + 1), to_client),
            reply((here, port), (OUTSIDE, CLIENTS_PORT + 1)),
            reply((here, port), (here, CLIENTS_PORT)),
            reply((here, port), ([127, 0, 0, 1], CLIENTS_PORT)),
            reply(([127, 0, 0, 1], port), ([127, 0, 0, 1], CLIENTS_PORT)),
            reply((here, port), ([255; 4], CLIENTS_PORT)),
            reply((here, port), ([224, 0, 0, 1], CLIENTS_PORT)),
            segment((here, port), (OUTSIDE, CLIENTS_PORT)),
        ];
        let mut unasked = 0;
        for packet in never.iter().chain([&good]) {
            unasked += 1;
            neighbour_here.send(packet).unwrap();
            assert_count(netlink, "unasked", unasked);
            assert_count(netlink, "returned", 0);
        }
        go.send(()).unwrap();
        waits.recv().unwrap();
        for packet in &never {
            unasked += 1;
            neighbour_here.send(packet).unwrap();
            assert_count(netlink, "unasked", unasked);
            assert_count(netlink, "returned", 0);
        }
        neighbour_here.send(&good).unwrap();
        assert_count(netlink, "returned", 1);
        let (from, said) = client.join().unwrap();
        assert_eq!(
            (&said[..], from),
            (&b"reply"[..], (params().node, port).into())
        );
    });
}

/// Has the tunnel lead what goes back to the neighbour of [`neighbour_node`] to the node at this address.
pub(crate) fn encap_to(node: Ipv4Addr) -> EncapRoute {
    let route_address = Ipv4Addr::new(241, 0, 0, 5);
    let encap = EncapRoute {
        id: RETURN_ID,
        node,
        source: None,
    };
    let mut handle = RouteHandle::open().unwrap();
    handle.put_encaps(&[(route_address, encap)].into()).unwrap();
    encap
}

/// A container that has an address which a tunnel packet named, and what becomes of what it sends.
#[test]
fn tunnel_packets_lead_replies_of_tasks_back_and_nothing_else() {
    in_namespace("what tunnel packets teach", |netlink| {
        run("sysctl", &["-q", "net.ipv4.ip_forward=1"]);
        let port = 5300;
        let neighbour_here = neighbour_node(netlink, udp(port));
        let encap = encap_to(Ipv4Addr::new(10, 7, 0, 2));
        let (ready, waits) = channel();
        let node = neighbour("outside0", &["10.7.0.2/24"], "10.7.0.1", move || {
            let socket = UdpSocket::bind((encap.node, params().tunnel_port)).unwrap();
            ready.send(()).unwrap();
            receive(&socket, PATIENCE).unwrap().1
        });
        waits.recv().unwrap();
        let clients = ["route", "add", "203.0.113.0/24", "via", "10.7.0.2"];
        run("ip", &clients);
        let (send, told) = channel::<(u16, [u8; 4])>();
        let (sent, done) = channel();
        let container = neighbour(
            "inside0",
            &["172.18.0.3/24", "192.0.2.7/32"],
            "172.18.0.1",
            move || {
                for (from, address) in told {
                    let socket = UdpSocket::bind((Ipv4Addr::from(address), from)).unwrap();
                    let client = (Ipv4Addr::from(CLIENT), CLIENTS_PORT);
                    socket.send_to(b"x", client).unwrap();
                    sent.send(()).unwrap();
                }
            },
        );
        let mut elements = Elements::read(netlink).unwrap();
        elements.looked_up.extend([
            Element::Bridge(index("inside0")),
            Element::LocalReply(CALLED.into(), udp(port)),
            Element::CookieTo(encap.node, COOKIE),
        ]);
        put(netlink, &elements);
        let says = |from, address| {
            send.send((from, address)).unwrap();
            done.recv().unwrap();
        };
        // Names nobody; names a task, but not for what the container answers.
        neighbour_here
            .send(&encapsulated(TAG + 1, &datagram([172, 18, 0, 3], 80)))
            .unwrap();
        neighbour_here
            .send(&encapsulated(TAG, &datagram([172, 18, 0, 3], port)))
            .unwrap();
        says(80, [172, 18, 0, 3]);
        says(port, [172, 18, 0, 3]);
        assert_count(netlink, "sent back", 0);
        // A task, but nobody asked; then somebody does, by this neighbour.
        says(port, CALLED);
        assert_count(netlink, "sent back", 0);
        neighbour_here
            .send(&encapsulated(TAG, &datagram(CALLED, port)))
            .unwrap();
        says(port, CALLED);
        assert_count(netlink, "sent back", 1);
        let back = node.join().unwrap();
        let builder = PacketBuilder::ipv4(CALLED, CLIENT, 63).udp(port, CLIENTS_PORT);
        let mut packet = Vec::new();
        builder.write(&mut packet, b"x").unwrap();
        let expected = encapsulated(RETURN_ID, &packet);
        let [got, expected] = [&back, &expected].map(|bytes| {
            // Not the identification of the IP header, nor checksums, which no card has finished.
            (bytes.len(), bytes[..8].to_vec(), bytes[20..34].to_vec())
        });
        assert_eq!(got, expected);
        assert_count(netlink, "forged", 0);
        // Another port of the same address is none of the task's.
        says(port + 1, CALLED);
        assert_count(netlink, "sent back", 1);
        drop(send);
        container.join().unwrap();
    });
}
