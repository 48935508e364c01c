//! A task whose health check fails gets no new connection on any node.

use std::time::{Duration, SystemTime};

use harness::client::PATIENCE;
use harness::image::WHOAMI_HEALTHCHECK;
use harness::node::Node;
use harness::service::{ServiceSpec, Task};
use harness::slow;
use harness::traffic::http::Connection;
use harness::wait;

use crate::tools::{load, served, task};
use crate::{TASKS, alone};

/// From the engine's word to the last new connection through any node.
const AT_MOST: Duration = Duration::from_millis(200);

#[test]
fn an_unhealthy_task_gets_no_new_connection_after_200_ms() {
    let Some(swarm) = alone() else { return };
    // Stopped late, so that only its health keeps connections away from it.
    let spec = ServiceSpec::named("sick")
        .image(WHOAMI_HEALTHCHECK)
        .replicas(3)
        .publish("8190:80")
        .argument("--term-delay")
        .argument("3000");
    let (_service, tasks) = served(&swarm, &spec, 3);
    let peer = (swarm.nodes[0].addr, 8190).into();
    let begin = SystemTime::now();
    let fall_ill = || {
        std::thread::sleep(Duration::from_millis(500));
        let ill = swarm.client.block_on(async move {
            let mut kept = Connection::open(peer, PATIENCE).await?;
            let ill = task(&kept.who().await?);
            kept.post("/unhealthy").await?;
            Ok(ill)
        })?;
        let ill = tasks.iter().find(|task| task.id == ill).unwrap();
        let node = swarm.node(&ill.node)?;
        let told = wait::until("the engine to notice", TASKS, || told(node, ill, begin))?;
        std::thread::sleep(Duration::from_secs(3));
        Ok((ill, told))
    };
    let ((ill, told), report) = swarm.client.during(&load(&swarm, 8190), fall_ill).unwrap();
    let last = begin + *report.last_asked.get(&ill.id).unwrap();
    // The last one may well have come before the word was out.
    let late = last.duration_since(told).unwrap_or_default();
    println!("an unhealthy task's last new connection came {late:?} after the engine's word");
    println!(
        "{} requests, {} failed: {:#?}",
        report.answered(),
        report.failed,
        report.failures
    );
    assert!(late < slow::longer(AT_MOST), "{late:?}");
    assert_eq!(report.failed, 0);
}

/// When the engine called the task's container unhealthy.
fn told(node: &Node, task: &Task, since: SystemTime) -> anyhow::Result<Option<SystemTime>> {
    let seconds = |time: SystemTime| {
        let since = time
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        format!("{}.{:09}", since.as_secs(), since.subsec_nanos())
    };
    let container = format!("container={}", task.container.as_deref().unwrap());
    let events = node.docker(&[
        "events",
        "--since",
        &seconds(since),
        "--until",
        &seconds(SystemTime::now()),
        "--filter",
        &container,
        "--filter",
        "event=health_status",
        "--format",
        "{{.TimeNano}} {{.Status}}",
    ])?;
    let mut ill = events.lines().filter(|line| line.contains("unhealthy"));
    let time = ill
        .next()
        .and_then(|line| line.split(' ').next()?.parse().ok());
    Ok(time.map(|nanoseconds| SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds)))
}
