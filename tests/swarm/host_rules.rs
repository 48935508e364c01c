//! Rules of the host's own firewall, which the kernel shows what passes ports of bridges, too (`br_netfilter`): what
//! belongs to a published port is taken before any of them.

use std::path::Path;

use harness::agents::{by_ipvs, by_mesh};
use harness::node::Node;
use harness::service::ServiceSpec;
use harness::shared::{self, TestSwarm};
use harness::swarm::Swarm;
use harness::topology::GATEWAY;
use harness::wait;
use lb_core::model::config::DEFAULT_PORT;

use crate::kernel::attached;
use crate::tools::{ids, served, tally};
use crate::{LAB, TASKS, alone};

/// Connection tracking has seen no beginning of what a task answers: its SYN-ACK is invalid to it, and what comes
/// later a new connection without a SYN.
const UNTRACKED: [&str; 2] = [
    "mangle PREROUTING -m conntrack --ctstate INVALID -j DROP",
    "mangle PREROUTING -p tcp ! --syn -m conntrack --ctstate NEW -j DROP",
];

/// A rule of a node's iptables, the first of its chain; it goes with this value.
struct Rule<'a> {
    node: &'a Node,
    /// Table, chain, and what follows.
    rule: String,
}

impl<'a> Rule<'a> {
    fn insert(node: &'a Node, rule: &str) -> Self {
        let rule = Self {
            node,
            rule: rule.to_owned(),
        };
        rule.run("-I").unwrap();
        rule
    }

    fn run(&self, verb: &str) -> anyhow::Result<String> {
        let mut words = self.rule.split(' ');
        let table = words.next().unwrap();
        let arguments: Vec<&str> = ["-t", table, verb].into_iter().chain(words).collect();
        self.node.exec("iptables", &arguments)
    }
}

impl Drop for Rule<'_> {
    fn drop(&mut self) {
        let _ = self.run("-D");
    }
}

/// A node whose rules see what passes ports of bridges, as Docker sets it; as before once this goes.
struct Filtered<'a> {
    node: &'a Node,
    before: String,
}

impl<'a> Filtered<'a> {
    const SETTING: &'static str = "/proc/sys/net/bridge/bridge-nf-call-iptables";

    fn on(node: &'a Node) -> Self {
        let before = node.exec("cat", &[Self::SETTING]);
        let before = before.unwrap().trim().to_owned();
        let filtered = Self { node, before };
        filtered.set("1").unwrap();
        filtered
    }

    fn set(&self, value: &str) -> anyhow::Result<String> {
        let script = format!("echo {value} > {}", Self::SETTING);
        self.node.exec("sh", &["-c", &script])
    }
}

impl Drop for Filtered<'_> {
    fn drop(&mut self) {
        let _ = self.set(&self.before);
    }
}

/// Six connections through each node reach six tasks.
fn assert_all_answer(swarm: &Swarm, port: u16, once: &[String], why: &str) {
    for node in &swarm.nodes {
        let answers = swarm.client.sequential((node.addr, port), once.len());
        let answers = answers.unwrap_or_else(|error| panic!("{}: {why}: {error:#}", node.name));
        let expected = once.iter().map(|task| (task.clone(), 1)).collect();
        assert_eq!(tally(&answers), expected, "{}: {why}", node.name);
    }
}

#[test]
fn rules_against_what_connection_tracking_did_not_see_begin_drop_no_reply_of_a_task() {
    let Some(swarm) = alone() else { return };
    let spec = ServiceSpec::named("tracked").replicas(6).publish("8142:80");
    let (_service, tasks) = served(&swarm, &spec, 6);
    let once: Vec<String> = ids(&tasks).into_iter().collect();
    let _filtered: Vec<_> = swarm.nodes.iter().map(Filtered::on).collect();
    for rule in UNTRACKED {
        let nodes = swarm.nodes.iter();
        let _rules: Vec<_> = nodes.map(|node| Rule::insert(node, rule)).collect();
        assert_all_answer(&swarm, 8142, &once, rule);
    }
}

/// Puts a node's address on a bridge, whose port its card becomes: as hosts of virtual machines have it.
fn bridge_uplink(node: &Node) {
    let addr = node.addr;
    let script = format!(
        "set -e
        ip link add br0 type bridge
        ip link set br0 address $(cat /sys/class/net/eth0/address)
        ip link set br0 up
        ip address del {addr}/24 dev eth0
        ip link set eth0 master br0
        ip address add {addr}/24 dev br0
        ip route add default via {GATEWAY}"
    );
    node.exec("sh", &["-c", &script]).unwrap();
}

#[test]
fn where_the_uplink_is_a_bridge_rules_for_a_published_port_see_none_of_its_packets() {
    if !shared::is_root() {
        return;
    }
    let _machine = shared::together();
    let test = TestSwarm::up(Path::new(LAB), "lbbridge", 2).unwrap();
    let swarm = &test.swarm;
    let node = &swarm.nodes[0];
    bridge_uplink(node);
    swarm.load_agent().unwrap();
    swarm.deploy_agents().unwrap();
    let spec = ServiceSpec::named("bridged").replicas(6).publish("8143:80");
    let (_service, tasks) = served(swarm, &spec, 6);
    let once: Vec<String> = ids(&tasks).into_iter().collect();
    if !by_ipvs() && !by_mesh() {
        wait::until("programs at the bridge and its port", TASKS, || {
            let attached = attached(node);
            let all = ["br0 tc", "eth0 tc"].map(str::to_owned);
            Ok(all.iter().all(|one| attached.contains(one)).then_some(()))
        })
        .unwrap();
    }
    let _filtered = Filtered::on(node);
    assert_all_answer(swarm, 8143, &once, "no rule");
    // As Docker's own in the chain DOCKER-INGRESS, to where nobody is.
    let redirected = "nat PREROUTING -p tcp --dport 8143 -j DNAT --to-destination 192.0.2.77:9";
    let mut rules = vec![redirected.to_owned()];
    rules.extend(UNTRACKED.map(str::to_owned));
    if !by_ipvs() {
        // By IPVS the kernel's own device takes packets out of the tunnel, behind the firewall.
        rules.push(format!(
            "raw PREROUTING -p udp --dport {DEFAULT_PORT} -j DROP"
        ));
    }
    for rule in &rules {
        let _rule = Rule::insert(node, rule);
        assert_all_answer(swarm, 8143, &once, rule);
    }
}
