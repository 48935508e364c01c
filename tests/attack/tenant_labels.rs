//! A tenant publishes by labels what is not his: the Swarm's own ports, the agents', those on which a
//! node itself listens, those of another service.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use harness::acceptance::{everywhere, served, task};
use harness::daemon::Daemon;
use harness::node::Node;
use harness::service::ServiceSpec;
use harness::swarm::Swarm;
use harness::{slow, wait};
use lb_core::report::Check;

use crate::{TASKS, alone, shared_swarm};

/// The node's own: a process listens there on node2 only.
const LISTENER: u16 = 2222;
/// Raft and the engine's API, gossip, overlay networks, ssh, the agents.
const TAKEN: [(u16, &str); 7] = [
    (2377, "tcp"),
    (7946, "tcp"),
    (7946, "udp"),
    (4789, "udp"),
    (22, "tcp"),
    (6081, "tcp"),
    (6081, "udp"),
];
const HARMLESS: u16 = 8430;

#[test]
fn a_label_takes_no_port_that_the_swarm_the_agents_or_a_node_itself_use() {
    // Should one be taken, no other test could go on.
    let Some(swarm) = alone() else { return };
    let node = swarm.node("node2").unwrap();
    let whoami = Path::new(env!("CARGO_BIN_EXE_whoami"));
    let _listener = Daemon::start(node, whoami, LISTENER).unwrap();
    own_listener_answers(&swarm, node).unwrap();

    let wished = TAKEN.map(|(port, proto)| format!("{port}:80/{proto}"));
    let spec = ServiceSpec::named("greedy").label(
        "swarmlb.publish",
        &format!("{LISTENER}:80,{},{HARMLESS}:80", wished.join(",")),
    );
    let (_service, _tasks) = served(&swarm, &spec, 1);
    for peer in everywhere(&swarm, HARMLESS) {
        wait::until("the port that may be had", TASKS, || {
            Ok(swarm.client.who(peer).ok())
        })
        .unwrap();
    }
    let patience = Duration::from_millis(500);
    let mut wrong = Vec::new();
    for node in &swarm.nodes {
        for (port, proto) in TAKEN {
            let peer: SocketAddr = (node.addr, port).into();
            let answered = if proto == "tcp" {
                // The Swarm's answers are none of a task's.
                swarm
                    .client
                    .block_on(harness::traffic::http::who(peer, patience))
            } else {
                swarm.client.udp(peer, patience)
            };
            wrong.extend(answered.ok().map(|who| format!("{peer}/{proto}: {who:?}")));
        }
        wrong.extend(unnamed(node));
    }
    if let Err(error) = own_listener_answers(&swarm, node) {
        wrong.push(format!("{error:#}"));
    }
    // The Swarm goes on: a manager's raft port is not refused, and says TLS or nothing.
    let manager = swarm.manager().unwrap();
    let connect =
        || TcpStream::connect_timeout(&(manager.addr, 2377).into(), slow::longer(patience));
    if let Err(error) = swarm.client.netns().run(connect).unwrap() {
        wrong.push(format!("the manager's own port: {error}"));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn own_listener_answers(swarm: &Swarm, node: &Node) -> Result<()> {
    let answer = swarm.client.who((node.addr, LISTENER));
    ensure!(
        answer.as_ref().is_ok_and(|who| who.task.is_none()),
        "{}'s own port {LISTENER}: {answer:?}",
        node.name
    );
    Ok(())
}

/// Ports that a node does not serve and that its `lbctl check` does not name.
fn unnamed(node: &Node) -> Vec<String> {
    let check: Check = serde_json::from_value(node.report(&["check"]).unwrap()).unwrap();
    let said: Vec<_> = check
        .problems
        .iter()
        .map(|problem| format!("{}: {}", problem.object, problem.message))
        .collect();
    let of_node = (node.name == "node2").then_some((LISTENER, "tcp"));
    let refused = TAKEN.into_iter().chain(of_node);
    let names = |port: u16, proto: &str| {
        let number = port.to_string();
        said.iter()
            .filter(|line| line.contains("greedy"))
            .any(|line| {
                let mut words = line.split(|c: char| !c.is_ascii_alphanumeric());
                words.any(|word| word == number) && (port != 7946 || line.contains(proto))
            })
    };
    refused
        .filter(|(port, proto)| !names(*port, proto))
        .map(|(port, proto)| format!("{} does not name {port}/{proto}: {said:?}", node.name))
        .collect()
}

/// Ids are drawn by chance: of two services, the later one has the smaller id in one of two pairs.
const PAIRS: usize = 20;

#[test]
fn a_later_service_takes_no_port_that_another_one_has_by_a_label() {
    let Some(swarm) = shared_swarm() else { return };
    let spec = |name: &str, ports: &str| ServiceSpec::named(name).label("swarmlb.publish", ports);
    for _ in 0..PAIRS {
        let (victim, tasks) = served(&swarm, &spec("first", "8431:80"), 1);
        let (thief, _) = served(&swarm, &spec("second", "8432:80,8431:80"), 1);
        // Its other port says that the node knows it by now.
        let node = &swarm.nodes[1];
        wait::until("the later service", TASKS, || {
            Ok(swarm.client.who((node.addr, 8432)).ok())
        })
        .unwrap();
        for peer in everywhere(&swarm, 8431) {
            let who = swarm.client.who(peer).unwrap();
            assert_eq!(task(&who), tasks[0].id, "at {peer}, by a later service");
        }
        if thief.id < victim.id {
            return;
        }
    }
    panic!("in none of {PAIRS} pairs the later service had the smaller id");
}
