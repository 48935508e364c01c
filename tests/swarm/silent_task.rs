//! A task that does not answer, which nobody knows of: whoever connects gets another one.

use std::time::{Duration, Instant};

use harness::client::PATIENCE;
use harness::containers::inside;
use harness::netns::Netns;
use harness::service::ServiceSpec;
use harness::slow;
use harness::topology::CLIENT;
use harness::traffic::http;

use crate::shared_swarm;
use crate::tools::{served, task};

/// A client's first SYN is sent again after one second.
const AGAIN: Duration = Duration::from_secs(1);
/// By then the SYN that was sent again is answered.
const CONNECTED: Duration = Duration::from_millis(1_500);
/// As many as tasks, twice.
const CONNECTIONS: usize = 4;

#[test]
fn whoever_connects_to_a_silent_task_is_answered_by_another_one_after_a_second() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("silent").replicas(2).publish("8236:80");
    let (_service, tasks) = served(&swarm, &spec, 2);
    let (silent, speaks) = (&tasks[0], &tasks[1]);
    let (netns, _) = inside(&swarm, silent).unwrap();
    for node in &swarm.nodes {
        let peer = (node.addr, 8236).into();
        let deaf = Deaf::to_the_client(&netns);
        let waits = swarm.client.block_on(async move {
            let mut waits = Vec::new();
            for _ in 0..CONNECTIONS {
                let begin = Instant::now();
                let who = http::who(peer, PATIENCE).await?;
                assert_eq!(task(&who), speaks.id, "the other one is silent");
                waits.push(begin.elapsed());
            }
            Ok(waits)
        });
        drop(deaf);
        let waits = waits.unwrap();
        println!("connected through {} after {waits:?}", node.name);
        let longest = waits.iter().max().unwrap();
        assert!(*longest >= AGAIN, "no connection was the silent task's");
        assert!(*longest < slow::longer(CONNECTED), "{longest:?}");
    }
    // It is a task as any other once it answers.
    let answers = swarm
        .client
        .sequential((swarm.nodes[0].addr, 8236), 2)
        .unwrap();
    assert!(
        answers.iter().any(|who| task(who) == silent.id),
        "{answers:?}"
    );
}

/// A task whose kernel has no way to the client: it answers nothing, and everybody takes it for well.
struct Deaf<'a>(&'a Netns);

impl<'a> Deaf<'a> {
    fn to_the_client(netns: &'a Netns) -> Self {
        netns.ip(&format!("route add blackhole {CLIENT}")).unwrap();
        Self(netns)
    }
}

impl Drop for Deaf<'_> {
    fn drop(&mut self) {
        let _ = self.0.ip(&format!("route del blackhole {CLIENT}"));
    }
}
