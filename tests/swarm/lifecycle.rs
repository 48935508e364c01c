//! Agents die and are replaced; the datapath in the kernel goes on without them.

use std::time::Duration;

use anyhow::Result;
use harness::agents::SERVICE;
use harness::node::Node;
use harness::procs;
use harness::service::ServiceSpec;
use harness::slow;
use harness::swarm::Swarm;
use harness::traffic::load::Load;
use harness::wait;
use serde_json::Value;

use crate::clients::Clients;
use crate::tools::{everywhere, served};
use crate::{TASKS, alone};

/// Takes several seconds to arrive, so that all happens meanwhile.
const SLOW: &str = "/slow/150?ms=40";
/// Connections that are kept, and asked again and again.
const CONNECTIONS: u32 = 40;

#[test]
fn agents_killed_and_replaced_during_downloads_and_load_fail_no_request_and_counters_go_on() {
    let Some(swarm) = alone() else { return };
    let spec = ServiceSpec::named("outlive").replicas(6).publish("8170:80");
    let (service, _) = served(&swarm, &spec, 6);
    let clients = Clients::of(&swarm, 8170);
    // With the 200 new connections a second: 1,000 requests. As many new connections would take two cores whole, and
    // what is measured would be the machine.
    let kept = Load {
        rate: 800,
        kept: Some(CONNECTIONS),
        ..Load::new(everywhere(&swarm, 8170))
    };
    for (what, act) in [
        (
            "kill -9 of all agents",
            kill_all as fn(&Swarm) -> Result<()>,
        ),
        ("update --force of the agents", force),
    ] {
        let before = opened(&swarm, "outlive");
        let acts = || {
            let both = || during_downloads(&swarm, act);
            let ((), report) = swarm.client.during(&kept, both)?;
            Ok(report)
        };
        let (requests, report) = clients.unharmed(what, acts);
        println!(
            "{what}: {} requests on {CONNECTIONS} connections, slowest {:?}",
            requests.answered(),
            requests.slowest
        );
        assert_eq!(requests.failed, 0, "{what}: {:#?}", requests.failures);
        assert!(
            requests.answered() > slow::fewer(1000),
            "{what}: {requests:?}"
        );
        // The load, the connections that are kept, and three downloads.
        let expected = before + report.answered() + u64::from(CONNECTIONS) + 3;
        assert_eq!(opened(&swarm, "outlive"), expected, "{what}");
    }
    // The agents that came after serve changes too.
    service.update(&["--replicas", "7"]).unwrap();
    crate::tools::settled(&swarm, &service, 7);
}

/// Does something to the agents while each node serves a download.
fn during_downloads(swarm: &Swarm, act: fn(&Swarm) -> Result<()>) -> Result<()> {
    std::thread::scope(|scope| {
        let downloads: Vec<_> = swarm
            .nodes
            .iter()
            .map(|node| scope.spawn(|| slowly(swarm, node)))
            .collect();
        std::thread::sleep(Duration::from_millis(300));
        act(swarm)?;
        swarm.wait_for_agents()?;
        for download in downloads {
            download.join().unwrap()?;
        }
        Ok(())
    })
}

fn slowly(swarm: &Swarm, node: &Node) -> Result<()> {
    let reply = swarm
        .client
        .get((node.addr, 8170), SLOW, Duration::from_secs(60))?;
    anyhow::ensure!(reply.status == 200 && reply.body.len() == 150, "{reply:?}");
    Ok(())
}

fn kill_all(swarm: &Swarm) -> Result<()> {
    swarm.on_each_node(kill)
}

/// Kills a node's agent at once; the Swarm starts another one.
pub(crate) fn kill(node: &Node) -> Result<()> {
    let killed = node.agent_pid()?;
    procs::kill_now(killed)?;
    wait_for_another(node, killed)
}

/// Waits until a node's agent is another process than the one that it was.
pub(crate) fn wait_for_another(node: &Node, before: u32) -> Result<()> {
    wait::until("another agent", TASKS, || {
        Ok(node
            .agent_pid()
            .is_ok_and(|now| now != before && now != 0)
            .then_some(()))
    })
}

fn force(swarm: &Swarm) -> Result<()> {
    let before: Vec<_> = swarm.nodes.iter().map(Node::agent_pid).collect();
    let manager = swarm.manager()?;
    manager.docker(&[
        "service",
        "update",
        "--detach",
        "--no-resolve-image",
        "--force",
        SERVICE,
    ])?;
    wait::until("other agents everywhere", 2 * TASKS, || {
        let now = swarm.nodes.iter().map(Node::agent_pid);
        let replaced = now.zip(&before).all(|(now, before)| {
            matches!((now, before), (Ok(now), Ok(before)) if now != *before && now != 0)
        });
        Ok(replaced.then_some(()))
    })
}

/// Connections that a service ever got, in the whole Swarm.
fn opened(swarm: &Swarm, service: &str) -> u64 {
    let total = || {
        let stats = swarm.nodes[0].report(&["stats", "--service", service])?;
        let complete = stats
            .get("missing")
            .and_then(Value::as_array)
            .is_some_and(Vec::is_empty);
        let total = stats
            .pointer("/services/0/total/new")
            .and_then(Value::as_u64);
        Ok(total.filter(|_| complete))
    };
    wait::until("counters of all nodes", TASKS, total).unwrap()
}
