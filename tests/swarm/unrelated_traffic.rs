//! Traffic to other than published ports passes the programs unchanged.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use harness::client::PATIENCE;
use harness::pattern;
use harness::topology::CLIENT;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, recv, sendto,
    setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike as _};

use crate::kernel::attached;
use crate::shared_swarm;

/// No service publishes it.
const OWN: u16 = 2222;
const BYTES: u64 = 8 << 20;

#[test]
fn a_nodes_own_tcp_service_is_unaffected_both_ways() {
    let Some(swarm) = shared_swarm() else { return };
    for node in &swarm.nodes {
        assert!(attached(node).contains(&"eth0 xdp".to_owned()));
        let listener = node.netns.run(|| TcpListener::bind((node.addr, OWN)));
        let listener = listener.unwrap().unwrap();
        let echo = std::thread::spawn(move || {
            let (mut stream, peer) = listener.accept().unwrap();
            let mut received = Vec::new();
            stream.read_to_end(&mut received).unwrap();
            stream.write_all(&received).unwrap();
            peer.ip()
        });
        let sent: Vec<u8> = pattern::chunks(BYTES).flatten().collect();
        let mut back = Vec::new();
        let talk = swarm.client.netns().run(|| {
            let mut stream = TcpStream::connect((node.addr, OWN))?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(&sent)?;
            stream.shutdown(Shutdown::Write)?;
            stream.read_to_end(&mut back)
        });
        talk.unwrap().unwrap();
        assert!(back == sent, "{}: {} bytes", node.name, back.len());
        assert_eq!(echo.join().unwrap(), CLIENT);
    }
}

/// Whole, at the MTU, and in fragments.
#[test]
fn datagrams_of_any_size_reach_a_nodes_own_port_unchanged() {
    let Some(swarm) = shared_swarm() else { return };
    for node in &swarm.nodes {
        let server = node.netns.run(|| UdpSocket::bind((node.addr, OWN)));
        let server = server.unwrap().unwrap();
        server.set_read_timeout(Some(PATIENCE)).unwrap();
        for len in [0, 1, 100, 1472, 1473, 4000, 60_000] {
            let sent: Vec<u8> = pattern::chunks(len).flatten().collect();
            let (mut back, mut received) = (vec![0; 65_536], vec![0; 65_536]);
            let client = swarm.client.netns().run(|| UdpSocket::bind((CLIENT, 0)));
            let client = client.unwrap().unwrap();
            client.set_read_timeout(Some(PATIENCE)).unwrap();
            client.send_to(&sent, (node.addr, OWN)).unwrap();
            let (size, peer) = server.recv_from(&mut received).unwrap();
            assert_eq!(received.get(..size), Some(sent.as_slice()), "{len}");
            server.send_to(&sent, peer).unwrap();
            let size = client.recv(&mut back).unwrap();
            assert_eq!(back.get(..size), Some(sent.as_slice()), "{len}");
        }
    }
}

#[test]
fn nodes_answer_pings() {
    let Some(swarm) = shared_swarm() else { return };
    for node in &swarm.nodes {
        for size in [8, 1480, 3000] {
            let answer = swarm.client.netns().run(|| ping(node.addr, size));
            answer
                .unwrap()
                .unwrap_or_else(|error| panic!("{} {size}: {error}", node.name));
        }
    }
}

/// An echo request of `size` bytes and its answer, which must carry the same.
fn ping(addr: Ipv4Addr, size: usize) -> nix::Result<()> {
    let raw = socket(
        AddressFamily::Inet,
        SockType::Raw,
        SockFlag::empty(),
        SockProtocol::Icmp,
    )?;
    setsockopt(&raw, sockopt::ReceiveTimeout, &TimeVal::seconds(2))?;
    let mut request: Vec<u8> = pattern::chunks(size as u64).flatten().collect();
    // Type 8, code 0, checksum, then what comes back as it was.
    request[..4].copy_from_slice(&[8, 0, 0, 0]);
    let sum: u32 = request
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !((folded & 0xffff) + (folded >> 16)) & 0xffff;
    request[2..4].copy_from_slice(&u16::try_from(checksum).unwrap().to_be_bytes());
    let to = SockaddrIn::from(std::net::SocketAddrV4::new(addr, 0));
    sendto(raw.as_raw_fd(), &request, &to, MsgFlags::empty())?;
    let mut answer = vec![0; 65_536];
    loop {
        let len = recv(raw.as_raw_fd(), &mut answer, MsgFlags::empty())?;
        // An IPv4 header of 20 bytes, then type 0.
        if answer.get(20) == Some(&0) && answer.get(24..len) == request.get(4..) {
            return Ok(());
        }
    }
}

#[test]
fn tasks_and_nodes_reach_the_world_as_before() {
    let Some(swarm) = shared_swarm() else { return };
    let server = swarm
        .client
        .netns()
        .run(|| TcpListener::bind((CLIENT, OWN)));
    let server = server.unwrap().unwrap();
    let (asked, peers) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for _ in 0..6 {
            let (mut stream, peer) = server.accept().unwrap();
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
            // Closed with a request unread, the connection would be reset.
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
            asked.send(peer.ip()).unwrap();
        }
    });
    let url = format!("http://{CLIENT}:{OWN}/");
    for node in &swarm.nodes {
        let run = ["run", "--rm", harness::image::WHOAMI, "health", &url];
        node.docker(&run).unwrap();
        assert_eq!(
            peers.recv_timeout(Duration::from_secs(5)),
            Ok(node.addr.into())
        );
        node.netns
            .run(|| TcpStream::connect((CLIENT, OWN)).map(drop))
            .unwrap()
            .unwrap();
        assert_eq!(
            peers.recv_timeout(Duration::from_secs(5)),
            Ok(node.addr.into())
        );
    }
}
