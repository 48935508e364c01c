//! A tenant's container sends tunnel packets. Those that leave its node bear the node's address.

use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use harness::acceptance::served;
use harness::containers::{address, inside};
use harness::guards::Service;
use harness::netns::Netns;
use harness::service::{ServiceSpec, Task};
use harness::slow;
use harness::swarm::Swarm;
use harness::topology::CLIENT;

use crate::attacker::from_container;
use crate::packet::{at, hex, udp};
use crate::restricted_service::RestrictedService;
use crate::tunnel::{Kind, PORT, forged, vxlan, vxlan_reply};
use crate::witness::{SILENCE, asks, client_socket};
use crate::{alone, shared_swarm};

/// Nobody's address.
const INVENTED: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 66);

/// A service of the attacker's, with its only task on this node.
fn tenant<'a>(swarm: &'a Swarm, node: &str, port: u16) -> (Service<'a>, Task) {
    let spec = ServiceSpec::named(&format!("tenant-{port}"))
        .on_node(node)
        .publish(&format!("{port}:80"));
    let (service, mut tasks) = served(swarm, &spec, 1);
    (service, tasks.remove(0))
}

#[test]
fn what_a_container_forges_for_the_tunnel_reaches_no_task() {
    let Some(swarm) = shared_swarm() else { return };
    let restricted = RestrictedService::publish(&swarm, 8400);
    let (_service, attacker) = tenant(&swarm, "node1", 8401);
    restricted.holds_against(|to, packets| {
        let said = from_container(&swarm, &attacker, to, packets);
        assert!(said.starts_with("sent "), "{said}");
    });
}

#[test]
fn a_reply_that_a_container_forges_reaches_no_client() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("asked")
        .on_node("node2")
        .publish("8402:80/udp");
    let (_asked, tasks) = served(&swarm, &spec, 1);
    // Neither the client's node nor the task's.
    let (_service, attacker) = tenant(&swarm, "node3", 8403);
    let node = swarm.node("node1").unwrap();
    let client = client_socket(&swarm, CLIENT, 20_402);
    asks(&client, (node.addr, 8402), "a question").unwrap();
    let forgery = udp(at(node.addr, 8402), at(CLIENT, 20_402), b"forged");
    let packets = forged(Kind::Client, &tasks[0].id, &forgery);
    from_container(&swarm, &attacker, at(node.addr, PORT), &packets);
    // The forgery would be there before the answer.
    asks(&client, (node.addr, 8402), "another question").unwrap();
}

/// What comes back from a task is sent on to its client: not to whomever it names, from whomever it names.
#[test]
fn the_tunnel_sends_nothing_on_for_containers() {
    let Some(swarm) = shared_swarm() else { return };
    let (_service, attacker) = tenant(&swarm, "node1", 8404);
    let node = swarm.node("node2").unwrap();
    let tunnel = at(node.addr, PORT);

    let client = client_socket(&swarm, CLIENT, 9404);
    let relayed = vxlan_reply(&udp(at(INVENTED, 9), at(CLIENT, 9404), b"forged"));
    from_container(&swarm, &attacker, tunnel, &[relayed]);
    // By the container's own name it may.
    from_container(&swarm, &attacker, at(CLIENT, 9404), &[b"honest".to_vec()]);
    assert_eq!(said(&client).as_deref(), Some("honest"));

    let private = node
        .netns
        .run(|| UdpSocket::bind((Ipv4Addr::LOCALHOST, 9405)));
    let private = private.unwrap().unwrap();
    private
        .set_read_timeout(Some(slow::longer(SILENCE)))
        .unwrap();
    let localhost = Ipv4Addr::LOCALHOST;
    let within = vxlan_reply(&udp(at(localhost, 9), at(localhost, 9405), b"forged"));
    from_container(&swarm, &attacker, tunnel, &[within]);
    let process = node.netns.run(|| -> std::io::Result<usize> {
        UdpSocket::bind((localhost, 0))?.send_to(b"honest", (localhost, 9405))
    });
    process.unwrap().unwrap();
    assert_eq!(said(&private).as_deref(), Some("honest"));
}

/// The next datagram of a socket.
fn said(socket: &UdpSocket) -> Option<String> {
    let mut bytes = [0; 2048];
    let length = socket.recv(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes[..length]).into_owned())
}

/// Where a container's replies go is learned from its peers' packets about known tasks, or not at all.
#[test]
fn a_tunnel_packet_diverts_nothing_that_another_container_sends() {
    // It learns addresses, so other tests would notice.
    let Some(swarm) = alone() else { return };
    let (_service, attacker) = tenant(&swarm, "node1", 8405);
    let (_other, victim) = tenant(&swarm, "node2", 8406);
    let node = swarm.node("node2").unwrap();
    let (_netns, inside) = inside(&swarm, &victim).unwrap();
    let listen = || TcpListener::bind((CLIENT, 9406));
    let _listener = swarm.client.netns().run(listen).unwrap().unwrap();
    assert!(reaches_the_world(inside.netns()), "before the attack");

    let address = address(&swarm, &victim).unwrap();
    let inner = udp(at(INVENTED, 9), at(address, 9), b"forged");
    let mut packets = forged(Kind::Task, "no task", &inner);
    packets.push(vxlan(5, &inner));
    println!("to {address}: {}", hex(&packets[0]));
    from_container(&swarm, &attacker, at(node.addr, PORT), &packets);
    for _ in 0..3 {
        assert!(reaches_the_world(inside.netns()), "after the attack");
    }
}

fn reaches_the_world(netns: &Netns) -> bool {
    let patience = slow::longer(Duration::from_secs(2));
    let connect = || TcpStream::connect_timeout(&(CLIENT, 9406).into(), patience);
    netns.run(connect).unwrap().is_ok()
}
