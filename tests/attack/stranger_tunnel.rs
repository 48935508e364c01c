//! Somebody on the nodes' network sends tunnel packets that bear the address of a node.

use harness::acceptance::{assert_unharmed, during, load, served, task};
use harness::client::PATIENCE;
use harness::service::ServiceSpec;
use harness::topology::CLIENT;
use harness::traffic::http::Connection;

use crate::attacker::Stranger;
use crate::packet::{at, syn, udp};
use crate::restricted_service::RestrictedService;
use crate::tunnel::{Kind, PORT, forged};
use crate::witness::{asks, client_socket};
use crate::{alone, scale, shared_swarm};

#[test]
fn what_a_stranger_forges_with_a_nodes_address_reaches_no_task() {
    let Some(swarm) = shared_swarm() else { return };
    let stranger = Stranger::of(&swarm);
    let liar = swarm.node("node1").unwrap().addr;
    RestrictedService::publish(&swarm, 8410).holds_against(|to, packets| {
        for packet in packets {
            stranger.sends(&udp(at(liar, 50_000), to, packet));
        }
    });
}

/// Whoever knows a task of his own names it for the port of somebody else's service, before a client comes.
#[test]
fn a_tunnel_packet_brings_no_client_to_a_task_of_another_service() {
    let Some(swarm) = shared_swarm() else { return };
    let own = ServiceSpec::named("thief")
        .on_node("node2")
        .publish("8411:80");
    let (_own, thieves) = served(&swarm, &own, 1);
    let victim = ServiceSpec::named("robbed")
        .on_node("node2")
        .publish("8412:80")
        .publish("8412:80/udp");
    let (_victim, victims) = served(&swarm, &victim, 1);
    let node1 = swarm.node("node1").unwrap().addr;
    let node2 = swarm.node("node2").unwrap().addr;
    let stranger = Stranger::of(&swarm);
    let (from, to) = (at(CLIENT, 20_412), at(node2, 8412));
    for inner in [syn(from, to), udp(from, to, b"forged")] {
        for packet in forged(Kind::Task, &thieves[0].id, &inner) {
            stranger.sends(&udp(at(node1, 50_000), at(node2, PORT), &packet));
        }
    }
    let socket = client_socket(&swarm, CLIENT, 20_412);
    let who = asks(&socket, (node2, 8412), "a client's question").unwrap();
    assert_eq!(task(&who), victims[0].id, "who got the datagram");
    let talk = async move {
        let mut connection = Connection::open_at(from.into(), to.into(), PATIENCE).await?;
        connection.who().await
    };
    let who = swarm.client.block_on(talk).unwrap();
    assert_eq!(task(&who), victims[0].id, "who got the connection");
}

/// In the name of the task's own node, and in that of another one.
#[test]
fn a_reply_that_a_stranger_forges_reaches_no_client() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("questioned")
        .on_node("node2")
        .publish("8413:80/udp");
    let (_service, tasks) = served(&swarm, &spec, 1);
    let node = swarm.node("node1").unwrap().addr;
    let stranger = Stranger::of(&swarm);
    let client = client_socket(&swarm, CLIENT, 20_413);
    asks(&client, (node, 8413), "a question").unwrap();
    for liar in ["node2", "node3"] {
        let liar = swarm.node(liar).unwrap().addr;
        let forgery = udp(at(node, 8413), at(CLIENT, 20_413), b"forged");
        for packet in forged(Kind::Client, &tasks[0].id, &forgery) {
            stranger.sends(&udp(at(liar, 50_000), at(node, PORT), &packet));
        }
        // The forgery would be there before the answer.
        let answer = asks(&client, (node, 8413), "another question");
        answer.unwrap_or_else(|error| panic!("in the name of {liar}: {error:#}"));
    }
}

/// So many in a second that the cables' rings, 256 packets long, have room for the load.
const RATE: u32 = 50_000;

#[test]
fn a_flood_of_forged_tunnel_packets_fails_no_request() {
    let Some(swarm) = alone() else { return };
    let spec = ServiceSpec::named("besieged")
        .replicas(3)
        .publish("8414:80");
    let (_service, tasks) = served(&swarm, &spec, 3);
    let node1 = swarm.node("node1").unwrap().addr;
    let node2 = swarm.node("node2").unwrap().addr;
    let stranger = Stranger::of(&swarm);
    let packets: Vec<_> = [Kind::Task, Kind::Client, Kind::Own]
        .into_iter()
        .flat_map(|kind| {
            let inner = syn(at(CLIENT, 1), at(node2, 8414));
            forged(kind, &tasks[0].id, &inner)
        })
        .collect();
    let flood = || {
        stranger.floods(
            scale::load(1_000_000),
            harness::slow::fewer(RATE),
            |number| {
                let mut packet = packets[number as usize % packets.len()].clone();
                // Each for another flow: the ports of the packet inside, behind all headers.
                let port = packet.len() - 20;
                packet[port..port + 2].copy_from_slice(&number.to_be_bytes()[2..]);
                udp(at(node1, 50_000), at(node2, PORT), &packet)
            },
        );
        Ok(())
    };
    let calls = load(&swarm, 8414);
    let ((), report, lost) = during(&swarm, &swarm.client, &calls, flood);
    assert_unharmed("a flood of forged tunnel packets", &report, lost);
}
