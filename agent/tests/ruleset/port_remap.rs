//! A client and a task in namespaces of their own, and the rules between them. What IPVS would do
//! between the rules changes nothing here: the task has the addresses that are VIPs.

use crate::namespace::{in_namespace, run};
use crate::neighbour::{index, neighbour};
use crate::ruleset::{device, put, tcp};
use agent::kernel::ipvs::ruleset::*;
use lb_core::backend::ipvs::Element;
use lb_netlink::nft;
use lb_netlink::socket::NetlinkSocket;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

/// Two addresses with two ports each.
pub(crate) const CALLED: [([u8; 4], u16); 4] = [
    ([10, 9, 0, 1], 8080),
    ([10, 9, 0, 1], 8081),
    ([10, 9, 0, 2], 8080),
    ([10, 9, 0, 2], 8081),
];
/// The only port that the client has; and then only the one that it was seen under instead.
pub(crate) const PORTS: [u16; 2] = [40_000, 40_000 ^ 0x4000];

/// Takes so many connections at each address, and answers all of their bytes. Returns whom it saw.
pub(crate) fn serve(ready: &Sender<()>, each: usize) -> Vec<SocketAddr> {
    let listeners =
        CALLED.map(|(address, port)| TcpListener::bind((Ipv4Addr::from(address), port)).unwrap());
    ready.send(()).unwrap();
    let serving = listeners.iter().flat_map(|listener| {
        (0..each).map(|_| {
            let listener = listener.try_clone().unwrap();
            thread::spawn(move || {
                let (mut stream, peer) = listener.accept().unwrap();
                let mut byte = [0];
                while stream.read_exact(&mut byte).is_ok() {
                    stream.write_all(&byte).unwrap();
                }
                peer
            })
        })
    });
    let serving: Vec<_> = serving.collect();
    let seen = serving.into_iter().map(|one| one.join().unwrap());
    seen.collect()
}

fn ask(stream: &mut TcpStream) {
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut [0]).unwrap();
}

/// One connection from each port to each address, all at once.
pub(crate) fn call(ready: &Receiver<()>, ports: &[u16]) {
    ready.recv().unwrap();
    let mut kept = Vec::new();
    for &port in ports {
        let only = format!("net.ipv4.ip_local_port_range={port} {port}");
        run("sysctl", &["-q", &only]);
        for peer in CALLED.map(SocketAddr::from) {
            let time = Duration::from_secs(5);
            let stream = TcpStream::connect_timeout(&peer, time).unwrap();
            assert_eq!(stream.local_addr().unwrap().port(), port);
            stream.set_read_timeout(Some(time)).unwrap();
            kept.push(stream);
            kept.iter_mut().for_each(ask);
        }
    }
}

/// Takes out what there is of connections to a port. Returns whether there was something.
fn remains_of(netlink: &mut NetlinkSocket, port: u16) -> bool {
    let changes = remains(netlink, &[tcp(port)].into()).unwrap();
    nft::apply(netlink, &changes).unwrap();
    !changes.is_empty()
}

/// What is called, published, and answered by tasks behind `inside0` themselves, as if IPVS had done its part.
pub(crate) fn answered_inside() -> Elements {
    let services = CALLED.iter().flat_map(|(address, port)| {
        let (address, port) = ((*address).into(), tcp(*port));
        [
            Element::Vip(address, port),
            Element::LocalReply(address, port),
        ]
    });
    let bridge = Element::Bridge(index("inside0"));
    services.chain([bridge]).collect()
}

#[test]
fn a_client_that_uses_one_port_for_all_is_seen_under_as_many_as_it_has_connections() {
    in_namespace("clients' ports", |netlink| {
        device();
        run("sysctl", &["-q", "net.ipv4.ip_forward=1"]);
        let (ready, waits) = channel();
        let task = neighbour(
            "inside0",
            &["10.9.0.1/24", "10.9.0.2/24"],
            "10.9.0.254",
            move || serve(&ready, PORTS.len()),
        );
        let elements = answered_inside();
        put(netlink, &elements);
        nft::apply(netlink, &lease(Duration::from_secs(60))).unwrap();
        let client = neighbour("outside0", &["10.8.0.2/24"], "10.8.0.1", move || {
            call(&waits, &PORTS);
        });
        client.join().unwrap();
        let seen = task.join().unwrap();
        // What it leaves behind goes with the ports.
        let ports = [8080, 8081, 8082];
        let found = ports.map(|port| remains_of(netlink, port));
        assert_eq!(found, [true, true, false]);
        // While a hash table shrinks, the kernel may leave an element out of its list.
        let all_gone = |_| ports.map(|port| remains_of(netlink, port)) == [false; 3];
        assert!((0..10).any(all_gone));
        let mut ports: Vec<u16> = seen.iter().map(SocketAddr::port).collect();
        assert!(
            seen.iter()
                .all(|peer| peer.ip() == Ipv4Addr::new(10, 8, 0, 2))
        );
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), CALLED.len() * PORTS.len(), "{seen:?}");
        assert!(ports.contains(&PORTS[0]), "the first one keeps its own");
    });
}
