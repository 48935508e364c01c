//! While swarmlb runs, a node's network differs by what ARCHITECTURE.md names; when it has gone,
//! by nothing.

use std::path::Path;
use std::time::Duration;

use harness::agents::{PINS, dist};
use harness::node::Node;
use harness::service::ServiceSpec;
use harness::shared::{self, TestSwarm};
use harness::swarm::Swarm;
use harness::wait;

use crate::kernel::{loaded, pinned_links, pins};
use crate::state::State;
use crate::tools::{HostAgent, everywhere};
use crate::{LAB, TASKS};

/// Time in which the kernel removes programs that were detached.
const SOON: Duration = Duration::from_secs(5);

/// The directory of the operator's socket, and that socket.
pub(crate) const DIRECTORY: &str = "+ file: drwxr-xr-x /run/swarmlb";
const SOCKETS: [&str; 2] = [
    "+ file: srw------- /run/swarmlb/agent.sock",
    "+ file: srw------- /run/swarmlb/engine.sock",
];

/// Waits until all nodes are as they were but for these `files`, and says of the first that
/// is not what differs.
pub(crate) fn assert_as_before(swarm: &Swarm, before: &[State], files: &[&str]) {
    for (node, before) in swarm.nodes.iter().zip(before) {
        let mut changes = Vec::new();
        let same = wait::until("the node to be as before", SOON, || {
            changes = State::of(swarm, node).changes(before);
            changes.retain(|change| !files.contains(&change.as_str()));
            Ok(changes.is_empty().then_some(()))
        });
        assert!(same.is_ok(), "{}: {changes:#?}", node.name);
    }
}

/// Asserts that `changes` are those that an agent makes on a node, as ARCHITECTURE.md lists them.
pub(crate) fn assert_ours(node: &Node, changes: &[String]) {
    // Only managers are called by other agents, and only at their address in the Swarm.
    let listens = format!("+ socket: tcp LISTEN {}:6081", node.addr);
    let manager = node.name == "node1";
    let there = [
        "+ attached: docker0 tc",
        "+ attached: docker_gwbridge tc",
        "+ attached: eth0 tc",
        "+ attached: eth0 tc egress",
        "+ attached: eth0 xdp",
        DIRECTORY,
        SOCKETS[0],
        SOCKETS[1],
        "+ pin: /sys/fs/bpf/swarmlb",
    ];
    for fact in there {
        assert!(
            changes.iter().any(|change| change == fact),
            "{}: no {fact}",
            node.name
        );
    }
    assert_eq!(
        changes.contains(&listens),
        manager,
        "{}: {changes:#?}",
        node.name
    );
    let pin = format!("+ pin: {PINS}/v{}", lb_abi::VERSION);
    let others: Vec<_> = changes
        .iter()
        .filter(|change| !there.contains(&change.as_str()) && **change != listens)
        .filter(|change| !change.strip_prefix(&pin).is_some_and(is_ours))
        .filter(|change| !change.get(2..).is_some_and(is_of_xdp))
        .filter(|change| !is_filter(change) && !is_port(change))
        .collect();
    assert!(others.is_empty(), "{}: {others:#?}", node.name);
}

/// A map's or a link's name below the directory of pins.
fn is_ours(pin: &str) -> bool {
    let links = ["/LB_", "/uplink-", "/bridge-tc-", "/port-tc-", "/host-"];
    pin.is_empty() || links.iter().any(|link| pin.starts_with(link))
}

/// A program at the host's end of a container's cable.
fn is_port(change: &str) -> bool {
    change.starts_with("+ attached: veth") && change.ends_with(" tc")
}

/// A filter of swarmlb's, or the `clsact` that it is in, where the kernel has no links for tc.
fn is_filter(change: &str) -> bool {
    let ours = [
        "+ qdisc: qdisc clsact ffff: ",
        "+ qdisc: filter protocol all pref 6081 bpf chain 0",
    ];
    ours.iter().any(|fact| change.starts_with(fact))
}

/// What the kernel itself changes where a native XDP program is attached to a veth: the
/// device says so, and the far end of its cable no longer sends what is still to be cut up.
fn is_of_xdp(fact: &str) -> bool {
    let (title, fact) = fact.split_once(": ").unwrap();
    match title {
        "link" => {
            fact.starts_with("eth0@")
                && (fact.contains(" mtu ") || fact.contains("prog/xdp name lb_uplink_xdp"))
        }
        "cable" => ["segmentation", "tx-gso-list", "maxmtu"]
            .iter()
            .any(|word| fact.contains(word)),
        _ => false,
    }
}

/// Agents that an init system runs, which end uncleanly.
#[test]
fn after_agents_were_killed_clean_leaves_each_node_as_it_was() {
    if !shared::is_root() {
        return;
    }
    let _machine = shared::together();
    let test = TestSwarm::up(Path::new(LAB), "lbclean", 3).unwrap();
    let swarm = &test.swarm;
    let spec = ServiceSpec::named("witness").replicas(3).publish("8185:80");
    let service = swarm.service_create(&spec).unwrap();
    service.wait_for_tasks(3, TASKS).unwrap();
    let before = State::of_all(swarm);

    let agents: Vec<_> = swarm
        .nodes
        .iter()
        .map(|node| HostAgent::start(node, &[]))
        .collect();
    swarm.wait_until_served(&service.id, 3, TASKS).unwrap();
    let ids: Vec<_> = swarm.nodes.iter().flat_map(pinned_links).collect();
    assert!(loaded(&ids).len() >= 3 * 5, "{ids:?}");
    drop(agents);
    for (node, before) in swarm.nodes.iter().zip(&before) {
        // Killed, they left all of it, and the datapath serves.
        assert!(pins(node).len() > 10, "{:?}", pins(node));
        assert!(!State::of(swarm, node).changes(before).is_empty());
        swarm.client.sequential((node.addr, 8185), 3).unwrap();
    }
    let swarmlb = dist("swarmlb").unwrap();
    for node in &swarm.nodes {
        node.exec(swarmlb.to_str().unwrap(), &["clean"]).unwrap();
    }
    // The socket of an agent that was killed is nobody's; the next one takes it.
    assert_as_before(swarm, &before, &[DIRECTORY, SOCKETS[0]]);
    wait::until("the kernel to forget the links", SOON, || {
        Ok(loaded(&ids).is_empty().then_some(()))
    })
    .unwrap();
    for peer in everywhere(swarm, 8185) {
        let has_ipvs = Path::new("/proc/net/ip_vs").exists();
        assert_eq!(swarm.client.who(peer).is_ok(), has_ipvs, "{peer}");
    }
}
