//! Datagrams of one client socket stay with one task for as long as it lives.

use std::time::{Duration, Instant};

use harness::client::PATIENCE;
use harness::guards::Service;
use harness::service::ServiceSpec;
use harness::swarm::Swarm;
use harness::traffic::udp::Flow;

use crate::shared_swarm;
use crate::tools::{served, settled, task};

/// While answers are missed: more than a round trip, less than it takes to miss anything.
const ANSWER: Duration = Duration::from_millis(200);

#[test]
fn datagrams_of_one_socket_stay_with_a_task_and_move_on_when_it_is_killed() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = ServiceSpec::named("sticky")
        .replicas(3)
        .option("--restart-delay", "100ms")
        .publish("8110:80/udp");
    let (service, _) = served(&swarm, &spec, 3);
    for node in &swarm.nodes {
        let peer = (node.addr, 8110).into();
        settled(&swarm, &service, 3);
        let (swarm, service) = (&*swarm, &service);
        let (before, after, silence) = swarm
            .client
            .block_on(async move {
                let flow = Flow::open(peer).await?;
                let first = task(&flow.ask(PATIENCE).await?);
                for _ in 0..50 {
                    assert_eq!(task(&flow.ask(PATIENCE).await?), first);
                }
                let begin = kill(swarm, service, &first);
                let second = loop {
                    match flow.ask(ANSWER).await {
                        Ok(who) => break task(&who),
                        Err(error) => {
                            assert!(begin.elapsed() < Duration::from_secs(5), "{error:#}");
                        }
                    }
                };
                let silence = begin.elapsed();
                for _ in 0..50 {
                    assert_eq!(task(&flow.ask(PATIENCE).await?), second);
                }
                Ok((first, second, silence))
            })
            .unwrap();
        assert_ne!(before, after, "through {}", node.name);
        println!(
            "datagrams moved on {silence:?} after `docker kill` of their task, through {}",
            node.name
        );
    }
}

/// Kills a task's only process, and says when it was dead.
fn kill(swarm: &Swarm, service: &Service<'_>, id: &str) -> Instant {
    let tasks = service.tasks().unwrap();
    let task = tasks.iter().find(|task| task.id == id).unwrap();
    let container = task.container.as_deref().unwrap();
    let node = swarm.node(&task.node).unwrap();
    node.docker(&["kill", container]).unwrap();
    Instant::now()
}
