//! Requests by all that clients speak, while labels, agents, nodes and certificates change; ports of the datapath while
//! routers are killed.

use std::time::Instant;

use harness::beside::beside;
use harness::service::ServiceSpec;
use harness::{procs, slow, wait};

use super::protocols::{grpc_stream, stream, websocket, who_by_tls};
use super::site::{AFTER, LIVE, REPLICAS, Site, wait_until_live};
use super::swarm::{Routed, kill, processes};
use crate::TASKS;
use crate::lifecycle::{kill as kill_agent, wait_for_another};
use crate::tools::{answered, assert_unharmed, during, ids, load, served};

/// Published by the service whose clients pass no router.
const PORT: u16 = 8310;

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
            for service in [&self.one, &self.two] {
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

    fn certificate_replaced(&self) {
        let (swarm, peers) = (&self.routed.test.swarm, self.routed.everywhere());
        let replaced = || {
            self.routed.replace_certificates("next");
            for peer in &peers {
                wait::until(&format!("the new certificate at {peer}"), LIVE, || {
                    Ok(who_by_tls(swarm, peer.ip(), "two.test", &self.next).ok())
                })?;
            }
            Ok(())
        };
        self.unharmed("certificate replaced", &peers, &[&self.one], replaced);
    }
}

#[test]
fn no_request_fails_and_no_stream_is_cut_while_labels_nodes_agents_and_certificates_change() {
    let Some(routed) = Routed::up("lbrchg") else {
        return;
    };
    let swarm = &routed.test.swarm;
    let site = Site::of(&routed);
    // Streams by the nodes that are not drained. A router that is updated leaves them 55 s, which is more than the rest of
    // the update takes.
    let [first, _, third] = routed.everywhere()[..] else {
        panic!("three nodes");
    };
    let acts = || {
        site.labels();
        site.agents_killed();
        site.drained();
        site.certificate_replaced();
        Ok(())
    };
    let with_calls = || {
        beside(
            |stop| grpc_stream(swarm, first, "calls.stays.test", stop),
            acts,
        )
    };
    let with_stream = || beside(|stop| stream(swarm, first, "stays.test", stop), with_calls);
    let with_third = || {
        beside(
            |stop| websocket(swarm, third, "stays.test", stop),
            with_stream,
        )
    };
    let talked = beside(
        |stop| websocket(swarm, first, "stays.test", stop),
        with_third,
    );
    let (((((), calls), bytes), by_third), by_first) = talked.unwrap();
    println!(
        "streams: {by_first} and {by_third} messages, {calls} by gRPC, an answer of {bytes} bytes"
    );

    let spec = ServiceSpec::named("published")
        .replicas(REPLICAS)
        .publish(&format!("{PORT}:80"));
    let (_service, tasks) = served(swarm, &spec, REPLICAS);
    let killed = || {
        for node in &swarm.nodes {
            kill(node)?;
            std::thread::sleep(slow::longer(AFTER));
        }
        Ok(())
    };
    let ((), report, lost) = during(swarm, &swarm.client, &load(swarm, PORT), killed);
    assert_unharmed("routers killed, a published port", &report, lost);
    assert_eq!(answered(&report), ids(&tasks));
    routed.wait_for_routers();
}
