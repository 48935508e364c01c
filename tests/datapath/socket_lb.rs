//! Processes on the node itself: real sockets, with the programs attached to the root
//! cgroup of the machine and to the node's devices.

use agent::kernel::StatsReader as _;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use lb_abi::{TCP, UDP};
use lb_core::backend::ebpf::{Hook, HookKind};
use lb_core::model::ids::Key;
use lb_core::report::Counters;
use lb_datapath::Verdict;

use crate::frames::{at, tcp};
use crate::lab::{Lab, lab, node};
use crate::pair::Pair;
use crate::read::read;
use crate::round_robin::six;
use crate::states::{SECOND, address_of, key, publish, there, token_keys};
use crate::tunnel::open;
use crate::world::{UplinkEgress, UplinkTc, World};

/// Long enough for a socket to give up where nobody answers.
const SHORT: Duration = Duration::from_millis(50);

/// Node 1 with six tasks behind 8080/tcp and 5353/udp, half of them on node 2; programs
/// are on the root cgroup too.
fn hosting(lab: &Lab) -> World {
    let mut world = World::new(lab, 1);
    world.change(|state| {
        publish(state, TCP, 8080, 80, &six());
        publish(state, UDP, 5353, 53, &six());
        let on_host = |kind| Hook { kind, link: 0 };
        state.hooks.extend(HookKind::HOST.map(on_host));
    });
    world
}

/// The kernel's counters for task `n`.
fn counted(world: &World, n: u8) -> Counters {
    let told = world.kernel().stats_reader().unwrap().read().unwrap();
    told.tasks[&Key(key(n))]
}

fn localhost(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

#[test]
fn each_connected_socket_gets_the_next_task_and_believes_it_has_what_it_asked_for() {
    lab(|lab| {
        let world = hosting(lab);
        let asked: [SocketAddr; 3] = [
            localhost(5353),
            (Ipv6Addr::LOCALHOST, 5353).into(),
            (node(1), 5353).into(),
        ];
        for to in asked.into_iter().cycle().take(12) {
            let any: SocketAddr = match to {
                SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
            };
            let socket = UdpSocket::bind(any).unwrap();
            socket.connect(to).unwrap();
            assert_eq!(socket.peer_addr().unwrap(), to);
            socket.send(b"question").unwrap();
        }
        for n in 1..=6 {
            // Those of tasks here pass no hook of ours.
            let expected = if n % 2 == 0 { (2, 2, 72) } else { (0, 0, 0) };
            let counted = counted(&world, n);
            assert_eq!(
                (counted.new, counted.packets_in, counted.bytes_in),
                expected,
                "task {n}"
            );
        }
        let flows = world.kernel().flows().unwrap();
        let tasks: BTreeSet<u64> = flows.values().map(|flow| flow.task).collect();
        assert_eq!(tasks, [2, 4, 6].map(key).into(), "one flow per socket");
        assert_eq!(flows.len(), 6);
        for tuple in flows.keys() {
            let ends = (tuple.source.get(), tuple.destination.get());
            assert_eq!(ends, (node(1).into(), node(2).into()));
            assert_eq!(tuple.destination_port.get(), 5353);
        }
    });
}

/// As resolvers do with each address that they find.
#[test]
fn a_datagram_socket_that_is_only_connected_is_not_counted() {
    lab(|lab| {
        let world = hosting(lab);
        for _ in 0..12 {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
            socket.connect(localhost(5353)).unwrap();
        }
        for n in 1..=6 {
            assert_eq!(counted(&world, n).new, 0, "task {n}");
        }
    });
}

#[test]
fn a_socket_that_sends_here_and_there_keeps_to_one_task() {
    lab(|lab| {
        let world = hosting(lab);
        for n in 1..=6 {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
            for to in [localhost(5353), (node(1), 5353).into(), localhost(5353)] {
                socket.send_to(b"question", to).unwrap();
            }
            let counted: Vec<u64> = (1..=6).map(|n| counted(&world, n).new).collect();
            let expected: Vec<u64> = (1..=6).map(|task| u64::from(task <= n)).collect();
            assert_eq!(counted, expected);
        }
        assert_eq!(world.kernel().flows().unwrap().len(), 3);
    });
}

#[test]
fn a_tcp_connection_to_a_task_elsewhere_enters_the_tunnel() {
    lab(|lab| {
        let world = hosting(lab);
        for _ in 0..6 {
            let error = TcpStream::connect_timeout(&localhost(8080), SHORT).unwrap_err();
            // Nobody is behind the wire, and nothing on the bridge.
            assert!(
                matches!(
                    error.kind(),
                    ErrorKind::TimedOut | ErrorKind::WouldBlock | ErrorKind::HostUnreachable
                ),
                "{error}"
            );
        }
        for n in 1..=6 {
            let counted = counted(&world, n);
            assert_eq!(counted.new, 1, "task {n}");
            assert_eq!(counted.packets_in > 0, n % 2 == 0, "task {n}");
        }
    });
}

#[test]
fn sockets_of_other_namespaces_and_other_calls_are_left_alone() {
    lab(|lab| {
        let world = hosting(lab);
        let refused = |to| TcpStream::connect_timeout(&to, SHORT).unwrap_err().kind();
        assert_eq!(refused(localhost(8081)), ErrorKind::ConnectionRefused);
        // Whoever insists on the loopback as source stays there.
        let bound = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        bound.send_to(b"question", localhost(5353)).unwrap();
        bound.connect(localhost(5353)).unwrap();
        let elsewhere = lab.net(2);
        elsewhere.enter();
        assert_eq!(refused(localhost(8080)), ErrorKind::ConnectionRefused);
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        socket.send_to(b"question", localhost(5353)).unwrap();
        for n in 1..=6 {
            assert_eq!(counted(&world, n).new, 0);
        }
        assert!(world.kernel().calls().unwrap().is_empty());
    });
}

#[test]
fn packets_of_a_known_flow_enter_the_tunnel_as_they_leave() {
    let (host, task) = (at(node(1), 40_000), at(SECOND, 8080));
    lab(|lab| {
        let mut world = World::new(lab, 1);
        world.change(|state| {
            publish(state, TCP, 8080, 80, &[there(1, SECOND)]);
            state.peers.insert(SECOND, token_keys(2));
        });
        // As if it came from outside: a test run has no socket to know it by.
        world.routed = false;
        world.receive(&tcp(host, task, "S").frame());
        for flags in ["A", "PA", "FA"] {
            let sent = tcp(host, task, flags).payload(b"data").frame();
            let (verdict, frame) = world.send(UplinkEgress, &sent);
            assert_eq!(verdict, Verdict::Pass);
            assert_eq!(frame[..14], sent[..14], "the next hop stays");
            assert_eq!(frame[70..], sent[14..], "the packet stays");
            assert_eq!(read(&frame).to, at(SECOND, crate::states::TUNNEL));
        }
        for other in [
            tcp(host, task, "S").frame(),
            tcp(host, at(SECOND, 8081), "A").frame(),
            tcp(at(node(1), 1), task, "A").frame(),
            tcp(host, at(node(2), 8080), "A").frame(),
        ] {
            let (verdict, frame) = world.send(UplinkEgress, &other);
            assert_eq!((verdict, frame), (Verdict::Pass, other));
        }
    });
}

#[test]
fn a_reply_to_this_host_comes_out_of_the_tunnel_and_goes_to_the_kernel() {
    let (host, task) = (at(node(1), 40_000), at(address_of(1), 80));
    lab(|lab| {
        for xdp in [true, false] {
            let mut pair = Pair::new(lab, xdp);
            // A flow of this host's own; to the tables it is one like others.
            pair.deliver(&tcp(host, at(node(1), 8080), "S").frame());
            let answer = tcp(task, host, "SA").frame();
            let tunnelled = pair.leave(&answer);
            let (_, bytes) = open(&tunnelled, 2, 1, 2, 0);
            let expected = tcp(at(node(1), 8080), host, "SA").frame();
            assert_eq!(bytes, &expected[14..]);
            // No way leads out of the node to the node itself.
            pair.ingress.routed = false;
            let (verdict, frame) = if xdp {
                pair.ingress.receive(&tunnelled)
            } else {
                pair.ingress.send(UplinkTc, &tunnelled)
            };
            assert_eq!(verdict, Verdict::Pass);
            assert_eq!(frame[14..], expected[14..]);
            assert_eq!(pair.ingress.counted(1).packets_out, 1);
        }
    });
}
