//! Tasks and agents are replaced, and tasks become more and less, under all loads.

use std::collections::BTreeSet;

use anyhow::Result;
use harness::agents::SERVICE as AGENTS;
use harness::guards::Service;
use harness::image::WHOAMI_NEXT;

use super::site::{REPLICAS, Site};
use super::swarm::Routed;
use crate::TASKS;
use crate::rolling::complete;
use crate::tools::ids;

impl Site<'_> {
    /// The tasks of both services, once each has so many.
    fn running(&self, replicas: usize) -> BTreeSet<String> {
        let mut running = BTreeSet::new();
        for service in self.both() {
            running.extend(ids(&service.wait_for_tasks(replicas, TASKS).unwrap()));
        }
        running
    }

    /// All tasks of both services are replaced in this order by tasks of this image: the old ones answer, and the new ones.
    /// `moving` has `moving.test`.
    pub(super) fn tasks_updated(&self, order: &str, image: &str, moving: &Service<'_>) {
        let (swarm, peers) = (&self.routed.test.swarm, self.routed.everywhere());
        let what = format!("{order} update");
        let old = self.running(REPLICAS);
        let answered = self.unharmed(&what, &peers, &[moving], || {
            for service in self.both() {
                service.update(&["--update-order", order, "--image", image])?;
            }
            for service in self.both() {
                complete(swarm, service);
                service.wait_for_tasks(REPLICAS, TASKS)?;
            }
            Ok(())
        });
        let both = &old | &self.running(REPLICAS);
        assert_eq!(both.len(), 4 * REPLICAS, "no task is of both images");
        let silent = &both - &answered;
        assert!(silent.is_empty(), "{what}: {silent:?} did not answer");
    }

    /// Both services get twice as many tasks, which answer, and then lose as many. `moving` has `moving.test`.
    pub(super) fn scaled(&self, moving: &Service<'_>) {
        let peers = self.routed.everywhere();
        for (what, replicas) in [("scaled up", 2 * REPLICAS), ("scaled down", REPLICAS)] {
            let answered = self.unharmed(what, &peers, &[moving], || {
                let wanted = format!("--replicas={replicas}");
                for service in self.both() {
                    service.update(&[wanted.as_str()])?;
                }
                for service in self.both() {
                    service.wait_for_tasks(replicas, TASKS)?;
                }
                Ok(())
            });
            let silent = &self.running(replicas) - &answered;
            assert!(silent.is_empty(), "{what}: {silent:?} did not answer");
        }
    }

    /// All agents are replaced in good order. `moving` has `moving.test`.
    pub(super) fn agents_updated(&self, what: &str, moving: &Service<'_>) {
        let peers = self.routed.everywhere();
        self.unharmed(what, &peers, &[moving], || {
            update_agents(self.routed, &["--force"])?;
            self.routed.test.swarm.wait_for_agents()
        });
    }
}

/// `docker service update options…` of the agents.
pub(super) fn update_agents(routed: &Routed, options: &[&str]) -> Result<()> {
    let update = ["service", "update", "--no-resolve-image"];
    let manager = routed.test.swarm.manager()?;
    manager.docker(&[&update[..], options, &[AGENTS]].concat())?;
    Ok(())
}

/// By eBPF tasks have IPv4 addresses then; by IPVS they always have. It takes two minutes: `cargo xtask test` leaves it out, and
/// `cargo xtask test --suite swarm` runs it.
#[test]
fn no_request_fails_while_tasks_and_agents_change_on_nodes_without_ipv6() {
    let Some(routed) = Routed::up("lbrno6") else {
        return;
    };
    let swarm = &routed.test.swarm;
    let family = "SWARMLB_TASK_ADDRESS_FAMILY=ipv4";
    update_agents(&routed, &["--env-add", family]).unwrap();
    swarm.wait_for_agents().unwrap();
    let site = Site::of(&routed);
    for node in &swarm.nodes {
        let told = node.lbctl(&["explain", "http://one.test/"]).unwrap();
        let told = String::from_utf8(told.stdout).unwrap();
        let by_ipv4 = [", 252.", ", 253."].map(|begin| told.matches(begin).count());
        assert_eq!(by_ipv4.iter().sum::<usize>(), REPLICAS, "{told}");
    }
    site.tasks_updated("start-first", WHOAMI_NEXT, &site.two);
    site.agents_updated("update of the agents, without IPv6", &site.two);
}
