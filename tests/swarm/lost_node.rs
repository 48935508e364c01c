//! A node that the managers take for lost, while its tasks answer as before.

use std::path::Path;
use std::time::{Duration, Instant};

use harness::client::PATIENCE;
use harness::node::Node;
use harness::service::ServiceSpec;
use harness::shared;
use harness::swarm::Swarm;
use harness::traffic::http::{self, Connection};
use harness::{slow, wait};
use lb_core::model::snapshot::NodeState;
use lb_core::report::Nodes;

use crate::tools::{everywhere, served, settled};
use crate::{LAB, TASKS};

#[test]
fn a_node_said_to_be_down_keeps_its_connections_gets_no_new_ones_and_comes_back() {
    if !shared::is_root() {
        return;
    }
    let _machine = shared::together();
    let test = shared::with_agents(Path::new(LAB), "lbcut", 3).unwrap();
    let swarm = &test.swarm;
    // Or it would take 15 s to be missed.
    let heartbeat = ["swarm", "update", "--dispatcher-heartbeat", "1s"];
    swarm.manager().unwrap().docker(&heartbeat).unwrap();
    let spec = ServiceSpec::named("cut").replicas(6).publish("8235:80");
    let (service, _) = served(swarm, &spec, 6);
    let node2 = swarm.node("node2").unwrap();
    let peers = everywhere(swarm, 8235);
    let through = peers.clone();

    let talk = async {
        // One through each node, all to tasks of node2.
        let mut kept = Vec::new();
        for peer in &through {
            for _ in 0..6 {
                let mut connection = Connection::open(*peer, PATIENCE).await?;
                if connection.who().await?.node.as_deref() == Some("node2") {
                    kept.push(connection);
                    break;
                }
            }
        }
        assert_eq!(kept.len(), 3);
        let cut = Cut::off(node2);
        let begin = Instant::now();
        let mut asked = 0;
        while state(swarm, "node2") != "down" {
            assert!(
                begin.elapsed() < slow::longer(TASKS),
                "node2 is never missed"
            );
            for connection in &mut kept {
                connection.who().await?;
                asked += 1;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let down = begin.elapsed();
        for node in &swarm.nodes {
            wait::until(
                &format!("{} to take node2 for lost", node.name),
                TASKS,
                || Ok(takes_for_lost(node, "node2")?.then_some(())),
            )?;
        }
        let known = begin.elapsed();
        let mut new = 0;
        while begin.elapsed() < known + Duration::from_secs(5) {
            for connection in &mut kept {
                let who = connection.who().await?;
                assert_eq!(who.node.as_deref(), Some("node2"));
                asked += 1;
            }
            for peer in &through {
                let who = http::who(*peer, PATIENCE).await?;
                assert_ne!(who.node.as_deref(), Some("node2"), "through {peer}");
                new += 1;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        drop(cut);
        Ok((down, known, asked, new))
    };
    let (down, known, asked, new) = swarm.client.block_on(talk).unwrap();
    println!(
        "node2 said to be down {down:?} after its managers were cut off, all agents know after {known:?}: {asked} requests on \
         3 connections to its tasks, {new} new connections to others, none failed"
    );
    let begin = Instant::now();
    wait::until("node2 to be ready", TASKS, || {
        Ok((state(swarm, "node2") == "ready").then_some(()))
    })
    .unwrap();
    let ready = begin.elapsed();
    service.update(&["--replicas", "9"]).unwrap();
    let nine = settled(swarm, &service, 9);
    assert!(nine.iter().any(|task| task.node == "node2"), "{nine:?}");
    for peer in peers {
        let answers = swarm.client.sequential(peer, 9).unwrap();
        assert_eq!(crate::tools::tally(&answers).len(), 9, "through {peer}");
    }
    println!(
        "node2 ready {ready:?} after that, its new tasks served {:?} after",
        begin.elapsed()
    );
}

/// Does the agent of this node know that another one is down, and has its kernel what follows from that? It shows what its
/// last reconcile pass went by.
fn takes_for_lost(node: &Node, lost: &str) -> anyhow::Result<bool> {
    let report = node.report(&["nodes"])?;
    let nodes: Nodes = serde_json::from_value(report)?;
    let mut others = nodes.nodes.iter();
    Ok(others.any(|other| other.hostname == lost && other.state == NodeState::Down))
}

fn state(swarm: &Swarm, name: &str) -> String {
    let nodes = swarm.manager().unwrap().api("/nodes").unwrap();
    let nodes = nodes.as_array().unwrap();
    let text = |node: &serde_json::Value, pointer| {
        node.pointer(pointer)
            .and_then(|value| value.as_str())
            .unwrap_or_default()
            .to_owned()
    };
    let node = nodes
        .iter()
        .find(|node| text(node, "/Description/Hostname") == name);
    text(node.unwrap(), "/Status/State")
}

/// Drops the engine's packets to managers; agents and tasks are not affected.
struct Cut<'a>(&'a Node);

impl<'a> Cut<'a> {
    fn off(node: &'a Node) -> Self {
        rule(node, "-I").unwrap();
        Self(node)
    }
}

impl Drop for Cut<'_> {
    fn drop(&mut self) {
        let _ = rule(self.0, "-D");
    }
}

fn rule(node: &Node, verb: &str) -> anyhow::Result<String> {
    let rule = [verb, "OUTPUT", "-p", "tcp", "--dport", "2377", "-j", "DROP"];
    node.exec("iptables", &rule)
}
