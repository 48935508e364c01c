//! Addresses of a node's uplink that come and go while it serves.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use harness::service::ServiceSpec;
use harness::traffic::http;
use harness::wait;

use crate::tools::{ids, served, tally};
use crate::{TASKS, shared_swarm};

const SECOND: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 150);

#[test]
fn a_new_address_answers_published_ports_and_a_removed_one_does_not() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("moved").replicas(3).publish("8225:80");
    let (_service, tasks) = served(&swarm, &spec, 3);
    let node = swarm.node("node2").unwrap();
    let peer = (SECOND, 8225).into();
    // Shorter than a SYN takes to be sent again.
    let ask = || {
        swarm
            .client
            .block_on(http::who(peer, Duration::from_millis(500)))
    };
    let address = node.netns.address("eth0", SECOND).unwrap();
    let added = Instant::now();
    wait::until("an answer of the new address", TASKS, || Ok(ask().ok())).unwrap();
    let answers = added.elapsed();
    let twice = ids(&tasks).into_iter().map(|task| (task, 2)).collect();
    assert_eq!(tally(&swarm.client.sequential(peer, 6).unwrap()), twice);

    drop(address);
    let removed = Instant::now();
    wait::until("silence", TASKS, || Ok(ask().err())).unwrap();
    println!(
        "a new address answers after {answers:?}, a removed one no longer after {:?}",
        removed.elapsed()
    );
    for _ in 0..10 {
        ask().unwrap_err();
    }
    // The node's own goes on, and its turn with it.
    let answers = swarm.client.sequential((node.addr, 8225), 6).unwrap();
    assert_eq!(tally(&answers), twice);
}
