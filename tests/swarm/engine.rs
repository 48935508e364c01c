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
/// From the first request that fails to the last one: five times what is usual (docs/bench.md), and half of what it takes where
/// an agent does not tell of its own end. Also from a request to its failure.
const AT_MOST: Duration = Duration::from_millis(500);
/// A request may have been asked so long before its task was ended.
const SLACK: Duration = Duration::from_millis(100);

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
    // From the beginning of this test, as the moments above.
    let late = report.begun.unwrap() - begin;
    let asked = report.failures.iter().map(|failure| late + failure.asked);
    let (first, last) = (asked.clone().min(), asked.clone().max());
    println!(
        "{} requests, {} failed, asked from {first:?} to {last:?}; slowest {:?}",
        report.answered() + report.failed,
        report.failed,
        report.slowest
    );
    // The others answered all the time, through each node, and go on.
    let others: BTreeSet<_> = ids(&others);
    assert!(others.is_subset(&ids(&after)), "{after:?}");
    let least = report.through.values().min().unwrap();
    let most = report.through.values().max().unwrap();
    assert!(
        report.through.len() == 3 && least + least / 10 > *most,
        "{:?}",
        report.through
    );
    // Without an engine nothing fails; when it starts and ends its tasks, their share does, two of six, until all know.
    let begins = starting.saturating_sub(slow::longer(SLACK));
    let early_or_late = asked.filter(|asked| *asked < begins || *asked >= answers);
    assert_eq!(early_or_late.count(), 0, "{:?}", report.failures);
    if let (Some(first), Some(last)) = (first, last) {
        assert!(
            last - first < slow::longer(AT_MOST),
            "{first:?} to {last:?}"
        );
    }
    let asked_meanwhile =
        slow::longer(AT_MOST).as_secs_f64() * f64::from(slow::fewer(clients.load.rate));
    let share = asked_meanwhile * 2.0 / 6.0;
    #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
    let failed = report.failed as f64;
    assert!(failed <= share, "{failed} failed, their share is {share}");
    assert!(
        report
            .failures
            .iter()
            .all(|failure| failure.after < slow::longer(AT_MOST))
    );
}
