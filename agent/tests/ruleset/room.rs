//! Where sets are full, and what fills them.

use crate::arrival::{PATIENCE, assert_count, becomes};
use crate::namespace::{in_namespace, run};
use crate::neighbour::neighbour;
use crate::port_remap::{PORTS, answered_inside, call, serve};
use crate::ruleset::{device, params, tcp};
use agent::kernel::ipvs::ruleset::*;
use lb_core::backend::ipvs::Element;
use lb_netlink::nft::{self, SetName};
use lb_netlink::socket::NetlinkSocket;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::time::Duration;

/// The longest time that an element of a set still lasts, and how many there are.
fn lasts(netlink: &mut NetlinkSocket, name: &'static str) -> (Duration, usize) {
    let table = TABLE;
    let elements = nft::elements(netlink, SetName { table, name }).unwrap();
    let left = elements.iter().flatten().filter_map(|element| element.left);
    let all: Vec<Duration> = left.collect();
    (all.iter().max().copied().unwrap_or_default(), all.len())
}

#[test]
fn where_there_is_no_room_for_more_clients_keep_their_own_port() {
    in_namespace("full sets", |netlink| {
        device();
        run("sysctl", &["-q", "net.ipv4.ip_forward=1"]);
        let (ready, waits) = channel();
        let addresses = &["10.9.0.1/24", "10.9.0.2/24"];
        let task = neighbour("inside0", addresses, "10.9.0.254", move || serve(&ready, 1));
        let elements = answered_inside();
        let params = Params {
            connections: 3,
            ..params()
        };
        let kept = volatile(netlink).unwrap();
        nft::apply(netlink, &replace(&params, &elements, kept)).unwrap();
        nft::apply(netlink, &lease(Duration::from_secs(60))).unwrap();
        let client = neighbour("outside0", &["10.8.0.2/24"], "10.8.0.1", move || {
            call(&waits, &PORTS[..1]);
        });
        // Each connection is answered, many times.
        client.join().unwrap();
        let seen = task.join().unwrap();
        let mut ports: Vec<u16> = seen.iter().map(SocketAddr::port).collect();
        ports.sort_unstable();
        ports.dedup();
        // Some were told apart while there was room.
        assert!((2..=4).contains(&ports.len()), "{seen:?}");
        assert!(counts(netlink).unwrap()["no room"] > 0);
    });
}

#[test]
fn what_only_opens_a_connection_is_soon_forgotten() {
    in_namespace("SYNs and nothing else", |netlink| {
        const SOON: Duration = Duration::from_secs(10);
        device();
        run("sysctl", &["-q", "net.ipv4.ip_forward=1"]);
        let port = tcp(8080);
        let address = params().node;
        let elements = Elements::from_iter([Element::Vip(address, port)]);
        run("ip", &["address", "add", "10.9.0.1/32", "dev", "lo"]);
        crate::ruleset::put(netlink, &elements);
        nft::apply(netlink, &lease(Duration::from_secs(60))).unwrap();
        let at = SocketAddr::from((address, 8080));
        let (next, waits) = channel::<()>();
        let (tell, told) = channel();
        let client = neighbour("outside0", &["10.8.0.2/24"], "10.8.0.1", move || {
            let connect = || TcpStream::connect_timeout(&at, PATIENCE);
            let nobody = connect().unwrap_err().kind() == ErrorKind::ConnectionRefused;
            tell.send(nobody).unwrap();
            waits.recv().unwrap();
            let other = connect();
            tell.send(other.is_ok()).unwrap();
            waits.recv().unwrap();
            drop(other);
            tell.send(true).unwrap();
        });
        assert!(told.recv().unwrap());
        for set in ["calls", "callers", "opening"] {
            let (time, many) = lasts(netlink, set);
            assert!(time <= SOON && many == 1, "{set}: {time:?} {many}");
        }
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 8080)).unwrap();
        next.send(()).unwrap();
        assert!(told.recv().unwrap());
        let taken = listener.accept().unwrap();
        for set in ["calls", "callers"] {
            let (time, _) = lasts(netlink, set);
            assert!(time > Duration::from_secs(3600), "{set}: {time:?}");
        }
        // It has gone on, and is none of those any more.
        assert_eq!(lasts(netlink, "opening").1, 1);
        next.send(()).unwrap();
        assert!(told.recv().unwrap());
        drop(taken);
        client.join().unwrap();
        for set in ["calls", "callers"] {
            becomes(
                || lasts(netlink, set),
                |(time, _)| *time <= Duration::from_secs(130),
            );
        }
        assert_count(netlink, "no room", 0);
    });
}
