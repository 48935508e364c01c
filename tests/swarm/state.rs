//! State of a node's network: devices, addresses, routes, rules, files.
//!
//! Left out is what changes by itself: counters, timers, the number of tracked connections.

use std::collections::BTreeMap;

use harness::node::Node;
use harness::swarm::Swarm;
use harness::topology::switch_netns;
use harness::{shell, wait};

use crate::TASKS;
use crate::kernel::attached;

/// One line per fact, with how often it is true.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct State(BTreeMap<String, u32>);

/// Facts that are lines of a command's output.
const LINES: [(&str, &str); 9] = [
    ("address", "ip -o address show | sed 's/ *valid_lft.*//'"),
    (
        "route",
        "ip route show table all; ip -6 route show table all",
    ),
    ("rule", "ip rule show; ip -6 rule show"),
    (
        "qdisc",
        "tc qdisc show; for dev in $(ls /sys/class/net); do tc filter show dev $dev; \
         tc filter show dev $dev ingress; tc filter show dev $dev egress; done",
    ),
    ("socket", "ss -lntuH | awk '{ print $1, $2, $5 }'"),
    // Some can't be read, which is no news.
    (
        "sysctl",
        "grep -rs . /proc/sys/net | grep -v '/nf_conntrack_count:'; true",
    ),
    (
        "file",
        "find /run/swarmlb -printf '%M %p\\n' 2>/dev/null; true",
    ),
    ("pin", "find /sys/fs/bpf -mindepth 1"),
    ("offload", OFFLOADS),
];

const OFFLOADS: &str =
    "for dev in $(ls /sys/class/net); do ethtool -k $dev | sed \"s/^/$dev /\"; done";

/// Facts that are one whole output, as order matters in it.
const WHOLES: [(&str, &str); 3] = [
    (
        "iptables",
        "iptables-save 2>/dev/null | sed '/^#/d; s/ \\[.*\\]$//'",
    ),
    (
        "ip6tables",
        "ip6tables-save 2>/dev/null | sed '/^#/d; s/ \\[.*\\]$//'",
    ),
    ("nft", "nft --stateless list ruleset"),
];

impl State {
    /// State of `node` now, and of the switch's end of its cable.
    pub(crate) fn of(swarm: &Swarm, node: &Node) -> Self {
        let mut state = Self(BTreeMap::new());
        let sh = |script: &str| node.exec("sh", &["-c", script]).unwrap();
        for (title, script) in LINES {
            sh(script).lines().for_each(|line| state.add(title, line));
        }
        for (title, script) in WHOLES {
            state.add(title, &sh(script));
        }
        let links = node.netns.ip("-d -o link show").unwrap();
        links
            .lines()
            .flat_map(link)
            .for_each(|fact| state.add("link", &fact));
        attached(node)
            .iter()
            .for_each(|hook| state.add("attached", hook));

        let switch = switch_netns(&swarm.description().prefix);
        let port = switch
            .ip(&format!("-d -o link show dev {}", node.name))
            .unwrap();
        link(&port).iter().for_each(|fact| state.add("cable", fact));
        let offloads = shell::stdout(switch.command("ethtool").args(["-k", &node.name])).unwrap();
        offloads
            .lines()
            .for_each(|line| state.add("cable", line.trim()));
        // The sysctls alone are a thousand: a command that says nothing would prove nothing.
        assert!(state.0.len() > 1000, "{}: {:#?}", node.name, state.0);
        state
    }

    /// All nodes, node1 first, once the kernel has made up its mind about IPv6 addresses.
    pub(crate) fn of_all(swarm: &Swarm) -> Vec<Self> {
        let settled = |node: &Node| {
            wait::until("addresses to be no longer tentative", TASKS, || {
                let tentative = node.netns.ip("-6 address show tentative")?;
                Ok(tentative.is_empty().then_some(()))
            })
        };
        swarm.on_each_node(settled).unwrap();
        swarm
            .nodes
            .iter()
            .map(|node| Self::of(swarm, node))
            .collect()
    }

    fn add(&mut self, title: &str, fact: &str) {
        *self
            .0
            .entry(format!("{title}: {}", fact.trim_end()))
            .or_default() += 1;
    }

    /// Lines that came (`+`) and went (`-`) since `before`.
    pub(crate) fn changes(&self, before: &Self) -> Vec<String> {
        let went = before
            .0
            .iter()
            .filter(|(fact, count)| self.0.get(*fact) < Some(*count));
        let came = self
            .0
            .iter()
            .filter(|(fact, count)| before.0.get(*fact) < Some(*count));
        let went = went.map(|(fact, _)| format!("- {fact}"));
        went.chain(came.map(|(fact, _)| format!("+ {fact}")))
            .collect()
    }
}

/// The parts of a line of `ip -d -o link`, without its timers and the numbers of programs.
fn link(line: &str) -> Vec<String> {
    let (_, line) = line.split_once(": ").unwrap();
    let (name, rest) = line.split_once(": ").unwrap();
    let part = |part: &str| {
        let mut words = Vec::new();
        let mut all = part.split_whitespace();
        while let Some(word) = all.next() {
            match word {
                "id" | "tag" | "load_time" | "created_by_uid" | "btf_id"
                    if part.contains("prog/") =>
                {
                    all.next();
                }
                "fdb_n_learned" => {
                    all.next();
                }
                _ if word.ends_with("_timer") => {
                    all.next();
                }
                _ => words.push(word),
            }
        }
        format!("{name} {}", words.join(" "))
    };
    rest.split('\\').map(part).collect()
}

#[test]
fn a_links_parts_are_told_without_what_changes_by_itself() {
    let line = "2: eth0@if4: <UP> mtu 1500 xdp qdisc noqueue \\    veth maxmtu 3506 gc_timer  296.75 fdb_n_learned 1 x 1 \\    \
                prog/xdp id 7 name lb_uplink_xdp tag 9f jited load_time 5 created_by_uid 0 btf_id 8 ";
    let parts = [
        "eth0@if4 <UP> mtu 1500 xdp qdisc noqueue",
        "eth0@if4 veth maxmtu 3506 x 1",
        "eth0@if4 prog/xdp name lb_uplink_xdp jited",
    ];
    assert_eq!(link(line), parts);
}
