//! Common steps of tests on a Swarm with agents, in all suites.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "fails the test that calls it; measurements are for who reads the output"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;

use crate::cable_losses;
use crate::client::Client;
use crate::guards::Service;
use crate::service::{ServiceSpec, Task};
use crate::slow;
use crate::swarm::Swarm;
use crate::traffic::load::{Load, Report};
use crate::who::Who;

/// Tasks are there within two seconds; a loaded machine may take its time.
pub const TASKS: Duration = Duration::from_secs(30);

/// Creates a service and waits until every node gives connections to `tasks` tasks of it.
pub fn served<'a>(swarm: &'a Swarm, spec: &ServiceSpec, tasks: usize) -> (Service<'a>, Vec<Task>) {
    let service = swarm.service_create(spec).unwrap();
    let running = settled(swarm, &service, tasks);
    (service, running)
}

/// Waits until a service has exactly `tasks` tasks, and all nodes know.
pub fn settled(swarm: &Swarm, service: &Service<'_>, tasks: usize) -> Vec<Task> {
    let running = service.wait_for_tasks(tasks, TASKS).unwrap();
    swarm.wait_until_served(&service.id, tasks, TASKS).unwrap();
    running
}

/// A port on each node.
pub fn everywhere(swarm: &Swarm, port: u16) -> Vec<SocketAddr> {
    swarm
        .nodes
        .iter()
        .map(|node| (node.addr, port).into())
        .collect()
}

/// Load on a port of every node: new connections, 200 a second.
pub fn load(swarm: &Swarm, port: u16) -> Load {
    Load {
        rate: 200,
        ..Load::new(everywhere(swarm, port))
    }
}

/// The task that answered.
pub fn task(who: &Who) -> String {
    who.task.clone().unwrap()
}

/// Number of answers of each task.
pub fn tally(answers: &[Who]) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for who in answers {
        *tally.entry(task(who)).or_default() += 1;
    }
    tally
}

/// The ids of tasks.
pub fn ids(tasks: &[Task]) -> BTreeSet<String> {
    tasks.iter().map(|task| task.id.clone()).collect()
}

/// The tasks that answered a load.
pub fn answered(report: &Report) -> BTreeSet<String> {
    report.answers.keys().cloned().collect()
}

/// Puts load on a port while something is done, as [`assert_unharmed`] wants it: what came of that, and of the
/// load, with the packets that the laboratory's own cables lost meanwhile.
pub fn during<T>(
    swarm: &Swarm,
    client: &Client,
    load: &Load,
    acts: impl FnOnce() -> Result<T>,
) -> (T, Report, u64) {
    let before = cable_losses::count(swarm).unwrap();
    let (done, report) = client.during(load, acts).unwrap();
    (done, report, cable_losses::count(swarm).unwrap() - before)
}

/// Nothing failed, something was asked, and nothing was lost on its way but by the laboratory's own cables, `lost`
/// packets: a SYN that is lost makes no request fail, but late. No window of the engine's is excused: there
/// is none in which a connection's first packet may be lost (docs/adr/0013). An emulated machine answers late for
/// reasons of its own.
pub fn assert_unharmed(what: &str, report: &Report, lost: u64) {
    println!(
        "{what}: {} requests, {} failed, slowest {:?}; the client was at most {:?} behind",
        report.answered() + report.failed,
        report.failed,
        report.slowest,
        report.behind
    );
    for late in report.late() {
        println!("{what}: {late}");
    }
    assert!(
        report.answered() > slow::fewer(100),
        "{what}: hardly any load: {report:?}"
    );
    let first = report.failures.get(..20).unwrap_or(&report.failures);
    let behind = report.behind;
    assert_eq!(
        report.failed, 0,
        "{what} (the client was {behind:?} behind): {first:#?}"
    );
    let resent = report.resent();
    assert!(
        resent <= lost || slow::factor() > 1,
        "{what}: {resent} first packets were sent again, and the cables lost {lost}: {:#?}",
        report.slow
    );
}
