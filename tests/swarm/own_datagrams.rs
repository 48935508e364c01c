//! Datagrams that tasks, other containers and processes send from a port that a service publishes: answers come to who
//! sent, and clients of the port are served meanwhile.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::Duration;

use harness::client::PATIENCE;
use harness::containers::{home, inside};
use harness::netns::Netns;
use harness::node::Node;
use harness::service::ServiceSpec;
use harness::swarm::Swarm;
use harness::topology::CLIENT;

use crate::shared_swarm;
use crate::tools::{ids, served, task};

/// Exchanges with the far end.
const TIMES: usize = 6;
/// More than a round trip.
const ANSWER: Duration = Duration::from_millis(500);

/// A socket in a namespace.
fn bound(netns: &Netns, to: (Ipv4Addr, u16)) -> UdpSocket {
    let socket = netns.run(|| UdpSocket::bind(to)).unwrap().unwrap();
    socket.set_read_timeout(Some(ANSWER)).unwrap();
    socket
}

/// Sends so often from `port` in `netns`, on `node`, to a far end outside of the Swarm, which answers; does `between` after
/// each time. How many answers came. The far end must see the node's address and that port: else it would have nothing to
/// do with what is published.
fn answers(
    swarm: &Swarm,
    netns: &Netns,
    node: &Node,
    port: u16,
    mut between: impl FnMut(),
) -> usize {
    let far_end = bound(swarm.client.netns(), (CLIENT, 0));
    let socket = bound(netns, (Ipv4Addr::UNSPECIFIED, port));
    // Connected, it is no socket that listens.
    socket.connect(far_end.local_addr().unwrap()).unwrap();
    let own = SocketAddr::V4(SocketAddrV4::new(node.addr, port));
    let exchange = |_: &usize| -> bool {
        socket.send(b"question").unwrap();
        let sender = received(&far_end, b"question").unwrap();
        assert_eq!(sender, own, "source NAT has kept the port");
        far_end.send_to(b"answer", sender).unwrap();
        let came = received(&socket, b"answer").is_ok();
        between();
        came
    };
    (0..TIMES).filter(exchange).count()
}

/// The sender of the next datagram, if that says `expected`.
fn received(socket: &UdpSocket, expected: &[u8]) -> io::Result<SocketAddr> {
    let mut buffer = [0; 100];
    let (length, sender) = socket.recv_from(&mut buffer)?;
    assert_eq!(&buffer[..length], expected, "from {sender}");
    Ok(sender)
}

#[test]
fn answers_come_to_the_task_that_asks_from_its_published_port() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("rings")
        .replicas(6)
        .publish("8260:8260/udp");
    let (_service, tasks) = served(&swarm, &spec, 6);
    for task in &tasks[..3] {
        let (_netns, client) = inside(&swarm, task).unwrap();
        let node = home(&swarm, task).unwrap();
        let came = answers(&swarm, client.netns(), node, 8260, || ());
        assert_eq!(came, TIMES, "of {TIMES} answers, on {}", node.name);
    }
}

#[test]
fn answers_come_to_containers_and_processes_that_ask_from_ports_of_others() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("holder")
        .replicas(6)
        .publish("8261:80/udp");
    let (_service, tasks) = served(&swarm, &spec, 6);
    let spec = ServiceSpec::named("bystander").publish("8262:80");
    let (_others, others) = served(&swarm, &spec, 1);
    let (_netns, container) = inside(&swarm, &others[0]).unwrap();
    let own = (
        "a container",
        container.netns(),
        home(&swarm, &others[0]).unwrap(),
    );
    let processes = swarm.nodes.iter();
    let processes = processes.map(|node| ("a process", &node.netns, node));
    for (who, netns, node) in [own].into_iter().chain(processes) {
        let mut reached = BTreeSet::new();
        let came = answers(&swarm, netns, node, 8261, || {
            let client = swarm.client.udp((node.addr, 8261), PATIENCE).unwrap();
            reached.insert(task(&client));
        });
        assert_eq!(came, TIMES, "of {TIMES} answers to {who} of {}", node.name);
        assert_eq!(reached, ids(&tasks), "clients, meanwhile, on {}", node.name);
    }
}
