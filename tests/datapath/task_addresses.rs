//! Processes on any node that call a task itself, at the port that it listens on.

use std::io::ErrorKind;
use std::net::{Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use lb_abi::TCP;
use lb_abi::counters::Reason;
use lb_core::backend::ebpf::task_address;
use lb_core::backend::ebpf::{Hook, HookKind};
use lb_core::model::ids::Key;
use lb_datapath::Verdict;

use crate::frames::{at, patched, tcp, udp};
use crate::hooks::{around, sealed};
use crate::lab::{lab, node};
use crate::pair::Pair;
use crate::read::read;
use crate::states::{address_of, addressed, here, key, publish, there};
use crate::tunnel::open;
use crate::world::{BridgeTc, UplinkTc, UplinkXdp, World};

/// Long enough for a socket to give up where nobody answers.
const SHORT: Duration = Duration::from_millis(50);
/// Port on which tasks listen; nobody publishes it.
const OWN: u16 = 9000;

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
    });
}
