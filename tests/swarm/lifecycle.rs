//! Agents die and are replaced; the datapath in the kernel goes on without them.

use std::time::Duration;

use harness::agents::SERVICE;
use harness::node::Node;
use harness::procs;
use harness::service::ServiceSpec;
use harness::swarm::Swarm;
use harness::wait;
use serde_json::Value;

use crate::clients::Clients;
use crate::tools::served;
use crate::{TASKS, alone};

/// Takes several seconds to arrive, so that all happens meanwhile.
const SLOW: &str = "/slow/150?ms=40";

#[test]
fn agents_killed_and_replaced_during_downloads_and_load_fail_no_request_and_counters_go_on() {
    let Some(swarm) = alone() else { return };
    let spec = ServiceSpec::named("outlive").replicas(6).publish("8170:80");
    let (service, _) = served(&swarm, &spec, 6);
    let mut clients = Clients::of(&swarm, 8170);
    clients.load.rate = 1000;
    for (what, act) in [
        (
            "kill -9 of all agents",
            kill_all as fn(&Swarm) -> anyhow::Result<()>,
        ),
        ("update --force of the agents", force),
    ] {
        let before = opened(&swarm, "outlive");
        let acts = || {
            std::thread::scope(|scope| {
                let downloads: Vec<_> = swarm
                    .nodes
                    .iter()
                    .map(|node| scope.spawn(|| slowly(&swarm, node)))
                    .collect();
                std::thread::sleep(Duration::from_millis(300));
                act(&swarm)?;
                swarm.wait_for_agents()?;
                for download in downloads {
                    download.join().unwrap()?;
                }
                Ok(())
            })
        };
        let ((), report) = clients.unharmed(what, acts);
        // The load, and three downloads.
        let expected = before + report.answered() + 3;
        assert_eq!(opened(&swarm, "outlive"), expected, "{what}");
    }
    // The agents that came after serve changes too.
    service.update(&["--replicas", "7"]).unwrap();
    crate::tools::settled(&swarm, &service, 7);
}

fn slowly(swarm: &Swarm, node: &Node) -> anyhow::Result<()> {
    let reply = swarm
        .client
        .get((node.addr, 8170), SLOW, Duration::from_secs(60))?;
    anyhow::ensure!(reply.status == 200 && reply.body.len() == 150, "{reply:?}");
    Ok(())
}

fn kill_all(swarm: &Swarm) -> anyhow::Result<()> {
    swarm.on_each_node(|node| {
        let pid = node.agent_pid()?;
        procs::kill_now(pid)?;
        wait::until("another agent", TASKS, || {
            Ok(node
                .agent_pid()
                .is_ok_and(|now| now != pid && now != 0)
                .then_some(()))
        })
    })
}

fn force(swarm: &Swarm) -> anyhow::Result<()> {
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
