mod closed;
mod fixtures;
mod policies;

use crate::model::snapshot::Proto;
use crate::report::{Explanation, FlowState, Rule, Verdict};
use fixtures::{ask, be, flow, memory};
use lb_abi::counters::Reason;
use lb_abi::flow::{ANSWERED, FIN_IN, FIN_OUT};
use lb_abi::service::{Port, Slot};
use lb_abi::{Be16, Be32, TCP};
use lb_datapath::model::Memory;

/// Everything but the sentences that begin and end every explanation alike.
#[track_caller]
fn says(told: &Explanation, sentences: &[&str]) {
    assert_eq!(told.sentences[1..], *sentences, "{:#?}", told.sentences);
}

#[test]
fn a_new_flow_takes_the_turn_and_goes_through_the_tunnel() {
    let told = ask(&memory(), "203.0.113.7", "alpha:8080");
    assert_eq!(
        told,
        Explanation {
            client: "203.0.113.7:49152".parse().unwrap(),
            client_port_assumed: true,
            frontend: "192.0.2.1:8080".parse().unwrap(),
            proto: Proto::Tcp,
            rule: Rule::RoundRobin,
            verdict: Verdict::Elsewhere,
            reason: None,
            flow: None,
            rr_counter: Some(7),
            ready: Some(2),
            service: Some("vote".into()),
            task: Some("vote.2".into()),
            node: Some("beta".into()),
            to: Some("192.0.2.2:6081".parse().unwrap()),
            suggestions: Vec::new(),
            sentences: [
                "203.0.113.7:49152 sends a SYN to 192.0.2.1:8080/tcp, and it arrives on an uplink of alpha.",
                "No port of the client's was given: 49152 is assumed, from which it has no flow.",
                "vote publishes 8080/tcp, and 2 tasks of it take new connections.",
                "It is the turn of vote.2 (turn 7, place 2 of 2).",
                "vote.2 runs on beta: the packet goes there unchanged, through the tunnel to 192.0.2.2:6081.",
            ]
            .map(str::to_owned)
            .to_vec(),
        }
    );
}

#[test]
fn a_task_here_gets_it_on_its_own_address() {
    let mut memory = memory();
    for turn in memory.turns.get_mut().values_mut() {
        *turn += 1;
    }
    let told = ask(&memory, "203.0.113.7:5", "192.0.2.1:9000/udp");
    assert_eq!((told.rule, told.verdict), (Rule::RoundRobin, Verdict::Here));
    assert_eq!(told.to, Some("172.18.0.3:80".parse().unwrap()));
    assert!(!told.client_port_assumed);
    says(
        &told,
        &[
            "vote publishes 9000/udp, and 2 tasks of it take new connections.",
            "It is the turn of vote.1 (turn 8, place 1 of 2).",
            "vote.1 runs on this node: the packet is addressed to 172.18.0.3:80 and handed to docker_gwbridge.",
        ],
    );
}

#[test]
fn a_known_flow_keeps_its_task() {
    let mut memory = memory();
    flow(&mut memory, 40_000, "t9", ANSWERED, Be32::new(0));
    flow(&mut memory, 49_152, "t9", ANSWERED, Be32::new(0));
    let told = ask(&memory, "203.0.113.7:40000", "192.0.2.1:8080");
    assert_eq!((told.rule, told.rr_counter), (Rule::KnownFlow, None));
    assert_eq!(told.flow, Some(FlowState::Open));
    says(
        &told,
        &[
            "The client has a flow here, which is open: it belongs to vote.1.",
            "vote.1 runs on this node: the packet is addressed to 172.18.0.3:80 and handed to docker_gwbridge.",
        ],
    );
    // A port that is assumed is one without a flow.
    let told = ask(&memory, "203.0.113.7", "192.0.2.1:8080");
    assert_eq!((told.client.port(), told.flow), (49_153, None));
}

#[test]
fn a_flow_out_of_the_tunnel_says_where_it_came_from() {
    let mut memory = memory();
    // Where a client comes to this node itself, its SYN begins anew.
    flow(&mut memory, 40_000, "t9", 0, be(2));
    let told = ask(&memory, "203.0.113.7:40000", "192.0.2.1:8080");
    assert_eq!(told.rule, Rule::RoundRobin);
    memory.addresses.clear();
    let told = ask(&memory, "203.0.113.7:40000", "192.0.2.1:8080");
    assert_eq!((told.rule, told.verdict), (Rule::KnownFlow, Verdict::Here));
    assert_eq!(
        told.sentences[2],
        "It came here through the tunnel, from beta."
    );
    flow(&mut memory, 40_000, "t7", 0, be(2));
    let told = ask(&memory, "203.0.113.7:40000", "192.0.2.1:8080");
    assert_eq!(
        (told.rule, told.verdict),
        (Rule::KnownFlow, Verdict::Dropped)
    );
    assert_eq!(told.reason.as_deref(), Some("unknown-task"));
    let dropped = format!(
        "The packet is dropped: {} (unknown-task).",
        Reason::UnknownTask.sentence()
    );
    assert_eq!(told.sentences.last(), Some(&dropped));
}

#[test]
fn a_closed_flow_or_one_without_its_task_is_followed_by_a_new_one() {
    let mut memory = memory();
    flow(&mut memory, 1, "t9", FIN_IN | FIN_OUT, Be32::new(0));
    flow(&mut memory, 2, "t1", ANSWERED, Be32::new(0));
    let told = ask(&memory, "203.0.113.7:1", "192.0.2.1:8080");
    assert_eq!(
        (told.rule, told.flow, told.rr_counter),
        (Rule::RoundRobin, Some(FlowState::Closed), Some(7))
    );
    assert_eq!(
        told.sentences[1],
        "The client's flow with vote.1 is closed, so this opens a new one."
    );
    let told = ask(&memory, "203.0.113.7:2", "192.0.2.1:8080");
    assert_eq!(
        told.sentences[1],
        "The client's flow with probe.beta has lost its task, so this opens a new one."
    );
}

#[test]
fn what_reaches_no_task_is_told_with_its_reason() {
    let passed = |memory: &Memory, frontend: &str, rule| {
        let told = ask(memory, "203.0.113.7:5", frontend);
        assert_eq!(
            (told.rule, told.verdict),
            (rule, Verdict::Passed),
            "{frontend}"
        );
        assert_eq!((&told.task, told.to), (&None, None));
        assert!(
            told.sentences
                .last()
                .unwrap()
                .contains("left to the kernel")
        );
        told.sentences[1].clone()
    };
    let mut memory = memory();
    assert_eq!(
        passed(&memory, "beta:8080", Rule::NotOurAddress),
        "192.0.2.2 is the address of beta, not of this node: ask there."
    );
    assert_eq!(
        passed(&memory, "198.51.100.9:8080", Rule::NotOurAddress),
        "198.51.100.9 is no address on which this node answers: that is 192.0.2.1."
    );
    assert_eq!(
        passed(&memory, "alpha:9100", Rule::NotPublished),
        "probe publishes 9100/tcp, but this node does not have it yet (see: lbctl check)."
    );
    for frontend in memory.frontends.values_mut() {
        frontend.count = 0;
    }
    assert_eq!(
        passed(&memory, "alpha:8080", Rule::NoReadyTask),
        "vote publishes 8080/tcp, and no task of it takes new connections."
    );
    // A service had this port, which none publishes by now.
    let [published, had] = [8080, 8088].map(|number| Port::new(Be16::new(number), TCP));
    let kept = memory.frontends[&published];
    memory.frontends.insert(had, kept);
    assert_eq!(
        passed(&memory, "alpha:8088", Rule::Withdrawn),
        "vote published 8088/tcp and does not any more: connections that it had go on, and new ones are the host's."
    );
    memory.settings = None;
    passed(&memory, "alpha:8080", Rule::NotReady);
}

#[test]
fn what_fails_is_not_given_a_task() {
    let mut memory = memory();
    memory.slots.clear();
    let told = ask(&memory, "203.0.113.7:5", "alpha:8080");
    assert_eq!(
        (told.rule, told.verdict),
        (Rule::RoundRobin, Verdict::Dropped)
    );
    assert_eq!((told.reason.as_deref(), told.task), (Some("no-slot"), None));
    memory = fixtures::memory();
    memory.turns.get_mut().clear();
    let told = ask(&memory, "203.0.113.7:5", "alpha:8080");
    assert_eq!(
        (told.rule, told.verdict),
        (Rule::RoundRobin, Verdict::Dropped)
    );
    // Without a bridge, a task here is out of reach; one elsewhere is not.
    memory = fixtures::memory();
    memory.settings.as_mut().unwrap().bridge = 0;
    let port = Port::new(Be16::new(8080), TCP);
    memory.turns.get_mut().insert(port, 8);
    let told = ask(&memory, "203.0.113.7:5", "alpha:8080");
    assert_eq!(
        (told.verdict, told.task.as_deref()),
        (Verdict::Passed, Some("vote.1"))
    );
    flow(&mut memory, 5, "t9", ANSWERED, Be32::new(0));
    let told = ask(&memory, "203.0.113.7:5", "alpha:8080");
    assert_eq!(
        (told.rule, told.verdict),
        (Rule::KnownFlow, Verdict::Passed)
    );
}

#[test]
fn the_port_that_was_meant_is_named() {
    let close = |frontend: &str| ask(&memory(), "203.0.113.7:5", frontend).sentences[1].clone();
    // The other protocol, the port in the container, a slip, and nothing close at all.
    for (frontend, published) in [
        (
            "alpha:9000",
            "No service publishes 9000/tcp. What comes closest: 9000->80/udp (vote), 9100->80/tcp (probe).",
        ),
        (
            "alpha:80",
            "No service publishes 80/tcp. What comes closest: 8080->80/tcp (vote), 9100->80/tcp (probe).",
        ),
        (
            "alpha:8008",
            "No service publishes 8008/tcp. What comes closest: 8080->80/tcp (vote).",
        ),
        (
            "alpha:1",
            "No service publishes 1/tcp. What comes closest: 8080->80/tcp (vote), 9000->80/udp (vote), 9100->80/tcp (probe).",
        ),
    ] {
        assert_eq!(close(frontend), published);
    }
}

#[test]
fn a_call_of_the_node_itself_is_another_matter() {
    for client in ["127.0.0.1:5", "192.0.2.1:5"] {
        let told = ask(&memory(), client, "alpha:8080");
        assert!(told.sentences[1].ends_with("does not arrive on an uplink."));
    }
}

#[test]
fn tasks_that_take_connections_are_those_of_the_ports_own_table() {
    let mut memory = memory();
    // Tables of others, and one that is to go.
    for (table, task) in [(3, 77), (5, 78)] {
        memory.slots.insert(Slot { table, index: 0 }, task);
    }
    let told = ask(&memory, "203.0.113.7", "alpha:8080");
    assert_eq!(told.ready, Some(2));
}
