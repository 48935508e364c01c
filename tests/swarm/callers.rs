//! Containers that call a published port on a node's address, their own node's included.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use harness::agents::{LOOP, by_ipvs};
use harness::client::Client;
use harness::netns::{Netns, NetnsGuard};
use harness::node::Node;
use harness::pattern;
use harness::service::{ServiceSpec, Task};
use harness::swarm::Swarm;

use crate::tools::{ids, served, tally, task};
use crate::turn;

/// Bytes: many segments, merged ones among them.
const LENGTH: u64 = 20 << 20;

/// The inside of a task's container, as a place to call from.
fn inside(swarm: &Swarm, task: &Task) -> (NetnsGuard, Client) {
    let container = task.container.as_deref().unwrap();
    let node = home(swarm, task);
    let pid = node
        .docker(&["inspect", "--format", "{{.State.Pid}}", container])
        .unwrap();
    // A lab removes whatever bears its prefix, should this test not live to do it.
    let name = format!("{}.{}", node.client().netns().name(), &container[..8]);
    let netns = Netns::of_process(&name, pid.trim().parse().unwrap()).unwrap();
    let client = Client::new(Netns::named(&name));
    (netns, client)
}

fn home<'a>(swarm: &'a Swarm, task: &Task) -> &'a Node {
    swarm
        .nodes
        .iter()
        .find(|node| node.name == task.node)
        .unwrap()
}

/// The node's address on `docker_gwbridge`: what its tasks' default route is.
fn gateway(node: &Node) -> Ipv4Addr {
    let shown = node
        .netns
        .ip("-4 -o addr show dev docker_gwbridge")
        .unwrap();
    let mut words = shown.split_whitespace().skip_while(|word| *word != "inet");
    let address = words.nth(1).unwrap();
    address.split('/').next().unwrap().parse().unwrap()
}

#[test]
fn a_container_reaches_every_task_in_turn_itself_included_through_every_node() {
    let Some(swarm) = turn() else { return };
    let spec = ServiceSpec::named("calls")
        .replicas(6)
        .publish("8110:80")
        .publish("8110:80/udp");
    let (_service, tasks) = served(&swarm, &spec, 6);
    let caller = &tasks[0];
    let (_netns, client) = inside(&swarm, caller);
    let names = swarm
        .nodes
        .iter()
        .map(|node| (node.addr, node.name.as_str()));
    let own = (gateway(home(&swarm, caller)), "the bridge that it is on");
    for (address, name) in names.chain([own]) {
        let answers = client.sequential((address, 8110), 12).unwrap();
        let twice = ids(&tasks).into_iter().map(|task| (task, 2)).collect();
        assert_eq!(tally(&answers), twice, "through {name}");
        // Beyond its own node, a container has its node's address anyway.
        let seen: BTreeSet<_> = answers.iter().map(|who| who.peer.ip()).collect();
        let home = home(&swarm, caller).addr;
        let here = address == home || address == own.0;
        let expected = if here && by_ipvs() { LOOP } else { home };
        assert_eq!(seen, [expected.into()].into(), "through {name}");
        let one = client
            .udp((address, 8110), harness::client::PATIENCE)
            .unwrap();
        assert!(ids(&tasks).contains(&task(&one)));
    }
}

#[test]
fn what_a_container_downloads_from_tasks_here_and_elsewhere_arrives_intact() {
    let Some(swarm) = turn() else { return };
    let spec = ServiceSpec::named("fetch").replicas(3).publish("8111:80");
    let (_service, tasks) = served(&swarm, &spec, 3);
    let (_netns, client) = inside(&swarm, &tasks[0]);
    let own = home(&swarm, &tasks[0]).addr;
    let expected = pattern::sha256(LENGTH);
    for _ in 0..3 {
        let down = client.download((own, 8111), LENGTH).unwrap();
        assert_eq!((down.bytes, &down.sha256), (LENGTH, &expected));
        let up = client.upload((own, 8111), LENGTH).unwrap();
        assert_eq!((up.bytes, &up.sha256), (LENGTH, &expected));
    }
}
