//! Clients whose address is one of an overlay network of the task.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use harness::client::PATIENCE;
use harness::node::Node;
use harness::service::ServiceSpec;
use harness::slow;
use harness::swarm::Swarm;
use harness::topology::CLIENT;
use harness::traffic::http::Connection;
use harness::wait;
use harness::who::Who;
use lb_core::report::{Check, Flows};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::lbctl::json;
use crate::tools::served;
use crate::{TASKS, alone};

/// Name and addresses of the overlay network.
const NETWORK: (&str, &str) = ("own-net", "10.99.7.0/24");
/// An address of the client's, and one of a node's uplink, in the overlay network's.
const GUEST: Ipv4Addr = Ipv4Addr::new(10, 99, 7, 200);
const OF_UPLINK: Ipv4Addr = Ipv4Addr::new(10, 99, 7, 201);
/// Connections through each node.
const EACH: usize = 6;

/// The overlay network; goes with this value, when its services have gone.
struct Overlay<'a>(&'a Swarm);

impl<'a> Overlay<'a> {
    fn create(swarm: &'a Swarm) -> Self {
        let (name, subnet) = NETWORK;
        let create = [
            "network", "create", "--driver", "overlay", "--subnet", subnet, name,
        ];
        swarm.manager().unwrap().docker(&create).unwrap();
        Self(swarm)
    }
}

impl Drop for Overlay<'_> {
    fn drop(&mut self) {
        // The engine refuses as long as a task that is ending is on it.
        let _ = wait::until("the network to be removed", TASKS, || {
            let removed = self.0.manager()?.docker(&["network", "rm", NETWORK.0]);
            Ok(removed.ok())
        });
    }
}

/// A way from a node to [`GUEST`]; goes with this value.
struct Way<'a>(&'a Node);

impl<'a> Way<'a> {
    fn of(node: &'a Node) -> Self {
        node.netns
            .ip(&format!("route add {GUEST} dev eth0"))
            .unwrap();
        Self(node)
    }
}

impl Drop for Way<'_> {
    fn drop(&mut self) {
        let _ = self.0.netns.ip(&format!("route del {GUEST} dev eth0"));
    }
}

/// Calls from this client address, and returns the answer.
fn asks(swarm: &Swarm, client: Ipv4Addr, node: &Node, port: u16) -> Who {
    let peer = (node.addr, port).into();
    let asked = swarm.client.block_on(async move {
        let mut connection = Connection::open_from(client, peer, PATIENCE).await?;
        connection.who().await
    });
    asked.unwrap()
}

/// Sends a datagram from this client address, and returns the answer.
fn datagram(swarm: &Swarm, client: Ipv4Addr, node: &Node, port: u16) -> Who {
    let peer: SocketAddr = (node.addr, port).into();
    let asked = swarm.client.block_on(async move {
        let socket = UdpSocket::bind((client, 0)).await?;
        socket.connect(peer).await?;
        socket.send(b"who").await?;
        let mut answer = [0; 2048];
        let patience = slow::longer(Duration::from_secs(1));
        let length = timeout(patience, socket.recv(&mut answer)).await??;
        Ok(serde_json::from_slice(&answer[..length])?)
    });
    asked.unwrap()
}

/// The address of the node on which the task is that answered.
fn home(swarm: &Swarm, who: &Who) -> IpAddr {
    let node = swarm.node(who.node.as_deref().unwrap()).unwrap();
    node.addr.into()
}

/// What `lbctl check` of a node says of the service.
fn told(node: &Node) -> Vec<String> {
    let check: Check = json(node, &["check"]);
    let own = check.problems.into_iter();
    let own = own.filter(|problem| problem.object == "service owned");
    own.map(|problem| problem.message).collect()
}

#[test]
fn a_client_with_an_address_of_the_tasks_overlay_network_is_answered_through_each_node() {
    let Some(swarm) = alone() else { return };
    let swarm: &Swarm = &swarm;
    let _overlay = Overlay::create(swarm);
    let spec = ServiceSpec::named("owned")
        .global()
        .option("--network", NETWORK.0)
        .publish("8360:80")
        .publish("8360:80/udp");
    let (_service, _) = served(swarm, &spec, swarm.nodes.len());
    let _guest = swarm.client.netns().address("eth0", GUEST).unwrap();
    let _ways: Vec<Way<'_>> = swarm.nodes.iter().map(Way::of).collect();
    for node in &swarm.nodes {
        for n in 0..EACH {
            let who = asks(swarm, GUEST, node, 8360);
            assert_eq!(
                who.peer.ip(),
                home(swarm, &who),
                "{n} through {}",
                node.name
            );
            let who = datagram(swarm, GUEST, node, 8360);
            assert_eq!(
                who.peer.ip(),
                home(swarm, &who),
                "{n} through {}",
                node.name
            );
            // Clients elsewhere are seen as they are.
            let who = asks(swarm, CLIENT, node, 8360);
            assert_eq!(who.peer.ip(), CLIENT, "{n} through {}", node.name);
            let who = datagram(swarm, CLIENT, node, 8360);
            assert_eq!(who.peer.ip(), CLIENT, "{n} through {}", node.name);
        }
    }
    // A task's node knows how its task sees them.
    for node in &swarm.nodes {
        let told: Flows = json(node, &["flows", "--service", "owned", "--limit", "1000"]);
        let here = told.flows.iter();
        let here: Vec<_> = here
            .filter(|flow| flow.node.as_deref() == Some(node.name.as_str()))
            .collect();
        for (client, presented) in [(GUEST, Some(node.addr)), (CLIENT, None)] {
            let own = here.iter().filter(|flow| *flow.client.ip() == client);
            let own: Vec<_> = own.map(|flow| flow.presented.map(|at| *at.ip())).collect();
            assert!(!own.is_empty(), "{client} at {}", node.name);
            assert!(own.iter().all(|at| *at == presented), "{client}: {own:?}");
        }
    }
    // Where the uplink has such an address, it is said, and not elsewhere.
    let node = &swarm.nodes[0];
    let address = node.netns.address("eth0", OF_UPLINK).unwrap();
    let message = wait::until("the overlap to be told", TASKS, || Ok(told(node).pop())).unwrap();
    assert!(message.contains(NETWORK.1), "{message}");
    assert_eq!(told(&swarm.nodes[1]), [""; 0]);
    drop(address);
    wait::until("the overlap to be over", TASKS, || {
        Ok(told(node).is_empty().then_some(()))
    })
    .unwrap();
}
