//! Datagrams that fill a link, and fragmented datagrams, to tasks here and elsewhere, and from them by eBPF: they are taken
//! before the host's bridges put fragments together, as Docker's engine lets them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use harness::agents::by_ipvs;
use harness::service::ServiceSpec;
use harness::traffic::udp::Flow;

use crate::shared_swarm;
use crate::tools::{served, task};

/// More than a round trip.
const ANSWER: Duration = Duration::from_millis(500);
/// The first one may be too large for the tunnel; its sender knows from then on.
const TRIES: usize = 3;

/// Bytes of payload there, and of answer back; links take 1,472 in one piece, the tunnel 1,424.
const SIZES: [(usize, usize); 3] = [(1472, 0), (4000, 0), (9, 1416)];
/// An answer in fragments.
const FRAGMENTED: (usize, usize) = (9, 4000);

#[test]
fn large_datagrams_reach_every_task_through_every_node_and_so_do_their_answers() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("large").global().publish("8140:80/udp");
    let (_service, tasks) = served(&swarm, &spec, 3);
    for node in &swarm.nodes {
        let peer = (node.addr, 8140).into();
        let fragmented = (!by_ipvs()).then_some(FRAGMENTED);
        for (there, back) in SIZES.into_iter().chain(fragmented) {
            let mut reached = BTreeSet::new();
            for _ in &tasks {
                let who = swarm.client.block_on(exchange(peer, there, back));
                let who = who.unwrap_or_else(|error| {
                    panic!(
                        "{there} bytes there, {back} back, through {}: {error:#}",
                        node.name
                    )
                });
                reached.insert(who);
            }
            assert_eq!(reached.len(), 3, "every task, through {}", node.name);
        }
    }
}

/// Asks with `there` bytes for an answer of `back` or more; which task gave it.
async fn exchange(peer: SocketAddr, there: usize, back: usize) -> Result<String> {
    let flow = Flow::open(peer).await?;
    let mut payload = format!("bytes {back}").into_bytes();
    payload.resize(there.max(payload.len()), b' ');
    let mut last = None;
    for _ in 0..TRIES {
        match flow.say(&payload, ANSWER).await {
            Ok((who, length)) => {
                assert!(length >= back);
                return Ok(task(&who));
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.context("not tried")?)
}
