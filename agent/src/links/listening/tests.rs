use super::*;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};

const ENGINE: Owner = Owner { user: 0, cgroup: 7 };
const OTHER: Owner = Owner { user: 0, cgroup: 8 };
const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const ANY6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

fn socket(port: u16, proto: Proto, address: IpAddr, owner: Owner) -> Bound {
    Bound {
        port,
        proto,
        address,
        cookie: u64::from(port).to_ne_bytes(),
        owner,
    }
}

/// Who has the port, by (engine, passing), on a host whose engine gossips.
fn who(sockets: &[Bound], six: bool) -> BTreeMap<u16, (bool, bool)> {
    let gossip = socket(GOSSIP, Proto::Tcp, ANY, ENGINE);
    let all = [sockets, &[gossip]].concat();
    let met = all.iter().map(|socket| socket.cookie).collect();
    let mut ports = ports(&all, &met, &CHOSEN, six);
    ports.remove(&(GOSSIP, Proto::Tcp));
    let of = ports.into_iter();
    of.map(|((port, _), by)| (port, (by.engine, by.passing)))
        .collect()
}

#[test]
fn the_engines_sockets_are_those_of_the_cgroup_that_gossips() {
    use Proto::{Tcp, Udp};
    let found = who(
        &[
            socket(22, Tcp, ANY, OTHER),
            socket(53, Udp, Ipv4Addr::new(127, 0, 0, 53).into(), OTHER),
            socket(8080, Tcp, ANY6, ENGINE),
            socket(8081, Udp, ANY6, ENGINE),
            // docker-proxy, one for each family
            socket(8082, Udp, ANY, ENGINE),
            socket(8082, Udp, ANY6, ENGINE),
            // beside somebody else
            socket(8083, Tcp, Ipv4Addr::LOCALHOST.into(), OTHER),
            socket(8083, Tcp, ANY6, ENGINE),
            // the data path
            socket(4790, Udp, ANY, ENGINE),
        ],
        true,
    );
    let engine = found.iter().filter(|(_, (engine, _))| *engine);
    let engine: Vec<u16> = engine.map(|(port, _)| *port).collect();
    assert_eq!((found.len(), engine), (7, vec![8080, 8081, 8082]));
    // Without IPv6 it listens for the other one alone.
    let found = who(&[socket(8081, Udp, ANY, ENGINE)], false);
    assert_eq!(found[&8081], (true, false));
    // Where no engine gossips, nobody is the engine.
    let found = ports(
        &[socket(80, Tcp, ANY, ENGINE)],
        &BTreeSet::new(),
        &CHOSEN,
        true,
    );
    assert!(!found[&(80, Tcp)].engine);
}

#[test]
fn a_socket_that_only_asks_something_has_no_port_to_itself() {
    let asks = socket(40_000, Proto::Udp, ANY, OTHER);
    let all = [
        asks,
        socket(40_000, Proto::Tcp, ANY, OTHER),
        socket(53, Proto::Udp, ANY, OTHER),
    ];
    let found = ports(&all, &BTreeSet::new(), &CHOSEN, true);
    let found: Vec<_> = found.into_keys().collect();
    assert_eq!(found, [(53, Proto::Udp), (40_000, Proto::Tcp)]);
    // One that stays may be somebody's service all the same.
    assert_eq!(who(&[asks], true)[&40_000], (false, true));
    assert_eq!(parse("32768\t60999\n"), Some(CHOSEN));
    assert_eq!(parse("1"), None);
}

/// Its own sockets, on the loopback of this machine.
#[test]
fn the_kernel_tells_of_sockets_that_listen_and_of_no_others() {
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let six = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let connected = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    connected.connect(udp.local_addr().unwrap()).unwrap();
    let mut listening = Listening::default();
    listening.refresh();
    listening.refresh();
    assert_eq!(listening.failure(), None);
    let has = |port, proto| {
        let found = listening.ports().get(&(port, proto));
        found.map(|listener| listener.address)
    };
    let port = |address: std::io::Result<std::net::SocketAddr>| address.unwrap().port();
    let (v4, v6) = (Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into());
    assert_eq!(has(port(tcp.local_addr()), Proto::Tcp), Some(v4));
    assert_eq!(has(port(six.local_addr()), Proto::Tcp), Some(v6));
    assert_eq!(has(port(udp.local_addr()), Proto::Udp), Some(v4));
    assert_eq!(has(port(connected.local_addr()), Proto::Udp), None);
    let gone = (port(tcp.local_addr()), Proto::Tcp);
    drop(tcp);
    for _ in 0..LINGERS {
        assert!(!listening.refresh().contains(&gone), "it may come back");
    }
    assert!(listening.refresh().contains(&gone));
    assert!(!listening.ports().contains_key(&gone));
}

#[test]
fn who_comes_back_finds_its_port() {
    let port = (5432, Proto::Tcp);
    let of = |owner| {
        ports(
            &[socket(5432, Proto::Tcp, ANY, owner)],
            &BTreeSet::new(),
            &CHOSEN,
            true,
        )
    };
    let mut gone = BTreeMap::new();
    let mut now = of(OTHER);
    for _ in 0..2 {
        for _ in 0..LINGERS {
            now = linger(&now, &mut gone, Ports::new());
            assert!(now.contains_key(&port));
        }
        now = linger(&now, &mut gone, of(OTHER));
        assert!(gone.is_empty());
    }
    for _ in 0..LINGERS {
        now = linger(&now, &mut gone, Ports::new());
    }
    assert_eq!(linger(&now, &mut gone, Ports::new()), Ports::new());
    assert_eq!(linger(&Ports::new(), &mut gone, Ports::new()), Ports::new());
    assert!(gone.is_empty());
}
