//! A node's engine is killed under load, and starts again.
//!
//! Tasks outlive their engine. When it starts again it ends them, the agent among them, without a
//! word, and the Swarm hears of it some two seconds later, once the engine has joined. The agent
//! takes its own end for theirs and tells the others: their share of new connections is refused
//! for the tenth of a second until that is known. Without it, that took a second, and then their
//! SYNs were lost for another two.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use harness::service::ServiceSpec;
use harness::slow;
use harness::swarm::Swarm;
use harness::wait;

use crate::clients::Clients;
use crate::tools::{ids, served, settled};
use crate::{TASKS, alone};

/// Time during which the node has no engine.
const WITHOUT: Duration = Duration::from_secs(3);
/// From the first request that fails to the last one.
const AT_MOST: Duration = Duration::from_secs(1);

#[test]
fn what_fails_when_an_engine_dies_fails_at_once_and_only_at_its_tasks() {
    let Some(swarm) = alone() else { return };
    let swarm: &Swarm = &swarm;
    let node2 = swarm.node("node2").unwrap();
    let spec = ServiceSpec::named("survives")
        .replicas(6)
        .publish("8220:80");
    let (service, before) = served(swarm, &spec, 6);
    let (lost, others): (Vec<_>, Vec<_>) =
        before.into_iter().partition(|task| task.node == "node2");
    assert_eq!(lost.len(), 2, "{lost:?}");
    let clients = Clients::of(swarm, 8220);
    let begin = Instant::now();
    let restarts = || {
        node2.kill_engine()?;
        let killed = begin.elapsed();
        std::thread::sleep(WITHOUT);
        let starting = begin.elapsed();
        swarm.restart_engine(node2)?;
        let answers = begin.elapsed();
        let format = ["node", "ls", "--format", "{{.Hostname}} {{.Status}}"];
        wait::until("node2 to be back", 2 * TASKS, || {
            let nodes = swarm.manager()?.docker(&format)?;
            Ok(nodes.contains("node2 Ready").then_some(()))
        })?;
        swarm.wait_for_agents()?;
        let agents = begin.elapsed();
        let after = settled(swarm, &service, 6);
        println!(
            "engine of node2 killed at {killed:?}, started at {starting:?}, answers at {answers:?}, \
             agents serve at {agents:?}, six tasks at {:?}",
            begin.elapsed()
        );
        std::thread::sleep(Duration::from_secs(1));
        Ok((starting, answers, after))
    };
    let ((starting, answers, after), report, _) = clients.during("kill -9 of an engine", restarts);
    let first = report.failures.first().map(|failure| failure.asked);
    let last = report.failures.last().map(|failure| failure.asked);
    println!(
        "{} requests, {} failed, asked from {first:?} to {last:?}; slowest {:?}",
        report.answered() + report.failed,
        report.failed,
        report.slowest
    );
    // The others answered all the time, through each node, and go on.
    let (first, last) = (first.unwrap_or(starting), last.unwrap_or(starting));
    let others: BTreeSet<_> = ids(&others);
    assert!(others.is_subset(&ids(&after)), "{after:?}");
    let least = report.through.values().min().unwrap();
    let most = report.through.values().max().unwrap();
    assert!(
        report.through.len() == 3 && least + least / 10 > *most,
        "{:?}",
        report.through
    );
    // Without an engine nothing fails; when it starts and ends its tasks, their share does.
    assert!(
        first + slow::longer(Duration::from_millis(100)) > starting,
        "{:?}",
        report.failures.first()
    );
    assert!(
        last < answers && last - first < slow::longer(AT_MOST),
        "{:?} {:?}",
        report.failures.first(),
        report.failures.last()
    );
    let asked = (last - first).as_secs_f64() * f64::from(slow::fewer(clients.load.rate));
    let share = asked * 2.0 / 6.0;
    #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
    let failed = report.failed as f64;
    assert!(
        failed <= share * 1.2 + 10.0,
        "{failed} failed, their share is {share}"
    );
    assert!(
        report
            .failures
            .iter()
            .all(|failure| failure.after < slow::longer(AT_MOST))
    );
}
