//! Ports that no service gets, whoever asks: the Swarm's, the agents', and on a node those on which
//! its own processes listen. And which of two services gets one.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use harness::client::PATIENCE;
use harness::daemon::Daemon;
use harness::node::Node;
use harness::service::ServiceSpec;
use harness::slow;
use harness::swarm::Swarm;
use harness::wait;
use lb_core::report::Check;

use crate::lbctl::json;
use crate::tools::{ids, served, tally};
use crate::{TASKS, shared_swarm};

/// A node knows after a second on which ports its processes listen, and when they have closed one
/// after ten more.
const HEARD: Duration = Duration::from_secs(20);

fn daemon(node: &Node, port: u16) -> Daemon {
    Daemon::start(node, Path::new(env!("CARGO_BIN_EXE_whoami")), port).unwrap()
}

/// Problems of a service in a node's `lbctl check`.
fn said(node: &Node, service: &str) -> Vec<String> {
    let check: Check = json(node, &["check"]);
    let object = format!("service {service}");
    let of = check.problems.into_iter();
    of.filter(|problem| problem.object == object)
        .map(|problem| problem.message)
        .collect()
}

/// Does the host's own process answer, and no task?
fn is_the_hosts(client: &harness::client::Client, node: &Node, port: u16) -> bool {
    let who = client.who((node.addr, port));
    who.is_ok_and(|who| who.task.is_none())
}

/// Whether TCP connections to `port` of `node` reach each of `tasks` tasks twice.
fn all_answer(swarm: &Swarm, node: &Node, port: u16, tasks: usize) -> bool {
    let answers = swarm.client.sequential((node.addr, port), 2 * tasks);
    answers.is_ok_and(|answers| {
        answers.iter().all(|who| who.task.is_some()) && tally(&answers).len() == tasks
    })
}

#[test]
fn a_label_takes_no_port_of_the_swarms_nor_one_below_1024() {
    let Some(swarm) = shared_swarm() else { return };
    let ports = "2377:80,7946:80,7946:80/udp,4789:80/udp,6081:80,6081:80/udp,22:80,8086:80";
    let spec = ServiceSpec::named("greedy")
        .global()
        .label("swarmlb.publish", ports);
    let (_service, _) = served(&swarm, &spec, 3);
    for node in &swarm.nodes {
        wait::until("the one good port", HEARD, || {
            Ok(all_answer(&swarm, node, 8086, 3).then_some(()))
        })
        .unwrap();
        for port in [2377, 7946, 6081, 22] {
            let answer = swarm.client.get((node.addr, port), "/", PATIENCE);
            let task = answer.is_ok_and(|reply| reply.status == 200);
            assert!(!task, "a task answers port {port} of {}", node.name);
        }
        let said = said(node, "greedy").join("\n");
        for words in [
            "port 2377/tcp is not served: it is the port of the Swarm's managers",
            "ports 7946/tcp, 7946/udp are not served: the Swarm's nodes talk to each other on it",
            "port 4789/udp is not served: it is the port of the Swarm's overlay networks",
            "ports 6081/tcp, 6081/udp are not served: it is the port of the agents",
            "port 22/tcp is not served: labels publish ports from 1024 to 65535",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
    }
    // The overlay networks and the managers go on.
    let listed = swarm.nodes[0].docker(&["node", "ls"]).unwrap();
    assert_eq!(listed.matches("Ready").count(), 3, "{listed}");
}

/// One port of a label, one that Swarm publishes.
#[test]
fn a_port_on_which_a_process_of_the_host_listens_is_its_own_there_and_a_services_elsewhere() {
    let Some(swarm) = shared_swarm() else { return };
    let (labelled, published) = (8087, 8088);
    let node = &swarm.nodes[1];
    let daemons = [labelled, published].map(|port| daemon(node, port));
    let spec = ServiceSpec::named("taken")
        .global()
        .publish("8088:80")
        .label("swarmlb.publish", "8087:80");
    let (_service, tasks) = served(&swarm, &spec, 3);
    for port in [labelled, published] {
        for other in [&swarm.nodes[0], &swarm.nodes[2]] {
            // Also by the task of the node on which the port is not served.
            wait::until("all three tasks", HEARD, || {
                Ok(all_answer(&swarm, other, port, 3).then_some(()))
            })
            .unwrap();
            let answers = swarm.client.sequential((other.addr, port), 6).unwrap();
            let twos = ids(&tasks).into_iter().map(|task| (task, 2)).collect();
            assert_eq!(tally(&answers), twos, "port {port} of {}", other.name);
            assert_eq!(said(other, "taken"), Vec::<String>::new(), "{}", other.name);
        }
        // What Swarm publishes, the stock mesh answers where there is one, as without swarmlb.
        if port == labelled || !Path::new("/proc/net/ip_vs").exists() {
            assert!(
                is_the_hosts(&swarm.client, node, port),
                "{port}, from outside"
            );
            assert!(
                is_the_hosts(&node.client(), node, port),
                "{port}, from the node"
            );
            let local = node.client().who((Ipv4Addr::LOCALHOST, port)).unwrap();
            assert_eq!(local.task, None, "port {port} of localhost");
        }
        let told = said(node, "taken");
        let why = "not served: on this node a process of the host itself listens on it";
        let port = format!("{port}/tcp");
        let mut told_of = told.iter();
        let named = told_of.any(|message| message.contains(&port) && message.contains(why));
        assert!(named, "{told:?}");
    }
    // When they have gone, the ports are served here, too.
    drop(daemons);
    for port in [labelled, published] {
        wait::until("the port on the third node", slow::longer(HEARD), || {
            Ok(all_answer(&swarm, node, port, 3).then_some(()))
        })
        .unwrap();
    }
    assert_eq!(said(node, "taken"), Vec::<String>::new());
}

#[test]
fn a_service_that_comes_later_takes_no_port_from_an_older_one() {
    let Some(swarm) = shared_swarm() else { return };
    let first = ServiceSpec::named("first").label("swarmlb.publish", "8089:80");
    let (_first, own) = served(&swarm, &first, 1);
    for (name, later) in [
        (
            "later-label",
            ServiceSpec::named("later-label").label("swarmlb.publish", "8089:80"),
        ),
        (
            "later-swarm",
            ServiceSpec::named("later-swarm").publish("8089:80"),
        ),
    ] {
        let later = swarm.service_create(&later).unwrap();
        later.wait_for_tasks(1, TASKS).unwrap();
        for node in &swarm.nodes {
            wait::until("both are named", HEARD, || {
                let said = said(node, name);
                let told = said.iter().any(|message| {
                    message
                        == "port 8089/tcp is not served: service first has it; choose another one"
                });
                Ok(told.then_some(()))
            })
            .unwrap();
            let answers = swarm.client.sequential((node.addr, 8089), 4).unwrap();
            assert!(
                tally(&answers).keys().eq(&ids(&own)),
                "through {}",
                node.name
            );
        }
    }
}
