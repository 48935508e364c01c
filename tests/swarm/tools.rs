//! What the acceptance tests do again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::{Child, Stdio};

use harness::agents::dist;
use harness::guards::Service;
use harness::node::Node;
use harness::service::{ServiceSpec, Task};
use harness::slow;
use harness::swarm::Swarm;
use harness::traffic::load::{Load, Report};
use harness::who::Who;

use crate::TASKS;

/// Creates a service and waits until every node gives connections to `tasks` tasks of it.
pub(crate) fn served<'a>(
    swarm: &'a Swarm,
    spec: &ServiceSpec,
    tasks: usize,
) -> (Service<'a>, Vec<Task>) {
    let service = swarm.service_create(spec).unwrap();
    let running = settled(swarm, &service, tasks);
    (service, running)
}

/// Waits until a service has exactly `tasks` tasks, and all nodes know.
pub(crate) fn settled(swarm: &Swarm, service: &Service<'_>, tasks: usize) -> Vec<Task> {
    let running = service.wait_for_tasks(tasks, TASKS).unwrap();
    swarm.wait_until_served(&service.id, tasks, TASKS).unwrap();
    running
}

/// A port on each node.
pub(crate) fn everywhere(swarm: &Swarm, port: u16) -> Vec<SocketAddr> {
    swarm
        .nodes
        .iter()
        .map(|node| (node.addr, port).into())
        .collect()
}

/// Load on a port of every node: new connections, 200 a second.
pub(crate) fn load(swarm: &Swarm, port: u16) -> Load {
    Load {
        rate: 200,
        ..Load::new(everywhere(swarm, port))
    }
}

/// The task that answered.
pub(crate) fn task(who: &Who) -> String {
    who.task.clone().unwrap()
}

/// How often each task answered.
pub(crate) fn tally(answers: &[Who]) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for who in answers {
        *tally.entry(task(who)).or_default() += 1;
    }
    tally
}

pub(crate) fn ids(tasks: &[Task]) -> BTreeSet<String> {
    tasks.iter().map(|task| task.id.clone()).collect()
}

/// The tasks that answered a load.
pub(crate) fn answered(report: &Report) -> BTreeSet<String> {
    report.answers.keys().cloned().collect()
}

/// Nothing failed, and something was asked.
pub(crate) fn assert_unharmed(what: &str, report: &Report) {
    println!(
        "{what}: {} requests, {} failed, slowest {:?}",
        report.answered() + report.failed,
        report.failed,
        report.slowest
    );
    for late in report.late() {
        println!("{what}: {late}");
    }
    assert!(
        report.answered() > slow::fewer(100),
        "{what}: hardly any load: {report:?}"
    );
    let first = report.failures.get(..20).unwrap_or(&report.failures);
    assert_eq!(report.failed, 0, "{what}: {first:#?}");
}

/// An agent that the host runs, as an init system would; killed when dropped.
pub(crate) struct HostAgent(Child);

impl HostAgent {
    pub(crate) fn start(node: &Node, options: &[&str]) -> Self {
        let swarmlb = dist("swarmlb").unwrap();
        let mut command = node.command(swarmlb.to_str().unwrap()).unwrap();
        command.arg("run").args(options);
        command.stdin(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for HostAgent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
