//! Requests by all that clients speak, and streams, while tasks, labels, agents, nodes, certificates and routers change.

use std::time::Instant;

use harness::image::{WHOAMI, WHOAMI_NEXT};
use harness::{procs, wait};

use super::protocols::who_by_tls;
use super::site::{LIVE, REPLICAS, Site, wait_until_live};
use super::streams::{replaced, uncut};
use super::swarm::{Routed, processes};
use crate::TASKS;
use crate::lifecycle::{kill as kill_agent, wait_for_another};

impl Site<'_> {
    /// A host goes from the younger service to the older one, which answers as soon as its label names the host.
    fn labels(&self) {
        let (swarm, peers) = (&self.routed.test.swarm, self.routed.everywhere());
        self.unharmed("host added", &peers, &[&self.one, &self.two], || {
            let hosts = "com.docker.lb.hosts=one.test,moving.test";
            self.one.update(&["--label-add", hosts])?;
            let begin = Instant::now();
            wait_until_live(swarm, &peers, "moving.test", &self.one)?;
            println!("host added: live on all nodes after {:?}", begin.elapsed());
            Ok(())
        });
        self.unharmed("host taken away", &peers, &[&self.one], || {
            let hosts = "com.docker.lb.hosts=two.test";
            self.two.update(&["--label-add", hosts]).map(drop)
        });
    }

    fn agents_killed(&self) {
        let (swarm, peers) = (&self.routed.test.swarm, self.routed.everywhere());
        self.unharmed("agents killed", &peers, &[&self.one], || {
            for node in &swarm.nodes {
                kill_agent(node)?;
                swarm.wait_for_agents()?;
            }
            Ok(())
        });
    }

    /// The Swarm ends the router of the drained node too: clients ask the other nodes.
    fn drained(&self) {
        let swarm = &self.routed.test.swarm;
        let (manager, node2) = (swarm.manager().unwrap(), swarm.node("node2").unwrap());
        let mut peers = self.routed.everywhere();
        peers.retain(|peer| peer.ip() != node2.addr);
        let available = |availability: &str| {
            let update = ["node", "update", "--availability", availability, "node2"];
            manager.docker(&update).map(drop)
        };
        let ended = |what: &str, process: u32| {
            wait::until(what, 2 * TASKS, || {
                Ok((!procs::is_alive(process)).then_some(()))
            })
        };
        self.unharmed("node drained", &peers, &[&self.one], || {
            let (agent, routers) = (node2.agent_pid()?, processes(node2)?);
            available("drain")?;
            for service in self.both() {
                wait::until("tasks to move", TASKS, || {
                    let tasks = service.wait_for_tasks(REPLICAS, TASKS)?;
                    let moved = tasks.iter().all(|task| task.node != "node2");
                    Ok(moved.then_some(()))
                })?;
            }
            // A router that has not got its signal yet would answer in place of the next one below.
            for router in routers {
                ended("the end of the router", router)?;
            }
            available("active")?;
            // The agent of a drained node goes on for 25 s, and ends sooner once the node is active again. Until then it has
            // its listening sockets: a share of the next router's clients would wait in their queues.
            ended("the end of the agent", agent)?;
            wait_for_another(node2, agent)?;
            swarm.wait_for_agents()?;
            self.routed.wait_for_routers();
            Ok(())
        });
    }

    /// All routers are replaced, by others that have another certificate.
    fn routers_updated(&self) {
        let (swarm, peers) = (&self.routed.test.swarm, self.routed.everywhere());
        let updated = || {
            self.routed.replace_certificates("next");
            for peer in &peers {
                wait::until(&format!("the new certificate at {peer}"), LIVE, || {
                    Ok(who_by_tls(swarm, peer.ip(), "two.test", &self.next).ok())
                })?;
            }
            Ok(())
        };
        let what = "routers updated, certificate replaced";
        self.unharmed(what, &peers, &[&self.two], updated);
    }
}

#[test]
fn no_request_fails_and_no_stream_is_cut_while_tasks_labels_nodes_agents_and_routers_change() {
    let Some(routed) = Routed::up("lbrchg") else {
        return;
    };
    let swarm = &routed.test.swarm;
    let site = Site::of(&routed);
    // Streams by the nodes that are not drained.
    let [first, _, third] = routed.everywhere()[..] else {
        panic!("three nodes");
    };
    let acts = || {
        site.labels();
        for (order, image) in [("start-first", WHOAMI_NEXT), ("stop-first", WHOAMI)] {
            site.tasks_updated(order, image, &site.one);
        }
        site.scaled(&site.one);
        site.agents_killed();
        site.agents_updated("update of the agents", &site.one);
        site.drained();
        Ok(())
    };
    // What comes after the update of the routers takes longer than the grace of those that it replaces.
    let all = || {
        site.routers_updated();
        uncut(swarm, &[first, third], acts)
    };
    replaced(swarm, &[first, third], all).unwrap();
    site.routers_killed();
    routed.wait_for_routers();
}
