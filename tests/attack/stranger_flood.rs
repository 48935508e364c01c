//! Somebody sends what opens connections, from everywhere, and never goes on with any.

use std::net::Ipv4Addr;

use harness::acceptance::{served, task};
use harness::client::PATIENCE;
use harness::service::ServiceSpec;
use harness::slow;
use harness::traffic::http::Connection;

use crate::alone;
use crate::attacker::Stranger;
use crate::packet::{at, syn};

/// More than any table of connections has places (`lb_netlink`: 131,072; `LB_EMBRYONIC`: no more), so
/// that one of them is full. An emulated machine sends what it manages.
const SYNS: u32 = 140_000;
const RATE: u32 = 50_000;
/// 100.64.0.0/10: no network's of the laboratory.
const SOURCES: u32 = u32::from_be_bytes([100, 64, 0, 0]);

#[test]
fn after_a_flood_from_invented_sources_new_connections_are_served_and_open_ones_go_on() {
    let Some(swarm) = alone() else { return };
    let spec = ServiceSpec::named("flooded")
        .on_node("node2")
        .publish("8420:80");
    let (_service, tasks) = served(&swarm, &spec, 1);
    let node = swarm.node("node1").unwrap();
    let peer = (node.addr, 8420);
    let stranger = Stranger::of(&swarm);
    let (ask, asked) = tokio::sync::mpsc::channel(1);
    // An open connection lives as long as the runtime that opened it.
    std::thread::scope(|scope| {
        let kept = scope.spawn(|| swarm.client.block_on(keeps(peer.into(), asked)));
        ask.blocking_send(()).unwrap();
        stranger.floods(SYNS, slow::fewer(RATE), |number| {
            // Not what the task answers in a moment: each from an address of its own.
            let source = Ipv4Addr::from(SOURCES + number);
            syn(at(source, 1025), at(node.addr, 8420))
        });
        ask.blocking_send(()).unwrap();
        drop(ask);
        let kept = kept.join().unwrap();
        assert_eq!(kept.unwrap(), 2, "answers on the open connection");
    });
    for number in 0..20 {
        let who = swarm.client.who(peer);
        let who = who.unwrap_or_else(|error| panic!("new connection {number}: {error:#}"));
        assert_eq!(task(&who), tasks[0].id);
    }
}

/// One connection, on which it asks as often as it is told to; the number of answers.
async fn keeps(
    peer: std::net::SocketAddr,
    mut asked: tokio::sync::mpsc::Receiver<()>,
) -> anyhow::Result<u32> {
    let mut connection = Connection::open(peer, PATIENCE).await?;
    let mut answers = 0;
    while asked.recv().await.is_some() {
        connection.who().await?;
        answers += 1;
    }
    Ok(answers)
}
