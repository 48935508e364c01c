//! A client and a task in namespaces of their own, and the rules between them. What IPVS would do
//! between the rules changes nothing here: the task has the addresses that are claimed.

use crate::claim::{device, put, tcp};
use crate::namespace::{in_namespace, run};
use lb_netlink::claim::*;
use lb_netlink::nft;
use lb_netlink::socket::Wire;
use nix::sched::{CloneFlags, unshare};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

/// Two addresses with two ports each.
const CALLED: [([u8; 4], u16); 4] = [
    ([10, 9, 0, 1], 8080),
    ([10, 9, 0, 1], 8081),
    ([10, 9, 0, 2], 8080),
    ([10, 9, 0, 2], 8081),
];
/// The only port that the client has; and then only the one that it was seen under instead.
const PORTS: [u16; 2] = [40_000, 40_000 ^ 0x4000];

/// A neighbour on the device `here`, with addresses, in a namespace that lives as long as `work`.
fn neighbour<T: Send + 'static>(
    here: &'static str,
    addresses: &'static [&'static str],
    gateway: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> thread::JoinHandle<T> {
    let (tell, told): (Sender<nix::unistd::Pid>, Receiver<_>) = channel();
    let (go, gone): (Sender<()>, Receiver<()>) = channel();
    let thread = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        tell.send(nix::unistd::gettid()).unwrap();
        gone.recv().unwrap();
        for device in ["lo", "far"] {
            run("ip", &["link", "set", device, "up"]);
        }
        for address in addresses {
            run("ip", &["address", "add", address, "dev", "far"]);
        }
        run("ip", &["route", "add", "default", "via", gateway]);
        work()
    });
    let id = told.recv().unwrap().to_string();
    let pair = ["link", "add", here, "type", "veth", "peer", "name", "far"];
    run("ip", &[&pair[..], &["netns", &id]].concat());
    run("ip", &["link", "set", here, "up"]);
    let gateway = format!("{gateway}/24");
    run("ip", &["address", "add", &gateway, "dev", here]);
    go.send(()).unwrap();
    thread
}

fn index(device: &str) -> u32 {
    let line = run("ip", &["-o", "link", "show", "dev", device]);
    line.split(':').next().unwrap().parse().unwrap()
}

/// Takes a connection at each address from each port, and answers all of its bytes. Returns whom it saw.
fn serve(ready: &Sender<()>) -> Vec<SocketAddr> {
    let listeners =
        CALLED.map(|(address, port)| TcpListener::bind((Ipv4Addr::from(address), port)).unwrap());
    ready.send(()).unwrap();
    let serving = listeners.map(|listener| {
        PORTS.map(|_| {
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
    let seen = serving.into_iter().flatten().map(|one| one.join().unwrap());
    seen.collect()
}

fn ask(stream: &mut TcpStream) {
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut [0]).unwrap();
}

/// One connection from each port to each address, all at once.
fn call(ready: &Receiver<()>) {
    ready.recv().unwrap();
    let mut kept = Vec::new();
    for port in PORTS {
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
fn remains_of(wire: &mut Wire, port: u16) -> bool {
    let changes = remains(wire, &[tcp(port)].into()).unwrap();
    nft::apply(wire, &changes).unwrap();
    !changes.is_empty()
}

#[test]
fn a_client_that_uses_one_port_for_all_is_seen_under_as_many_as_it_has_connections() {
    in_namespace("clients' ports", |wire| {
        device();
        run("sysctl", &["-q", "net.ipv4.ip_forward=1"]);
        let (ready, waits) = channel();
        let task = neighbour(
            "inside0",
            &["10.9.0.1/24", "10.9.0.2/24"],
            "10.9.0.254",
            move || serve(&ready),
        );
        let services = CALLED.map(|(address, port)| Service {
            address: address.into(),
            port: tcp(port),
        });
        let elements = Elements {
            claims: services.into(),
            bridges: [index("inside0")].into(),
            ..Elements::default()
        };
        put(wire, &elements);
        nft::apply(wire, &lease(Duration::from_secs(60))).unwrap();
        let client = neighbour("outside0", &["10.8.0.2/24"], "10.8.0.1", move || {
            call(&waits);
        });
        client.join().unwrap();
        let seen = task.join().unwrap();
        // What it leaves behind goes with the ports.
        let ports = [8080, 8081, 8082];
        let found = ports.map(|port| remains_of(wire, port));
        assert_eq!(found, [true, true, false]);
        assert_eq!(ports.map(|port| remains_of(wire, port)), [false; 3]);
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
