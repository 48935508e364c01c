//! Tasks at the ports that they listen on themselves: what calls them from here, and what comes for them out of the tunnel.

use crate::arrival::{PATIENCE, assert_count, connects_not, receive};
use crate::namespace::{in_namespace, run};
use crate::neighbour::neighbour;
use crate::ruleset::{params, put, tcp};
use crate::tunnel::{CLIENT, TAG, encapsulated, neighbour_node, peer};
use agent::kernel::ipvs::routes::RouteHandle;
use agent::kernel::ipvs::ruleset::*;
use etherparse::PacketBuilder;
use lb_core::backend::ipvs::ids::{OWN_PORT_ID, RETURN_ID, TASK_MARKS};
use lb_core::backend::ipvs::{Element, EncapRoute};
use nix::unistd::{Uid, setfsuid};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::mpsc::channel;

/// The task's route address at this node, and the part of it that its own node knows.
const TASK: Ipv4Addr = Ipv4Addr::new(244, 0, 0, 6);
const NETWORK: Ipv4Addr = Ipv4Addr::new(244, 0, 0, 4);
const PORT: u16 = 80;
/// Its node, and the route address of that.
const NODE: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 2);
const BACK: Ipv4Addr = Ipv4Addr::new(241, 0, 0, 2);

/// The answer to a SYN with this sequence number, from `from` to `port` of this node.
fn syn_ack(from: Ipv4Addr, port: u16, sequence: u32) -> Vec<u8> {
    let to = params().node.octets();
    let builder = PacketBuilder::ipv4(from.octets(), to, 64).tcp(PORT, port, 7, 1000);
    let mut packet = Vec::new();
    let builder = builder.syn().ack(sequence.wrapping_add(1));
    builder.write(&mut packet, &[]).unwrap();
    encapsulated(RETURN_ID, &packet)
}

/// Source and destination, source port and sequence number of an IPv4 packet of TCP without options.
fn segment(packet: &[u8]) -> (Ipv4Addr, Ipv4Addr, u16, u32) {
    let address = |at: usize| Ipv4Addr::from(<[u8; 4]>::try_from(&packet[at..at + 4]).unwrap());
    let port = u16::from_be_bytes(packet[20..22].try_into().unwrap());
    let sequence = u32::from_be_bytes(packet[24..28].try_into().unwrap());
    (address(12), address(16), port, sequence)
}

/// The user as whom the router runs, by the rules' parameters.
const ROUTER: u32 = 60_081;

#[test]
fn the_router_calls_a_task_elsewhere_and_only_its_node_answers() {
    in_namespace("a call of a task elsewhere", |netlink| {
        let stranger = neighbour_node(netlink, tcp(PORT));
        let (ready, waits) = channel();
        let (forged, go) = channel::<()>();
        let (told, called) = channel();
        let node = neighbour("outside0", &["10.7.0.2/24"], "10.7.0.1", move || {
            let socket = UdpSocket::bind((NODE, params().tunnel_port)).unwrap();
            ready.send(()).unwrap();
            let (from, packet) = receive(&socket, PATIENCE).unwrap();
            let (source, to, port, sequence) = segment(&packet[8..]);
            told.send((packet[..8].to_vec(), source, to, port, sequence))
                .unwrap();
            go.recv().unwrap();
            let node = (params().node, params().tunnel_port);
            assert_eq!(from.ip(), Ipv4Addr::new(10, 7, 0, 1));
            socket
                .send_to(&syn_ack(TASK, port, sequence), node)
                .unwrap();
            // The acknowledgement of the answer.
            receive(&socket, PATIENCE).unwrap();
        });
        waits.recv().unwrap();
        let id = OWN_PORT_ID | TAG;
        let route = EncapRoute {
            id,
            node: NODE,
            source: Some(params().node),
        };
        let mut routes = RouteHandle::open().unwrap();
        routes.put_encaps(&[(TASK, route)].into()).unwrap();
        assert_eq!(routes.observe().unwrap().encaps[&TASK], route);
        let mut elements = Elements::read(netlink).unwrap();
        elements.looked_up.extend(peer(NODE).looked_up);
        elements.looked_up.insert(Element::OwnAddress(TASK, BACK));
        put(netlink, &elements);
        // Another user's process reaches nobody, not even root's.
        assert!(connects_not(&(TASK, PORT).into()));
        let refused = counts(netlink).unwrap()["forged"];
        assert!(refused > 0);
        let caller = std::thread::scope(|scope| {
            let call = scope.spawn(|| {
                // Of this thread alone, and of the sockets that it makes.
                setfsuid(Uid::from_raw(ROUTER));
                TcpStream::connect_timeout(&(TASK, PORT).into(), PATIENCE)
            });
            let (header, source, to, port, sequence) = called.recv().unwrap();
            assert_eq!((source, to), (params().node, TASK));
            let [_, high, middle, low] = id.to_be_bytes();
            assert_eq!(header[4..7], [high, middle, low]);
            // By another node, and by the right one from another address.
            stranger.send(&syn_ack(TASK, port, sequence)).unwrap();
            assert_count(netlink, "unasked", 1);
            stranger.send(&syn_ack(NETWORK, port, sequence)).unwrap();
            assert_count(netlink, "unasked", 2);
            forged.send(()).unwrap();
            call.join().unwrap().unwrap()
        });
        assert_eq!(caller.local_addr().unwrap().ip(), params().node);
        node.join().unwrap();
        assert_count(netlink, "unasked", 2);
        // Nobody's: no packet leaves for it by the host's own routes.
        run("ip", &["route", "add", "default", "via", "10.7.0.2"]);
        let nobody: SocketAddr = (NETWORK, PORT).into();
        assert!(connects_not(&nobody));
        assert!(counts(netlink).unwrap()["forged"] > refused);
    });
}

#[test]
fn what_comes_for_an_own_port_is_told_by_number_network_and_port() {
    in_namespace("a call for a port of a task's own", |netlink| {
        run("sysctl", &["-q", "net.ipv4.ip_forward=1"]);
        let neighbour = neighbour_node(netlink, tcp(8080));
        let id = OWN_PORT_ID | TAG;
        let mut elements = Elements::read(netlink).unwrap();
        let mark = Element::OwnPortMark(id, NETWORK, PORT, TASK_MARKS | 2);
        elements.looked_up.insert(mark);
        put(netlink, &elements);
        assert!(Elements::read(netlink).unwrap().looked_up.contains(&mark));
        let syn = |to: Ipv4Addr, port| {
            let builder = PacketBuilder::ipv4(CLIENT, to.octets(), 64).tcp(4000, port, 7, 1000);
            let mut packet = Vec::new();
            builder.syn().write(&mut packet, &[]).unwrap();
            packet
        };
        let other = Ipv4Addr::new(244, 0, 0, 8);
        for (id, to, port, unknown) in [
            (id, TASK, PORT, 0),
            (id, TASK, PORT + 1, 1),
            (id, other, PORT, 2),
            (TAG, TASK, PORT, 3),
        ] {
            neighbour.send(&encapsulated(id, &syn(to, port))).unwrap();
            assert_count(netlink, "unknown task", unknown);
        }
        let builder = PacketBuilder::ipv4(CLIENT, TASK.octets(), 64).udp(4000, PORT);
        let mut packet = Vec::new();
        builder.write(&mut packet, b"x").unwrap();
        neighbour.send(&encapsulated(id, &packet)).unwrap();
        assert_count(netlink, "unknown task", 4);
    });
}
