//! Paths between nodes that carry smaller packets than the nodes' own links.

use harness::agents::by_ipvs;
use harness::netns::Netns;
use harness::node::Node;
use harness::service::ServiceSpec;
use harness::swarm::Swarm;
use harness::topology::{GATEWAY, switch_netns};
use harness::{pattern, shell, wait};
use lb_core::report::Check;

use crate::kernel::forget_path_mtus;
use crate::lbctl::json;
use crate::tools::served;
use crate::{TASKS, alone};

const MEGABYTE: u64 = 1 << 20;

/// Routes of a namespace, which go with this value.
struct Routes<'a> {
    netns: &'a Netns,
    added: Vec<String>,
}

impl<'a> Routes<'a> {
    fn of(netns: &'a Netns) -> Self {
        let added = Vec::new();
        Self { netns, added }
    }

    /// And one to this node, `by` a device and what else `ip route` takes.
    fn to(mut self, node: &Node, by: &str) -> Self {
        let to = node.addr.to_string();
        self.netns.ip(&format!("route add {to} {by}")).unwrap();
        self.added.push(to);
        self
    }
}

impl Drop for Routes<'_> {
    fn drop(&mut self) {
        for to in &self.added {
            let _ = self.netns.ip(&format!("route del {to}"));
        }
    }
}

/// The MTU of the switch's port of a node, which is 1,500 again once this value is gone.
struct Narrowed<'a>(&'a Netns, &'a str);

impl<'a> Narrowed<'a> {
    fn to_1400(switch: &'a Netns, port: &'a str) -> Self {
        switch.ip(&format!("link set dev {port} mtu 1400")).unwrap();
        Self(switch, port)
    }
}

impl Drop for Narrowed<'_> {
    fn drop(&mut self) {
        let Self(switch, port) = self;
        let _ = switch.ip(&format!("link set dev {port} mtu 1500"));
    }
}

/// Does `lbctl check` of a node name paths?
fn names_paths(node: &Node) -> bool {
    let check: Check = json(node, &["check"]);
    check.problems.iter().any(|it| it.object == "path MTU")
}

/// A megabyte comes through node1 from a task on node2, and goes there.
fn both_ways(swarm: &Swarm, port: u16) {
    let expected = pattern::sha256(MEGABYTE);
    let peer = (swarm.node("node1").unwrap().addr, port);
    let down = swarm.client.download(peer, MEGABYTE).unwrap();
    assert_eq!((down.bytes, &down.sha256), (MEGABYTE, &expected));
    let up = swarm.client.upload(peer, MEGABYTE).unwrap();
    assert_eq!((up.bytes, &up.sha256), (MEGABYTE, &expected));
}

#[test]
fn what_a_route_says_of_the_path_between_nodes_is_kept_to() {
    let Some(swarm) = alone() else { return };
    let spec = ServiceSpec::named("narrow")
        .on_node("node2")
        .publish("8270:80");
    let (_service, _) = served(&swarm, &spec, 1);
    let [node1, node2, node3] = ["node1", "node2", "node3"].map(|name| swarm.node(name).unwrap());
    let by = "dev eth0 mtu 1400";
    let routes = [
        Routes::of(&node2.netns).to(node1, by).to(node3, by),
        Routes::of(&node1.netns).to(node2, by),
        Routes::of(&node3.netns).to(node2, by),
    ];
    for node in &swarm.nodes {
        wait::until("the paths to be named", TASKS, || {
            Ok(names_paths(node).then_some(()))
        })
        .unwrap();
    }
    {
        // What is larger vanishes there, and nobody is told.
        let switch = switch_netns(&swarm.description().prefix);
        let _narrowed = Narrowed::to_1400(&switch, "node2");
        both_ways(&swarm, 8270);
    }
    drop(routes);
    for node in &swarm.nodes {
        wait::until("the paths to be wide", TASKS, || {
            Ok((!names_paths(node)).then_some(()))
        })
        .unwrap();
    }
    both_ways(&swarm, 8270);
}

#[test]
fn what_a_router_on_the_way_says_is_kept_to() {
    let Some(swarm) = alone() else { return };
    let spec = ServiceSpec::named("routed")
        .on_node("node2")
        .publish("8271:80");
    let (_service, _) = served(&swarm, &spec, 1);
    let [node1, node2] = ["node1", "node2"].map(|name| swarm.node(name).unwrap());
    let switch = switch_netns(&swarm.description().prefix);
    for setting in [
        "ip_forward=1",
        "conf.all.send_redirects=0",
        "conf.br0.send_redirects=0",
    ] {
        let setting = format!("net.ipv4.{setting}");
        shell::stdout(switch.command("sysctl").args(["-w", &setting])).unwrap();
    }
    let narrow = "dev br0 mtu 1400";
    let router = Routes::of(&switch).to(node1, narrow).to(node2, narrow);
    let by = format!("via {GATEWAY} dev eth0");
    let ways = [
        Routes::of(&node1.netns).to(node2, &by),
        Routes::of(&node2.netns).to(node1, &by),
    ];
    both_ways(&swarm, 8271);
    // The node that sends first is told. What it clamps from then on is small enough for the other one's way, too.
    wait::until("the path to be named", TASKS, || {
        Ok(names_paths(node2).then_some(()))
    })
    .unwrap();
    drop(ways);
    drop(router);
    // The datapath forgets it after ten minutes, and the kernel with the routes.
    let learned = [node1, node2].map(forget_path_mtus).concat();
    assert!(by_ipvs() || learned.contains(&1400), "{learned:?}");
    for node in [node1, node2] {
        wait::until("the path to be wide", TASKS, || {
            Ok((!names_paths(node)).then_some(()))
        })
        .unwrap();
    }
}
