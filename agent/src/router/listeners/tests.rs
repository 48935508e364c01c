//! Real sockets, on ports that the kernel chose: those below 1024 are root's.

use super::*;
use crate::router::testing::ports;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};

fn accept(socket: &OwnedFd) -> Option<TcpStream> {
    TcpListener::from(socket.try_clone().unwrap())
        .accept()
        .ok()
        .map(|(stream, _)| stream)
}

fn workers(listeners: &Listeners, threads: usize) -> Vec<(EntryPoint, u32)> {
    let sockets = listeners.sockets(threads).into_iter();
    sockets
        .map(|(listener, _)| (listener.entry_point, listener.worker))
        .collect()
}

#[test]
fn each_thread_has_a_socket_of_each_port_and_a_client_of_either_family_is_accepted() {
    use EntryPoint::{Http, Https};
    let ports = ports();
    let mut listeners = Listeners::new(ports);
    assert!(listeners.fill(2));
    assert!(!listeners.fill(1), "they are kept, and enough");
    assert_eq!(
        workers(&listeners, 2),
        [(Http, 0), (Http, 1), (Https, 0), (Https, 1)]
    );
    assert_eq!(
        workers(&listeners, 1),
        [(Http, 0), (Http, 0), (Https, 0), (Https, 0)]
    );
    assert_eq!(listeners.problems(), []);
    for address in [
        format!("127.0.0.1:{}", ports[0]),
        format!("[::1]:{}", ports[1]),
    ] {
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"x").unwrap();
        let sockets = listeners.sockets(2);
        let mut accepted = sockets.iter().filter_map(|(_, socket)| accept(socket));
        let mut byte = [0];
        let mut served = accepted.next().unwrap();
        served.set_nonblocking(false).unwrap();
        served.read_exact(&mut byte).unwrap();
        assert_eq!((byte, accepted.count()), (*b"x", 0));
    }
}

#[test]
fn who_asks_for_too_many_threads_gets_64_sockets_and_who_asks_for_none_gets_one() {
    let mut listeners = Listeners::new(ports());
    listeners.fill(0);
    assert_eq!(listeners.sockets(0).len(), 2);
    listeners.fill(usize::MAX);
    assert_eq!(listeners.sockets(usize::MAX).len(), 128);
}

#[test]
fn a_client_that_waits_for_a_router_is_served_by_the_next_agents_router() {
    let ports = ports();
    let mut before = Listeners::new(ports);
    before.fill(1);
    let _client = TcpStream::connect(("127.0.0.1", ports[0])).unwrap();
    let offered = before
        .sockets(1)
        .into_iter()
        .map(|(_, socket)| socket.try_clone().unwrap());
    let offered: Vec<OwnedFd> = offered.collect();
    let again: Vec<OwnedFd> = offered
        .iter()
        .map(|socket| socket.try_clone().unwrap())
        .collect();
    drop(before);
    let mut after = Listeners::new(ports);
    assert!(after.adopt(offered));
    assert!(!after.adopt(again), "the same sockets by other descriptors");
    assert!(!after.fill(1), "nothing is missing");
    let sockets = after.sockets(1);
    assert_eq!(sockets.len(), 2);
    assert!(sockets.iter().any(|(_, socket)| accept(socket).is_some()));
}

#[test]
fn no_other_socket_is_taken_over() {
    let [http, https] = ports();
    let mut listeners = Listeners::new([http, https]);
    let one_address = listen_at(SocketAddr::from((Ipv4Addr::LOCALHOST, http))).unwrap();
    let other_port = listen(ports()[0]).unwrap();
    let alone = OwnedFd::from(TcpListener::bind(("0.0.0.0", https)).unwrap());
    let connected = TcpStream::connect(("127.0.0.1", http)).unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    let datagrams = UdpSocket::bind("0.0.0.0:0").unwrap();
    let (stream, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let offered = vec![
        one_address,
        other_port,
        alone,
        connected.into(),
        file.into(),
        datagrams.into(),
        stream.into(),
    ];
    for socket in &offered {
        assert!(listeners.check(socket).is_err(), "{socket:?}");
    }
    assert!(!listeners.adopt(offered));
    assert_eq!(listeners.sockets(1).len(), 0);
}

#[test]
fn no_router_makes_the_agent_hold_more_than_64_sockets_of_a_port() {
    let mut listeners = Listeners::new(ports());
    let [(_, http), _] = listeners.ports;
    let offered: Vec<OwnedFd> = (0..70).map(|_| listen(http).unwrap()).collect();
    assert!(listeners.adopt(offered));
    assert_eq!(listeners.sockets(1).len(), 64);
}

#[test]
fn a_port_of_somebody_else_is_named_and_the_other_one_is_served() {
    let [http, https] = ports();
    let other = TcpListener::bind(("0.0.0.0", http)).unwrap();
    let mut listeners = Listeners::new([http, https]);
    assert!(listeners.fill(1));
    assert!(listeners.lacks_any());
    assert_eq!(workers(&listeners, 1), [(EntryPoint::Https, 0)]);
    let [problem] = &listeners.problems()[..] else {
        panic!("{:?}", listeners.problems());
    };
    assert_eq!(problem.object, format!("port {http} of this host"));
    assert!(
        problem
            .message
            .contains(&format!("ss -lntp 'sport = :{http}'")),
        "{problem:?}"
    );
    drop(other);
    assert!(listeners.fill(1));
    assert!(!listeners.lacks_any());
    assert_eq!(
        (listeners.sockets(1).len(), listeners.problems()),
        (2, vec![])
    );
}
