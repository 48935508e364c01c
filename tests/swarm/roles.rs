//! A worker becomes a manager and a worker again.

use std::time::{Duration, Instant};

use anyhow::ensure;
use harness::agents::by_mesh;
use harness::node::Node;
use harness::service::ServiceSpec;
use harness::slow;
use harness::swarm::Swarm;
use harness::wait;

use crate::tools::{assert_unharmed, during, load, served, settled};
use crate::{TASKS, alone};

#[test]
fn a_worker_that_becomes_manager_and_back_goes_on_serving() {
    let Some(swarm) = alone() else { return };
    let manager = swarm.manager().unwrap();
    let node2 = swarm.node("node2").unwrap();
    let _worker = Worker(&swarm);
    let spec = ServiceSpec::named("roles").replicas(3).publish("8160:80");
    let (service, _) = served(&swarm, &spec, 3);

    let promoted = || {
        manager.docker(&["node", "promote", "node2"])?;
        knows(node2, true, |source| source == "docker")?;
        std::thread::sleep(Duration::from_secs(1));
        // Asked of the new manager, and seen by all.
        let scale = format!("{}=5", service.id);
        node2.docker(&["service", "scale", "--detach", &scale])?;
        settled(&swarm, &service, 5);
        std::thread::sleep(Duration::from_millis(500));
        Ok(())
    };
    let calls = load(&swarm, 8160);
    let ((), report, lost) = during(&swarm, &swarm.client, &calls, promoted);
    assert_unharmed("promotion of node2", &report, lost);
    assert_eq!(report.answers.len(), 5);

    let demoted = || {
        manager.docker(&["node", "demote", "node2"])?;
        knows(node2, false, |source| source.starts_with("10.77.0.1"))?;
        std::thread::sleep(Duration::from_secs(1));
        service.update(&["--replicas", "7"])?;
        settled(&swarm, &service, 7);
        std::thread::sleep(Duration::from_millis(500));
        Ok(())
    };
    let calls = load(&swarm, 8160);
    let ((), report, lost) = during(&swarm, &swarm.client, &calls, demoted);
    assert_unharmed("demotion of node2", &report, lost);
    assert_eq!(report.answers.len(), 7);
}

/// The agent goes by its node's role soon after the engine does, which it asks every 10 s where
/// nothing seems to happen.
fn knows(node: &Node, manager: bool, expected: impl Fn(&str) -> bool) -> anyhow::Result<()> {
    let asked = ["info", "--format", "{{.Swarm.ControlAvailable}}"];
    let role = manager.to_string();
    wait::until("the node's role", TASKS, || {
        Ok((node.docker(&asked)? == role).then_some(()))
    })?;
    let since = Instant::now();
    source(node, expected)?;
    let took = since.elapsed();
    println!(
        "{}, manager: {manager}: its agent knows after {took:?}",
        node.name
    );
    ensure!(took < slow::longer(Duration::from_secs(4)), "{took:?}");
    Ok(())
}

/// Waits until the agent gets its view from where it should, and is connected to it.
fn source(node: &Node, expected: impl Fn(&str) -> bool) -> anyhow::Result<()> {
    if by_mesh() {
        // Nobody tells when it has got to know.
        std::thread::sleep(slow::longer(Duration::from_secs(1)));
        return Ok(());
    }
    let mut last = serde_json::Value::Null;
    let found = wait::until("another source of the view", TASKS, || {
        last = node.report(&["status"])?;
        let connected = last.get("connected") == Some(&true.into());
        let source = last.get("source").and_then(serde_json::Value::as_str);
        Ok((connected && source.is_some_and(&expected)).then_some(()))
    });
    found.map_err(|error| error.context(format!("{last}\n{}", node.agent_log())))
}

struct Worker<'a>(&'a Swarm);

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        let manager = self.0.manager();
        let _ = manager.and_then(|node| node.docker(&["node", "demote", "node2"]));
        let _ = self.0.wait_for_agents();
    }
}
