//! Large transfers through a published port arrive as they were sent.

use std::time::Instant;

use harness::pattern;
use harness::service::ServiceSpec;
use harness::slow;

use crate::tools::served;
use crate::{alone, shared_swarm};

const MEGABYTE: u64 = 1 << 20;
const GIGABYTE: u64 = 1 << 30;

#[test]
fn a_megabyte_arrives_intact_both_ways_from_a_local_and_a_remote_task() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("mega")
        .on_node("node2")
        .publish("8100:80");
    let (_service, _) = served(&swarm, &spec, 1);
    let expected = pattern::sha256(MEGABYTE);
    for node in &swarm.nodes {
        for _ in 0..3 {
            let down = swarm.client.download((node.addr, 8100), MEGABYTE).unwrap();
            assert_eq!((down.bytes, &down.sha256), (MEGABYTE, &expected));
            let up = swarm.client.upload((node.addr, 8100), MEGABYTE).unwrap();
            assert_eq!((up.bytes, &up.sha256), (MEGABYTE, &expected));
        }
    }
}

#[test]
fn a_gigabyte_arrives_intact_both_ways_from_a_local_and_a_remote_task() {
    let Some(swarm) = alone() else { return };
    let spec = ServiceSpec::named("giga")
        .on_node("node2")
        .publish("8101:80");
    let (_service, _) = served(&swarm, &spec, 1);
    let length = slow::fewer(GIGABYTE);
    let expected = pattern::sha256(length);
    for (name, place) in [("node2", "local"), ("node1", "remote")] {
        let peer = (swarm.node(name).unwrap().addr, 8101);
        let begin = Instant::now();
        let down = swarm.client.download(peer, length).unwrap();
        let between = Instant::now();
        let up = swarm.client.upload(peer, length).unwrap();
        println!(
            "{length} bytes, {place} task: down {:.1} s, up {:.1} s",
            (between - begin).as_secs_f32(),
            between.elapsed().as_secs_f32()
        );
        assert_eq!((down.bytes, &down.sha256), (length, &expected), "{place}");
        assert_eq!((up.bytes, &up.sha256), (length, &expected), "{place}");
    }
}
