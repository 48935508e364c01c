use super::*;
use crate::ids::{Key, TaskId};
use crate::node::Node;
use crate::report::{Explanation, Fate, FlowState, Rule};
use crate::snapshot::Proto;
use crate::tell::tests::{swarm, this};
use lb_abi::counters::Reason;
use lb_abi::flow::{ANSWERED, FIN_IN, FIN_OUT, Flow, Tuple};
use lb_abi::service::{Backend, Frontend, LOCAL, Port, REMOTE, Slot};
use lb_abi::settings::Settings;
use lb_abi::{Be16, Be32, TCP, UDP};
use lb_datapath::model::Memory;
use std::net::Ipv4Addr;
use zerocopy::FromZeros;

fn be(last: u8) -> Be32 {
    Be32::new(Ipv4Addr::new(192, 0, 2, last).into())
}

fn key(task: &str) -> u64 {
    Key::from(&TaskId::from(task)).0
}

/// On node alpha: vote's first task is here, its second on beta; the turn is at 7.
fn memory() -> Memory {
    let mut settings = Settings::new_zeroed();
    settings.node = be(1);
    settings.tunnel_port = Be16::new(6081);
    settings.mac = [2, 0, 0, 0, 0, 9];
    (settings.uplink, settings.mtu, settings.bridge) = (2, 1500, 3);
    let mut memory = Memory {
        settings: Some(settings),
        addresses: [be(1).get()].into(),
        peers: [be(2).get()].into(),
        now: 1_000,
        ..Memory::default()
    };
    for (number, proto) in [(8080, TCP), (9000, UDP)] {
        let port = Port::new(Be16::new(number), proto);
        memory.frontends.insert(
            port,
            Frontend {
                target: Be16::new(80),
                zero: 0,
                count: 2,
                table: 4,
            },
        );
        memory.turns.get_mut().insert(port, 7);
        for (index, task) in (0..).zip(["t9", "t7"]) {
            let slot = Slot {
                port,
                table: 4,
                index,
            };
            memory.slots.insert(slot, key(task));
        }
    }
    let here = Ipv4Addr::new(172, 18, 0, 3);
    for (task, address, place) in [("t9", Be32::new(here.into()), LOCAL), ("t7", be(2), REMOTE)] {
        let backend = Backend {
            address,
            place,
            service: Key::of("a").0,
        };
        memory.backends.insert(key(task), backend);
    }
    memory
}

/// From 203.0.113.7:`port` to 192.0.2.1:8080/tcp.
fn flow(memory: &mut Memory, port: u16, task: &str, state: u32, peer: Be32) {
    let tuple = Tuple {
        source: Be32::new(Ipv4Addr::new(203, 0, 113, 7).into()),
        destination: be(1),
        source_port: Be16::new(port),
        destination_port: Be16::new(8080),
        proto: TCP,
        zero: [0; 3],
    };
    let flow = Flow {
        state,
        seen: 990,
        ..Flow::new(key(task), peer)
    };
    memory.flows.get_mut().insert(tuple, flow);
}

fn ask(memory: &Memory, client: &str, frontend: &str) -> Explanation {
    let this = Node {
        address: Some(Ipv4Addr::new(192, 0, 2, 1)),
        ..this()
    };
    let before = memory.clone();
    let frontend: FrontendAsked = frontend.parse().unwrap();
    let question = frontend
        .resolve(client.parse().unwrap(), &swarm(), &this)
        .unwrap();
    let told = explain(&swarm(), &this, memory, &question);
    assert_eq!(*memory, before, "an explanation changes nothing");
    told
}

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
            rule: Rule::NextInTurn,
            fate: Fate::Elsewhere,
            reason: None,
            flow: None,
            turn: Some(7),
            ready: Some(2),
            service: Some("vote".into()),
            task: Some("vote.2".into()),
            node: Some("beta".into()),
            to: Some("192.0.2.2:6081".parse().unwrap()),
            close: Vec::new(),
            sentences: [
                "203.0.113.7:49152 sends a SYN to 192.0.2.1:8080/tcp, and it arrives on the uplink of alpha.",
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
    assert_eq!((told.rule, told.fate), (Rule::NextInTurn, Fate::Here));
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
    assert_eq!((told.rule, told.turn), (Rule::KnownFlow, None));
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
    flow(&mut memory, 40_000, "t9", 0, be(2));
    let told = ask(&memory, "203.0.113.7:40000", "192.0.2.1:8080");
    assert_eq!((told.rule, told.fate), (Rule::KnownFlow, Fate::Here));
    assert_eq!(
        told.sentences[2],
        "It came here through the tunnel, from beta."
    );
    flow(&mut memory, 40_000, "t7", 0, be(2));
    let told = ask(&memory, "203.0.113.7:40000", "192.0.2.1:8080");
    assert_eq!((told.rule, told.fate), (Rule::KnownFlow, Fate::Dropped));
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
        (told.rule, told.flow, told.turn),
        (Rule::NextInTurn, Some(FlowState::Closed), Some(7))
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
        assert_eq!((told.rule, told.fate), (rule, Fate::Passed), "{frontend}");
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
    memory.settings = None;
    passed(&memory, "alpha:8080", Rule::NotReady);
}

#[test]
fn what_fails_is_not_given_a_task() {
    let mut memory = memory();
    memory.slots.clear();
    let told = ask(&memory, "203.0.113.7:5", "alpha:8080");
    assert_eq!((told.rule, told.fate), (Rule::NextInTurn, Fate::Dropped));
    assert_eq!((told.reason.as_deref(), told.task), (Some("no-slot"), None));
    memory = self::memory();
    memory.turns.get_mut().clear();
    let told = ask(&memory, "203.0.113.7:5", "alpha:8080");
    assert_eq!((told.rule, told.fate), (Rule::NextInTurn, Fate::Dropped));
    // Without a bridge, a task here is out of reach; one elsewhere is not.
    memory = self::memory();
    memory.settings.as_mut().unwrap().bridge = 0;
    let port = Port::new(Be16::new(8080), TCP);
    memory.turns.get_mut().insert(port, 8);
    let told = ask(&memory, "203.0.113.7:5", "alpha:8080");
    assert_eq!(
        (told.fate, told.task.as_deref()),
        (Fate::Passed, Some("vote.1"))
    );
    flow(&mut memory, 5, "t9", ANSWERED, Be32::new(0));
    let told = ask(&memory, "203.0.113.7:5", "alpha:8080");
    assert_eq!((told.rule, told.fate), (Rule::KnownFlow, Fate::Passed));
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
        assert!(told.sentences[1].ends_with("does not arrive on the uplink."));
    }
}

#[test]
fn questions_that_make_no_sense_get_one_sentence() {
    let client = |text: &str| text.parse::<ClientAsked>().unwrap_err().to_string();
    assert!(client("").starts_with(" is no client: give its IPv4 address"));
    assert!(client("beta").starts_with("beta is no client"));
    assert!(client("203.0.113.7:0").starts_with("0 is no port"));
    assert!(client("203.0.113.7:70000").starts_with("70000 is no port"));
    assert!(client("[2001:db8::1]:80").contains("IPv6 address, which is not served"));
    assert!(client("2001:db8::1").contains("IPv6 address, which is not served"));
    let frontend = |text: &str| text.parse::<FrontendAsked>().unwrap_err().to_string();
    for text in ["8080", "192.0.2.1", ":8080", "192.0.2:8080", "a:b:80", ""] {
        assert!(
            frontend(text).contains("no published port of a node"),
            "{text}"
        );
    }
    assert!(frontend("alpha:http").starts_with("http is no port"));
    assert!(frontend("alpha:80/sctp").starts_with("sctp is not served"));
    assert!(frontend("[::1]:80").contains("IPv6 address"));
    let asked: FrontendAsked = "gamma:80".parse().unwrap();
    let client: ClientAsked = "203.0.113.7".parse().unwrap();
    assert_eq!(
        asked
            .resolve(client, &swarm(), &this())
            .unwrap_err()
            .to_string(),
        "no node of the Swarm with a known address is called gamma: there are alpha, beta"
    );
}

#[test]
fn a_question_is_said_again_as_it_was_understood() {
    for text in ["203.0.113.7", "203.0.113.7:40000"] {
        assert_eq!(text.parse::<ClientAsked>().unwrap().to_string(), text);
    }
    for text in ["alpha:8080/udp", "192.0.2.1:53/tcp"] {
        assert_eq!(text.parse::<FrontendAsked>().unwrap().to_string(), text);
    }
}
