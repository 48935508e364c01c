//! Processes on any node that call a task itself, at the port that it listens on.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use lb_abi::counters::Reason;
use lb_abi::service::Backend;
use lb_abi::settings::NO_USER;
use lb_abi::{Be16, Be32, TCP};
use lb_core::backend::ebpf::task_address;
use lb_core::backend::ebpf::{Hook, HookKind};
use lb_core::model::ids::Key;
use lb_datapath::Verdict;

use crate::frames::{at, patched, tcp, udp};
use crate::hooks::{around, sealed};
use crate::lab::{Lab, lab, node};
use crate::pair::Pair;
use crate::read::read;
use crate::states::{
    address_of, addressed, by_ipv4, here, key, publish, routed, there, without_ipv6,
};
use crate::tunnel::open;
use crate::world::{BridgeTc, UplinkTc, UplinkXdp, World};

/// Long enough for a socket to give up where nobody answers.
const SHORT: Duration = Duration::from_millis(50);
/// Port on which tasks listen; nobody publishes it.
const OWN: u16 = 9000;

fn be(address: Ipv4Addr) -> Be32 {
    Be32::new(address.into())
}

#[test]
fn a_socket_that_names_a_task_is_pointed_at_it_here_and_elsewhere() {
    lab(|lab| {
        let mut world = World::new(lab, 1);
        world.change(|state| {
            let tasks = [addressed(here(1)), addressed(there(2, node(2))), here(4)];
            publish(state, TCP, 8080, 80, &tasks);
            let on_host = |kind| Hook { kind, link: 0 };
            state.hooks.extend(HookKind::HOST.map(on_host));
        });
        let call = |task: u64| {
            let to = SocketAddr::from((task_address(Key(task)), OWN));
            TcpStream::connect_timeout(&to, SHORT).unwrap_err().kind()
        };
        for n in [1, 2] {
            // Nobody is behind the wire, and nothing on the bridge.
            assert_ne!(call(key(n)), ErrorKind::PermissionDenied);
        }
        let called = world.kernel().calls().unwrap();
        let ends = called
            .iter()
            .map(|(call, called)| (called.task, call.address, call.port));
        let expected = [(key(1), address_of(1)), (key(2), node(2))];
        let expected = expected.map(|(task, to)| (task, u32::from(to).into(), OWN.into()));
        let mut ends: Vec<_> = ends.collect();
        ends.sort_unstable();
        assert_eq!(ends, expected);
        let flows = world.kernel().flows().unwrap();
        let flow: Vec<_> = flows
            .iter()
            .map(|(tuple, flow)| (tuple.destination_port.get(), flow.task))
            .collect();
        assert_eq!(flow, [(OWN, key(2))], "only what leaves the node is a flow");
        // No such task, and it is nobody else's address either.
        assert_eq!(call(key(3)), ErrorKind::PermissionDenied);
        // One whose service does not let it.
        assert_eq!(call(key(4)), ErrorKind::PermissionDenied);
        // Only TCP, also by sockets that are not connected; the key stays on the host.
        let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
        let to = SocketAddr::from((task_address(Key(key(1))), OWN));
        let sent = socket.send_to(b"odd", to).unwrap_err();
        assert_eq!(sent.kind(), ErrorKind::PermissionDenied);
        let connected = socket.connect(to).unwrap_err();
        assert_eq!(connected.kind(), ErrorKind::PermissionDenied);
        let others = SocketAddr::from((Ipv6Addr::LOCALHOST, OWN));
        let refused = TcpStream::connect_timeout(&others, SHORT).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    });
}

/// This process is root's: it is the router's or not, as the settings say.
#[test]
fn a_task_that_is_called_for_its_routes_is_called_by_the_routers_user_alone() {
    for (router_user, refused) in [(NO_USER, true), (60_081, true), (0, false)] {
        lab(|lab| {
            let mut world = World::new(lab, 1);
            world.change(|state| {
                let tasks = [routed(there(1, node(2))), addressed(there(2, node(2)))];
                publish(state, TCP, 8080, 80, &tasks);
                let on_host = |kind| Hook { kind, link: 0 };
                state.hooks.extend(HookKind::HOST.map(on_host));
                state.settings.as_mut().unwrap().router_user = router_user;
            });
            let call = |task: u64| {
                let to = SocketAddr::from((task_address(Key(task)), OWN));
                TcpStream::connect_timeout(&to, SHORT).unwrap_err().kind()
            };
            let denied = call(key(1)) == ErrorKind::PermissionDenied;
            assert_eq!(denied, refused, "the router's user is {router_user}");
            assert_ne!(call(key(2)), ErrorKind::PermissionDenied, "open to all");
        });
    }
}

/// A node with programs on the root cgroup too, where processes may call tasks 1 and 2, and not 4; task 3 is gone.
fn hosting_without_ipv6(lab: &Lab) -> World {
    let mut world = World::new(lab, 1);
    world.change(|state| {
        // The first one answers where the test listens.
        let (first, backend) = addressed(here(1));
        let address = be(node(1));
        let tasks = [
            (first, Backend { address, ..backend }),
            addressed(there(2, node(2))),
            here(4),
        ];
        publish(state, TCP, 8080, 80, &tasks);
        without_ipv6(state, &[1, 2, 3, 4]);
        let on_host = |kind| Hook { kind, link: 0 };
        state.hooks.extend(HookKind::HOST.map(on_host));
    });
    world
}

fn call(to: Ipv4Addr) -> ErrorKind {
    let to = SocketAddr::from((to, OWN));
    TcpStream::connect_timeout(&to, SHORT).unwrap_err().kind()
}

#[test]
fn without_ipv6_a_process_talks_to_the_task_whose_ipv4_address_it_names() {
    lab(|lab| {
        let world = hosting_without_ipv6(lab);
        let listener = TcpListener::bind((node(1), OWN)).unwrap();
        let named = by_ipv4(1);
        // By sockets of either family.
        for named in [IpAddr::V4(named), IpAddr::V6(named.to_ipv6_mapped())] {
            let to = SocketAddr::new(named, OWN);
            let mut caller = TcpStream::connect_timeout(&to, SHORT).unwrap();
            assert_eq!(caller.peer_addr().unwrap(), to);
            let (mut task, from) = listener.accept().unwrap();
            assert_eq!(from.ip(), node(1));
            caller.write_all(b"question").unwrap();
            let mut heard = [0; 8];
            task.read_exact(&mut heard).unwrap();
            assert_eq!(&heard, b"question");
            task.write_all(b"answer").unwrap();
            let mut heard = [0; 6];
            caller.read_exact(&mut heard).unwrap();
            assert_eq!(&heard, b"answer");
        }
        let calls = world.kernel().calls().unwrap();
        assert_eq!(calls.len(), 2);
        for (call, called) in calls {
            assert_eq!((call.address, call.port), (be(node(1)), Be16::new(OWN)));
            assert_eq!((called.task, called.own), (key(1), 1));
        }
    });
}

#[test]
fn without_ipv6_a_call_leaves_for_the_tasks_node_by_the_tunnel() {
    lab(|lab| {
        let world = hosting_without_ipv6(lab);
        // Nobody is behind the wire.
        assert_ne!(call(by_ipv4(2)), ErrorKind::PermissionDenied);
        let flows = world.kernel().flows().unwrap();
        let flow: Vec<_> = flows
            .iter()
            .map(|(tuple, flow)| (tuple.destination, tuple.destination_port.get(), flow.task))
            .collect();
        assert_eq!(flow, [(be(node(2)), OWN, key(2))]);
    });
}

#[test]
fn an_ipv4_address_that_stands_for_no_task_is_refused_where_it_might_and_else_left_alone() {
    lab(|lab| {
        let mut world = hosting_without_ipv6(lab);
        // A task that is gone, one whose service does not let it, and nobody's addresses.
        let refused = [
            by_ipv4(3),
            by_ipv4(4),
            by_ipv4(5),
            Ipv4Addr::new(253, 255, 255, 255),
        ];
        for to in refused {
            assert_eq!(call(to), ErrorKind::PermissionDenied, "{to}");
        }
        // Only TCP, also by sockets that are not connected.
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let to = SocketAddr::from((by_ipv4(1), OWN));
        let sent = socket.send_to(b"odd", to).unwrap_err();
        assert_eq!(sent.kind(), ErrorKind::PermissionDenied);
        let connected = socket.connect(to).unwrap_err();
        assert_eq!(connected.kind(), ErrorKind::PermissionDenied);
        for others in [
            Ipv4Addr::new(251, 255, 255, 255),
            Ipv4Addr::new(254, 0, 0, 1),
        ] {
            assert_ne!(call(others), ErrorKind::PermissionDenied);
        }
        assert!(world.kernel().calls().unwrap().is_empty());
        // Where the host has IPv6 such addresses are somebody else's business.
        world.change(|state| {
            state.settings.as_mut().unwrap().flags = 0;
        });
        for to in refused.into_iter().chain([by_ipv4(1)]) {
            assert_ne!(call(to), ErrorKind::PermissionDenied, "{to}");
        }
        assert!(world.kernel().calls().unwrap().is_empty());
        // What an agent wrote goes when the next one has IPv6.
        world.change(|state| state.task_addresses.clear());
    });
}

#[test]
fn at_its_node_it_reaches_the_tasks_own_port_and_the_answer_goes_back() {
    lab(|lab| {
        let mut pair = Pair::new(lab, true);
        pair.home
            .change(|state| publish(state, TCP, 8080, 80, &[addressed(here(1))]));
        let (host, asked) = (at(node(1), 40_000), at(node(2), OWN));
        let task = at(address_of(1), OWN);
        let published = pair.enter(&tcp(host, at(node(1), 8080), "S").frame());
        let own = |flags| {
            let outside = patched(&published[..70], &[(52, &[3])]);
            around(&outside, &tcp(host, asked, flags).frame(), 1)
        };
        let syn = own("S");
        assert_eq!(
            pair.home.send(UplinkXdp, &syn),
            (Verdict::Pass, syn.clone())
        );
        let (verdict, frame) = pair.home.send(UplinkTc, &syn);
        assert_eq!(verdict, Verdict::Bridge);
        assert_eq!((read(&frame).from, read(&frame).to), (host, task));

        let (verdict, frame) = pair.home.send(BridgeTc, &tcp(task, host, "SA").frame());
        assert_eq!(verdict, Verdict::Uplink);
        let (_, bytes) = open(&frame, 2, 1, 2, 0);
        assert_eq!(bytes, &tcp(asked, host, "SA").frame()[14..]);

        // Only for a task that is here, and only from nodes.
        let strange = sealed(patched(&syn, &[(54, &[9])]), 1);
        let dropped = Verdict::Drop(Reason::UnknownTask);
        assert_eq!(pair.home.send(UplinkTc, &strange).0, dropped);
        let datagram = around(&syn, &udp(host, asked).frame(), 1);
        assert_eq!(pair.home.send(UplinkTc, &datagram).0, dropped, "only TCP");
        // Nor for one whose service does not let it.
        pair.home.change(|state| {
            state.backends.insert(here(1).0, here(1).1);
        });
        assert_eq!(pair.home.send(UplinkTc, &syn).0, dropped);
        let (verdict, _) = pair.home.send(UplinkTc, &tcp(host, asked, "A").frame());
        assert_eq!(verdict, Verdict::Pass, "not published");
        // Routers of other nodes call it.
        pair.home
            .change(|state| state.backends.extend([routed(here(1))]));
        assert_eq!(pair.home.send(UplinkTc, &syn).0, Verdict::Bridge);
    });
}
