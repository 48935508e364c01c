//! A node with a second card, on a network of its own, and clients there.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use harness::client::{Client, PATIENCE};
use harness::netns::Netns;
use harness::outcome::{assert_failed, is_unreachable};
use harness::service::ServiceSpec;
use harness::topology;
use harness::wait;

use crate::tools::{ids, served, tally};
use crate::{TASKS, shared_swarm};

const CARD: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 2);
const FAR: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 100);
const MEGABYTE: u64 = 1 << 20;

#[test]
fn clients_of_a_second_card_reach_every_task_and_are_seen_there() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("cards")
        .global()
        .publish("8141:80")
        .publish("8141:80/udp");
    let (_service, tasks) = served(&swarm, &spec, 3);
    let node = swarm.node("node2").unwrap();
    let far = Netns::create("lbswarm-far").unwrap();
    let plugged = Instant::now();
    topology::wire((&node.netns, "eth1", CARD), (&far, "eth0", FAR)).unwrap();

    let client = Client::new((*far).clone());
    let peer = (CARD, 8141);
    wait::until("an answer on the new card", TASKS, || {
        Ok(client.get(peer, "/", Duration::from_millis(500)).ok())
    })
    .unwrap();
    println!(
        "a card that is plugged in answers after {:?}",
        plugged.elapsed()
    );
    let answers = client.sequential(peer, 9).unwrap();
    assert!(
        answers.iter().all(|who| who.peer.ip() == FAR),
        "{answers:?}"
    );
    let thrice = ids(&tasks).into_iter().map(|task| (task, 3)).collect();
    assert_eq!(tally(&answers), thrice);
    for _ in 0..3 {
        assert_eq!(client.udp(peer, PATIENCE).unwrap().peer.ip(), FAR);
        let received = client.download(peer, 20 * MEGABYTE).unwrap();
        assert_eq!(received.sha256, harness::pattern::sha256(20 * MEGABYTE));
    }
    // The node's other card answers as before, and its address on the first one too.
    swarm.client.sequential((node.addr, 8141), 3).unwrap();
    let first = client.get((node.addr, 8141), "/", PATIENCE);
    assert_failed(
        &first,
        is_unreachable,
        "no way from one network to the other",
    );

    drop(far);
    wait::until("the card to be forgotten", TASKS, || {
        let status = node.lbctl(&["status"])?.stdout;
        let status = String::from_utf8_lossy(&status);
        Ok((!status.contains("eth1")).then_some(()))
    })
    .unwrap();
    let check = node.lbctl(&["check"]).unwrap();
    assert!(check.status.success(), "{check:?}");
}
