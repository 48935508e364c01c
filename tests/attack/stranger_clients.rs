//! Somebody sends what looks like clients that go on, from everywhere: datagrams by twos, and SYNs with
//! acknowledgements that are guessed. Open connections that say nothing meanwhile are not lost.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use anyhow::Result;
use harness::acceptance::served;
use harness::client::PATIENCE;
use harness::service::ServiceSpec;
use harness::slow;
use harness::swarm::Swarm;
use harness::traffic::http::Connection;

use crate::alone;
use crate::attacker::Stranger;
use crate::packet::{ack, at, syn, udp};
use crate::tables::more_clients_than_fit;

const RATE: u32 = 50_000;
/// An acknowledgement follows its SYN 40 ms later: as many are under way between.
const APART: u32 = RATE / 25;
/// 100.64.0.0/10: no network's of the laboratory.
const SOURCES: u32 = u32::from_be_bytes([100, 64, 0, 0]);

/// The client number `number` that is not there.
fn invented(number: u32) -> SocketAddrV4 {
    at(Ipv4Addr::from(SOURCES + number), 1025)
}

/// Which client the packet `index` is of, and whether it is that client's second one: clients come in groups of
/// [`APART`], each of which sends its first packets, and then its second ones.
fn in_twos(index: u32) -> (u32, bool) {
    let (group, place) = (index / (2 * APART), index % (2 * APART));
    (group * APART + place % APART, place >= APART)
}

/// Opens so many connections, each of which asks once before and once after what is done meanwhile.
fn idle_during(swarm: &Swarm, peer: SocketAddrV4, count: usize, attack: impl FnOnce() + Send) {
    let opened = swarm.client.block_on(async {
        let mut connections = Vec::new();
        for _ in 0..count {
            let mut connection = Connection::open(peer.into(), PATIENCE).await?;
            connection.who().await?;
            connections.push(connection);
        }
        // Connections live as long as the runtime that opened them, which has nothing else to do meanwhile.
        attack();
        // The last of it is on its way.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut answered = 0;
        for mut connection in connections {
            let answer: Result<_> = connection.who().await;
            answered += usize::from(answer.inspect_err(|error| println!("{error:#}")).is_ok());
        }
        Ok(answered)
    });
    assert_eq!(opened.unwrap(), count, "open connections that were idle");
}

#[test]
fn idle_connections_outlive_conversations_of_two_datagrams() {
    let Some(swarm) = alone() else { return };
    let spec = ServiceSpec::named("idle-datagrams")
        .on_node("node2")
        .publish("8421:80")
        .publish("8421:80/udp");
    let (_service, _) = served(&swarm, &spec, 1);
    let node = swarm.node("node1").unwrap();
    let clients = more_clients_than_fit(node);
    let stranger = Stranger::of(&swarm);
    idle_during(&swarm, at(node.addr, 8421), 12, || {
        let sent = stranger.floods(2 * clients, slow::fewer(RATE), |index| {
            let (number, _) = in_twos(index);
            udp(invented(number), at(node.addr, 8421), b"who")
        });
        assert!(sent == 2 * clients || slow::factor() > 1, "{sent} packets");
    });
}

#[test]
fn idle_connections_outlive_acknowledgements_that_are_guessed() {
    let Some(swarm) = alone() else { return };
    let spec = ServiceSpec::named("idle-guesses")
        .on_node("node2")
        .publish("8422:80");
    let (_service, _) = served(&swarm, &spec, 1);
    let node = swarm.node("node1").unwrap();
    let clients = more_clients_than_fit(node);
    let stranger = Stranger::of(&swarm);
    idle_during(&swarm, at(node.addr, 8422), 6, || {
        let sent = stranger.floods(2 * clients, slow::fewer(RATE), |index| {
            let (number, second) = in_twos(index);
            let to = at(node.addr, 8422);
            if second {
                // The same for all: any number is as good a guess as another.
                ack(invented(number), to, 0x5eed_5eed)
            } else {
                syn(invented(number), to)
            }
        });
        assert!(sent == 2 * clients || slow::factor() > 1, "{sent} packets");
    });
}
