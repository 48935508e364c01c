//! Scaling under load: new tasks are used at once, and nobody notices those that go.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use harness::service::ServiceSpec;
use harness::slow;
use harness::swarm::Swarm;
use harness::traffic::http;
use harness::wait;

use crate::alone;
use crate::clients::Clients;
use crate::tools::{answered, everywhere, ids, served, settled};

const STARTS: u32 = 20;
/// Between two changes of the number of tasks. On a slow machine 40 requests come meanwhile ([`Clients::lighter`]), 13
/// through each node: each of twelve tasks is due one of them.
const BETWEEN: Duration = Duration::from_secs(1);
/// The median of the times from a task's process to its first answer through a node, and the longest of them, stay below these:
/// five times what is usual, and fifteen times (docs/bench.md).
const SOON: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(500)];
/// Bounds of the median and the longest time in an emulated machine, whose engine says seconds late that a task runs.
const SOON_EMULATED: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(10)];

#[test]
fn scaling_up_and_down_under_load_fails_no_request_and_uses_new_tasks() {
    let Some(swarm) = alone() else { return };
    let spec = ServiceSpec::named("scale").replicas(6).publish("8130:80");
    let (service, six) = served(&swarm, &spec, 6);
    // Six containers start at once beside it.
    let clients = Clients::of(&swarm, 8130).lighter();
    let steps = || {
        service.update(&["--replicas", "12"])?;
        let twelve = settled(&swarm, &service, 12);
        std::thread::sleep(slow::longer(BETWEEN));
        service.update(&["--replicas", "3"])?;
        let three = settled(&swarm, &service, 3);
        std::thread::sleep(slow::longer(BETWEEN));
        Ok((twelve, three))
    };
    let ((twelve, three), report) = clients.unharmed("6 to 12 to 3", steps);
    assert_eq!(answered(&report), ids(&twelve));
    assert!(ids(&six).is_subset(&ids(&twelve)));
    for node in &swarm.nodes {
        let answers = swarm.client.sequential((node.addr, 8130), 6).unwrap();
        let twos = ids(&three).into_iter().map(|task| (task, 2)).collect();
        assert_eq!(crate::tools::tally(&answers), twos, "{}", node.name);
    }
}

/// From the moment that a task's process runs to the first connection through each node.
#[test]
fn a_task_is_reached_through_every_node_as_soon_as_it_runs() {
    let Some(shared) = alone() else { return };
    let swarm: &Swarm = &shared;
    let mut delays = Vec::new();
    for (round, port) in (0..slow::fewer(STARTS)).zip(8250_u16..) {
        let name = format!("soon{round}");
        let spec = ServiceSpec::named(&name).publish(&format!("{port}:80"));
        let service = swarm.service_create(&spec).unwrap();
        std::thread::scope(|scope| {
            let asking: Vec<_> = everywhere(swarm, port)
                .into_iter()
                .map(|peer| scope.spawn(move || first_answer(swarm, peer)))
                .collect();
            delays.extend(asking.into_iter().map(|asked| asked.join().unwrap()));
        });
        // It answers before the Swarm calls it running; an engine that is told to end a task that it
        // is about to start may go on calling it running.
        service.wait_for_tasks(1, crate::TASKS).unwrap();
        // Its end is not to be beside the next one's start.
        service.update(&["--replicas", "0"]).unwrap();
        wait::until("the task's end", crate::TASKS, || {
            let tasks = service.tasks()?;
            Ok(tasks
                .iter()
                .all(|task| task.state != "running")
                .then_some(()))
        })
        .unwrap();
    }
    delays.sort();
    let (median, max) = (
        delays.get(delays.len() / 2).unwrap(),
        delays.last().unwrap(),
    );
    println!(
        "task runs to first answer, {} tasks through 3 nodes: median {median:?}, longest {max:?}",
        slow::fewer(STARTS)
    );
    let [half, all] = if slow::factor() > 1 {
        SOON_EMULATED
    } else {
        SOON
    };
    assert!(*median < half && *max < all, "{delays:?}");
}

/// How long a task had been running when a peer first answered. Where nobody serves a port yet, a stock mesh
/// may say nothing at all: who waits for that is late.
fn first_answer(swarm: &Swarm, peer: std::net::SocketAddr) -> Duration {
    let patience = slow::longer(Duration::from_secs(20));
    let asking = async move {
        tokio::time::timeout(patience, async {
            let mut asked = tokio::task::JoinSet::new();
            let mut clock = tokio::time::interval(slow::longer(Duration::from_millis(5)));
            loop {
                tokio::select! {
                    _ = clock.tick() => drop(asked.spawn(http::who(peer, Duration::from_secs(1)))),
                    Some(answer) = asked.join_next() => if let Ok(Ok(who)) = answer {
                        // All share this machine's clock.
                        let since = UNIX_EPOCH + Duration::from_millis(who.since_ms);
                        return SystemTime::now().duration_since(since).unwrap_or_default();
                    }
                }
            }
        })
        .await
        .map_err(anyhow::Error::from)
    };
    swarm.client.block_on(asking).unwrap()
}
