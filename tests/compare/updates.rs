//! Rolling updates of a service while clients call it, by a new connection for each request.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use harness::guards::Service;
use harness::image::{WHOAMI, WHOAMI_NEXT};
use harness::service::ServiceSpec;
use harness::swarm::Swarm;
use harness::traffic::load::{Load, Report};
use harness::{cable_losses, slow, wait};
use serde_json::Value;

use crate::results::{Update, Variant};
use crate::tasks::PATIENCE;

/// The service's published port.
pub(crate) const PORT: u16 = 8110;
/// Its tasks, two on each node.
pub(crate) const TASKS: usize = 6;
/// For an update of them.
const UPDATE: Duration = Duration::from_secs(60);

/// A request that takes longer has failed.
const ANSWER: Duration = Duration::from_secs(5);

/// Failed and late requests of an update that are shown.
const SHOWN: usize = 20;

/// The service that is updated.
pub(crate) struct Rolling<'a> {
    /// Its id.
    pub(crate) id: String,
    swarm: &'a Swarm,
    service: Service<'a>,
    image: &'static str,
}

impl<'a> Rolling<'a> {
    /// Creates it; its tasks run when this returns. As an operator would: two tasks at a time.
    pub(crate) fn start(swarm: &'a Swarm) -> Result<Self> {
        let spec = ServiceSpec::named("rolling")
            .replicas(TASKS)
            .option("--update-parallelism", "2")
            .option("--update-delay", "1s")
            .option("--update-monitor", "1s")
            .publish(&format!("{PORT}:80"))
            // As most programs: none waits for its callers to hear that it ends.
            .argument("--term-delay=0");
        let service = swarm.service_create(&spec)?;
        service.wait_for_tasks(TASKS, PATIENCE)?;
        Ok(Self {
            id: service.id.clone(),
            swarm,
            service,
            image: WHOAMI,
        })
    }

    /// Updates it to its other image under a load through all nodes; what came of the load.
    pub(crate) fn update(&mut self, variant: Variant, order: &str, rate: u32) -> Result<Update> {
        self.image = if self.image == WHOAMI {
            WHOAMI_NEXT
        } else {
            WHOAMI
        };
        let mut load = Load::new(self.swarm.nodes.iter().map(|node| (node.addr, PORT).into()));
        // Here it is the rate that is said and the time that counts, however slow the machine.
        load.rate = rate * slow::factor();
        load.timeout = ANSWER / slow::factor();
        load.at_most = 2 * UPDATE;
        let last = self.started()?;
        let update = || {
            let begin = Instant::now();
            let options = ["--update-order", order, "--image", self.image];
            self.service.update(&options)?;
            wait::until("the update's end", UPDATE, || {
                let now = self.started()?;
                let done = now != last && self.status("State")? == "completed";
                Ok(done.then_some(()))
            })?;
            let seconds = begin.elapsed().as_secs_f64();
            self.service.wait_for_tasks(TASKS, PATIENCE)?;
            sleep(Duration::from_secs(1));
            Ok(seconds)
        };
        let (seconds, report) = self.swarm.client.during(&load, update)?;
        details(&report);
        eprintln!(
            "Lost by the wires so far: {:?}",
            cable_losses::by_cables(self.swarm)?
        );
        Ok(Update {
            round: 0,
            variant,
            order: order.to_owned(),
            seconds,
            asked: report.answered() + report.failed,
            failed: report.failed,
            slowest_ms: report.slowest.as_secs_f64() * 1e3,
            reasons: reasons(&report),
        })
    }

    fn started(&self) -> Result<Value> {
        self.status("StartedAt")
    }

    /// A field of the last update's state; null if there was none.
    fn status(&self, field: &str) -> Result<Value> {
        let manager = self.swarm.manager()?;
        let service = manager
            .api(&format!("/services/{}", self.id))
            .context("looking at the update")?;
        let found = service.pointer(&format!("/UpdateStatus/{field}"));
        Ok(found.cloned().unwrap_or_default())
    }
}

/// Prints failed and late requests, for the search of their cause.
fn details(report: &Report) {
    for failure in report.failures.iter().take(SHOWN) {
        eprintln!("{:?}: {failure:?}", failure.peer);
    }
    for late in report.late().take(SHOWN) {
        eprintln!("{late}");
    }
}

/// The last words of each failure, which are the same for all of a kind.
fn reasons(report: &Report) -> Vec<(String, u64)> {
    let mut counts = BTreeMap::<String, u64>::new();
    for failure in &report.failures {
        let last = failure.why.rsplit(": ").next().unwrap_or_default();
        *counts.entry(last.to_owned()).or_default() += 1;
    }
    counts.into_iter().collect()
}
