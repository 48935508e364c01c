//! What decides about a new connection where it is not the turn alone, and what keeps one from being opened.

use super::*;
use crate::model::ids::Key;
use lb_abi::UDP;
use lb_abi::flow::{Tuple, UNDER_NODE};
use lb_abi::service::{
    AffinityKey, AffinityValue, Frontend, OnLink, RESTRICTED, SCHED_LC, SCHED_MAGLEV, SCHED_SH,
    Source,
};
use lb_datapath::own_flows::AWAITED;

fn port() -> Port {
    Port::new(Be16::new(8080), TCP)
}

/// The node, with all ports changed.
fn with(change: impl Fn(&mut Frontend)) -> Memory {
    let mut memory = memory();
    memory.frontends.values_mut().for_each(change);
    memory
}

#[test]
fn a_client_that_was_with_a_task_stays_with_it_and_others_take_their_turn() {
    let mut memory = with(|frontend| frontend.affinity_ticks = 10);
    let client = AffinityKey::new(Key::of("a").0, Be32::from_bytes([203, 0, 113, 7]));
    let kept = AffinityValue {
        task: Key::of("t9").0,
        since: 995,
        zero: 0,
    };
    memory.kept.get_mut().insert(client, kept);
    let told = ask(&memory, "203.0.113.7:5", "alpha:8080");
    assert_eq!((told.rule, told.rr_counter), (Rule::Kept, None));
    says(
        &told,
        &[
            "vote publishes 8080/tcp, and 2 tasks of it take new connections.",
            "The client was with vote.1 and stays with it (swarmlb.affinity).",
            "vote.1 runs on this node: the packet is addressed to 172.18.0.3:80 and handed to docker_gwbridge.",
        ],
    );
    let told = ask(&memory, "203.0.113.8:5", "alpha:8080");
    assert_eq!((told.rule, told.rr_counter), (Rule::RoundRobin, Some(7)));
    // So it is at the service's other port, over UDP.
    let told = ask(&memory, "203.0.113.7:5", "alpha:9000/udp");
    assert_eq!((told.rule, told.rr_counter), (Rule::Kept, None));
}

#[test]
fn the_less_loaded_of_two_tasks_is_named() {
    let mut memory = with(|frontend| frontend.scheduler = SCHED_LC);
    // It is the turn of the second one, which is busier.
    let loads = [("t7", 5), ("t9", 0)].map(|(task, load)| (Key::of(task).0, load));
    *memory.loads.get_mut() = loads.into();
    let told = ask(&memory, "203.0.113.7:5", "alpha:8080");
    assert_eq!((told.rule, told.rr_counter), (Rule::FewestFlows, Some(7)));
    assert_eq!(
        told.sentences[2],
        "Of two tasks, vote.1 has fewer connections through this node, or as many and the turn."
    );
}

#[test]
fn by_hash_it_is_said_of_what() {
    for (scheduler, what) in [(SCHED_SH, "address"), (SCHED_MAGLEV, "address and port")] {
        let memory = with(|frontend| frontend.scheduler = scheduler);
        let told = ask(&memory, "203.0.113.7:5", "alpha:8080");
        assert_eq!((told.rule, told.rr_counter), (Rule::ByHash, None));
        let task = told.task.unwrap();
        assert_eq!(
            told.sentences[2],
            format!("By the hash of the client's {what} it goes to {task}, on every node.")
        );
    }
}

#[test]
fn who_may_not_call_is_told_why() {
    let mut memory = with(|frontend| frontend.flags = RESTRICTED);
    let told = ask(&memory, "203.0.113.7:5", "alpha:8080");
    assert_eq!(
        (told.rule, told.verdict),
        (Rule::NotAllowed, Verdict::Dropped)
    );
    assert_eq!(
        (told.reason.as_deref(), told.task),
        (Some("not-allowed"), None)
    );
    assert_eq!(
        told.sentences[1],
        "vote publishes 8080/tcp to some networks only, by its label swarmlb.allow."
    );
    let source = Source {
        port: port(),
        address: Be32::from_bytes([203, 0, 113, 0]),
    };
    memory.allowed.insert((source, 24));
    let told = ask(&memory, "203.0.113.7:5", "alpha:8080");
    assert_eq!(told.rule, Rule::RoundRobin);
}

#[test]
fn while_the_agent_is_not_heard_of_new_connections_are_the_kernels_and_others_go_on() {
    let mut memory = memory();
    memory.expired = true;
    let told = ask(&memory, "203.0.113.7:5", "alpha:8080");
    assert_eq!((told.rule, told.verdict), (Rule::NoLease, Verdict::Passed));
    assert_eq!((told.task, told.to), (None, None));
    flow(&mut memory, 5, "t9", ANSWERED, Be32::new(0));
    let told = ask(&memory, "203.0.113.7:5", "alpha:8080");
    assert_eq!((told.rule, told.verdict), (Rule::KnownFlow, Verdict::Here));
}

#[test]
fn what_answers_a_datagram_of_the_node_itself_is_the_kernels() {
    let mut memory = memory();
    let answer = Tuple {
        source: Be32::from_bytes([203, 0, 113, 7]),
        destination: be(1),
        source_port: Be16::new(53),
        destination_port: Be16::new(9000),
        proto: UDP,
        zero: [0; 3],
    };
    memory.own_flows.get_mut().insert(answer, memory.now);
    let asked = |memory: &Memory, client| {
        let told = ask(memory, client, "192.0.2.1:9000/udp");
        (told.rule, told.verdict, told.task.is_some())
    };
    let own = (Rule::Answer, Verdict::Passed, false);
    assert_eq!(asked(&memory, "203.0.113.7:53"), own);
    let told = ask(&memory, "203.0.113.7:53", "192.0.2.1:9000/udp");
    assert_eq!(
        told.sentences[1],
        "This node itself, or a container on it, sent a datagram from port 9000 to there, and this answers it."
    );
    // From another port it is a client's, and so it is when the node has not sent for long.
    assert_eq!(asked(&memory, "203.0.113.7:54").0, Rule::RoundRobin);
    memory.now += AWAITED;
    assert_eq!(asked(&memory, "203.0.113.7:53").0, Rule::RoundRobin);
}

#[test]
fn whom_a_task_sees_in_the_clients_place_is_told() {
    let mut memory = memory();
    let network = OnLink::new(Key::of("t9").0, Be32::from_bytes([203, 0, 113, 0]));
    memory.on_link.insert((network, 24), UNDER_NODE);
    for turn in memory.turns.get_mut().values_mut() {
        *turn += 1;
    }
    let last = |client| {
        let told = ask(&memory, client, "alpha:8080");
        assert_eq!(told.verdict, Verdict::Here);
        told.sentences.last().unwrap().clone()
    };
    let own = last("203.0.113.7:5");
    assert!(
        own.contains("vote.1 sees the client as 192.0.2.1:"),
        "{own}"
    );
    let other = last("203.0.114.7:5");
    assert!(other.ends_with("handed to docker_gwbridge."), "{other}");
}
