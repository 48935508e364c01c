//! `explain`, over tables that stand still: a task here and one on beta, the turn at 12.

use crate::agent::Agent;
use crate::tables::{json, shows};
use lb_abi::service::{Backend, Frontend, LOCAL, Port, REMOTE, Slot};
use lb_abi::settings::{Settings, Uplink};
use lb_abi::{Be16, Be32, TCP};
use lb_core::model::ids::Key;
use lb_core::report::{Explanation, Rule, Verdict};
use lb_datapath::model::Memory;
use std::net::Ipv4Addr;
use zerocopy::FromZeros;

fn be(address: [u8; 4]) -> Be32 {
    Be32::new(Ipv4Addr::from(address).into())
}

fn memory() -> Memory {
    let mut settings = Settings::new_zeroed();
    settings.node = be([192, 0, 2, 1]);
    settings.tunnel_port = Be16::new(6081);
    (settings.uplink, settings.mtu, settings.bridge) = (2, 1500, 3);
    let port = Port::new(Be16::new(8080), TCP);
    let frontend = Frontend::new(Be16::new(80), 2, 1, Key::of("s1").0);
    let slot = |index| Slot { table: 1, index };
    let backend = |address, place| Backend::new(be(address), place, Key::of("s1").0);
    let [first, second] = ["t1", "t2"].map(|task| Key::of(task).0);
    Memory {
        settings: Some(settings),
        uplinks: [(2, Uplink::new([0; 6]))].into(),
        frontends: [(port, frontend)].into(),
        turns: [(port, 12)]
            .into_iter()
            .collect::<std::collections::BTreeMap<_, _>>()
            .into(),
        slots: [(slot(0), first), (slot(1), second)].into(),
        backends: [
            (first, backend([172, 18, 0, 3], LOCAL)),
            (second, backend([192, 0, 2, 2], REMOTE)),
        ]
        .into(),
        addresses: [be([192, 0, 2, 1]).get()].into(),
        ..Memory::default()
    }
}

fn serving() -> Agent {
    let agent = Agent::start();
    agent.change(|swarm| swarm.memory = memory());
    agent
}

#[test]
fn who_gets_it_and_why() {
    let agent = serving();
    let asked = ["explain", "203.0.113.7", "alpha:8080"];
    shows(&agent.lbctl(&asked), 0, "\
203.0.113.7:49152 sends a SYN to 192.0.2.1:8080/tcp, and it arrives on an uplink of alpha.
No port of the client's was given: 49152 is assumed, from which it has no flow.
shop_vote publishes 8080/tcp, and 2 tasks of it take new connections.
It is the turn of shop_vote.1 (turn 12, place 1 of 2).
shop_vote.1 runs on this node: the packet is addressed to 172.18.0.3:80 and handed to docker_gwbridge.
");
    // Asked again, it is still the same turn.
    assert_eq!(agent.lbctl(&asked).out, agent.lbctl(&asked).out);
    agent.change(|swarm| {
        for turn in swarm.memory.turns.get_mut().values_mut() {
            *turn += 1;
        }
    });
    shows(
        &agent.lbctl(&["explain", "203.0.113.7:40000", "192.0.2.1:8080/tcp"]),
        0,
        "\
203.0.113.7:40000 sends a SYN to 192.0.2.1:8080/tcp, and it arrives on an uplink of alpha.
shop_vote publishes 8080/tcp, and 2 tasks of it take new connections.
It is the turn of shop_vote.2 (turn 13, place 2 of 2).
shop_vote.2 runs on beta: the packet goes there unchanged, through the tunnel to 192.0.2.2:6081.
",
    );
}

#[test]
fn what_no_task_would_get_is_a_problem() {
    let agent = serving();
    shows(
        &agent.lbctl(&["explain", "203.0.113.7:40000", "alpha:8088"]),
        1,
        "\
203.0.113.7:40000 sends a SYN to 192.0.2.1:8088/tcp, and it arrives on an uplink of alpha.
No service publishes 8088/tcp. What comes closest: 8080->80/tcp (shop_vote).
The packet is left to the kernel, unchanged.
",
    );
    shows(
        &agent.lbctl(&["explain", "203.0.113.7:40000", "beta:8080/udp"]),
        1,
        "\
203.0.113.7:40000 sends a datagram to 192.0.2.2:8080/udp, and it arrives on an uplink of alpha.
192.0.2.2 is the address of beta, not of this node: ask there.
The packet is left to the kernel, unchanged.
",
    );
}

#[test]
fn json_is_exactly_the_report() {
    let agent = serving();
    let told: Explanation = json(&agent, &["explain", "--json", "203.0.113.7", "alpha:8080"]);
    assert_eq!((told.rule, told.verdict), (Rule::RoundRobin, Verdict::Here));
    agent.change(|swarm| {
        let asked = (
            "203.0.113.7".parse().unwrap(),
            "alpha:8080".parse().unwrap(),
        );
        assert_eq!(told, swarm.explain(asked.0, asked.1).unwrap());
    });
    let ran = agent.lbctl(&["explain", "--json", "203.0.113.7", "alpha:8088"]);
    assert_eq!(ran.code, Some(1));
    for field in [
        "\"rule\": \"not-published\"",
        "\"verdict\": \"passed\"",
        "\"task\": null",
        "\"service\": \"shop_vote\"",
    ] {
        assert!(ran.out.contains(field), "{field} in\n{}", ran.out);
    }
}

#[test]
fn what_makes_no_sense_is_said_in_one_sentence() {
    let agent = serving();
    for (client, frontend, message) in [
        (
            "alpha",
            "alpha:8080",
            "alpha is no client: give its IPv4 address, and its port if you know it, as in 203.0.113.7 or 203.0.113.7:40000",
        ),
        (
            "203.0.113.7",
            "8080",
            "8080 is no published port of a node: give address or host name and port, as in 192.0.2.1:8080 or alpha:8080/udp",
        ),
        (
            "203.0.113.7",
            "alpha:8080/sctp",
            "sctp is not served: end with /tcp or /udp, or with neither for TCP",
        ),
    ] {
        let ran = agent.lbctl(&["explain", client, frontend]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
        assert!(ran.err.contains(message), "{}", ran.err);
    }
    // Only the agent knows the names of nodes.
    let ran = agent.lbctl(&["explain", "203.0.113.7", "delta:8080"]);
    let message = "lbctl: no node of the Swarm with a known address is called delta: there are alpha, beta, gamma\n";
    assert_eq!(
        (ran.code, ran.out.as_str(), ran.err.as_str()),
        (Some(2), "", message)
    );
}
