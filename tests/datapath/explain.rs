//! Answers of `lbctl explain`, `flows` and `drops`, against what a node's programs
//! then do with the packet that was asked about.

use agent::kernel::StatsReader as _;
use std::collections::BTreeMap;
use std::net::SocketAddrV4;

use lb_abi::counters::Reason;
use lb_abi::flow::{Flow, Tuple};
use lb_abi::service::Port;
use lb_abi::{Be16, TCP, UDP};
use lb_core::explain::{ClientQuery, Question, explain};
use lb_core::model::node::Node;
use lb_core::model::snapshot::{Proto, Snapshot};
use lb_core::report::build::{self, FlowFilter};
use lb_core::report::{Explanation, FlowState, Rule, Verdict};
use lb_datapath::Verdict as ProgramVerdict;
use lb_datapath::verdict::Outcome;

use crate::frames::{at, client, tcp, udp};
use crate::lab::{Lab, lab, node};
use crate::pair::{Pair, pairs};
use crate::states::{TUNNEL, address_of, here, key, publish, remove, there};
use crate::world::{BridgeTc, UplinkTc, World};

/// Tasks 1 and 3 here, 2 and 4 on node 2; behind 8080/tcp and 5353/udp.
fn serving(lab: &Lab) -> World {
    let mut world = World::new(lab, 1);
    let tasks = [here(1), there(2, node(2)), here(3), there(4, node(2))];
    world.change(|state| {
        publish(state, TCP, 8080, 80, &tasks);
        publish(state, UDP, 5353, 53, &tasks);
        publish(state, TCP, 8081, 80, &[]);
    });
    world
}

/// All that packets can change.
fn traces(world: &World) -> (BTreeMap<Port, u64>, BTreeMap<Tuple, Flow>, usize, usize) {
    let kernel = world.kernel();
    (
        kernel.turns().unwrap(),
        kernel.flows().unwrap(),
        kernel.replies().unwrap().len(),
        kernel.callers().unwrap().len(),
    )
}

/// The Swarm's names do not matter here: the one that is asked knows none.
#[track_caller]
fn ask(world: &World, from: SocketAddrV4, to: SocketAddrV4, proto: Proto) -> Explanation {
    let question = Question {
        client: ClientQuery {
            address: *from.ip(),
            port: Some(from.port()),
        },
        frontend: to,
        proto,
    };
    let before = traces(world);
    let stats = world.kernel().stats_reader().unwrap();
    let memory = stats
        .map_snapshot(*from.ip(), &question.port())
        .unwrap()
        .unwrap();
    let told = explain(&Snapshot::default(), &Node::default(), &memory, &question);
    assert_eq!(traces(world), before, "asking leaves no trace");
    told
}

/// Asks, then sends; the explanation is right about task, way and destination.
#[track_caller]
fn right(world: &mut World, from: SocketAddrV4, to: SocketAddrV4, proto: Proto) -> Explanation {
    let told = ask(world, from, to, proto);
    let frame = match proto {
        Proto::Udp => udp(from, to).payload(b"").frame(),
        _ => tcp(from, to, "S").frame(),
    };
    let (verdict, after) = world.send(UplinkTc, &frame);
    let expected = match verdict.outcome() {
        Outcome::Pass => Verdict::Passed,
        Outcome::Drop(_) | Outcome::TooBig(_) => Verdict::Dropped,
        Outcome::Uplink => Verdict::Elsewhere,
        Outcome::Bridge | Outcome::Container(_) => Verdict::Here,
    };
    assert_eq!(told.verdict, expected, "{told:#?}");
    if let Outcome::Drop(reason) = verdict.outcome() {
        assert_eq!(told.reason, Some(build::reason_name(reason)));
    }
    let sent = matches!(expected, Verdict::Here | Verdict::Elsewhere);
    assert_eq!(told.to, sent.then(|| bears(&after)), "{told:#?}");
    if sent {
        let named = format!("(key {:016x})", world.tasks()[&from.port()]);
        let last = told.sentences.last().unwrap();
        assert!(last.contains(&named), "{named}: {told:#?}");
    }
    told
}

/// The outermost destination of a frame without IPv4 options.
fn bears(frame: &[u8]) -> SocketAddrV4 {
    let address = <[u8; 4]>::try_from(&frame[30..34]).unwrap();
    let port = <[u8; 2]>::try_from(&frame[36..38]).unwrap();
    at(address.into(), u16::from_be_bytes(port))
}

#[test]
fn an_explanation_is_what_then_happens_and_changes_nothing() {
    lab(|lab| {
        let mut world = serving(lab);
        for (proto, port) in [(Proto::Tcp, 8080), (Proto::Udp, 5353)] {
            let to = at(node(1), port);
            for turn in 0..8 {
                let from = client(1_000 + port + turn);
                let told = right(&mut world, from, to, proto);
                assert_eq!(
                    (told.rule, told.rr_counter),
                    (Rule::RoundRobin, Some(turn.into()))
                );
                let on_node_2 = turn % 2 == 1;
                let expected = match (on_node_2, turn % 4, proto) {
                    (true, ..) => at(node(2), TUNNEL),
                    (_, 0, Proto::Udp) => at(address_of(1), 53),
                    (_, 0, _) => at(address_of(1), 80),
                    (_, _, Proto::Udp) => at(address_of(3), 53),
                    _ => at(address_of(3), 80),
                };
                assert_eq!(told.to, Some(expected));
                // The same again is the same flow, which takes no turn.
                let again = right(&mut world, from, to, proto);
                assert_eq!((again.rule, again.rr_counter), (Rule::KnownFlow, None));
                assert_eq!(again.to, told.to);
            }
        }
    });
}

#[test]
fn what_reaches_no_task_is_explained_as_it_happens() {
    lab(|lab| {
        let mut world = serving(lab);
        let from = client(40_000);
        for (to, rule) in [
            (at(node(1), 8082), Rule::NotPublished),
            // Who is asked knows of no service that publishes it.
            (at(node(1), 8081), Rule::Withdrawn),
            (at(node(2), 8080), Rule::NotOurAddress),
        ] {
            let told = right(&mut world, from, to, Proto::Tcp);
            assert_eq!((told.rule, told.verdict), (rule, Verdict::Passed));
        }
        assert_eq!(
            ask(&world, from, at(node(1), 5353), Proto::Tcp).rule,
            Rule::NotPublished
        );
        let unknown = World::blank(lab, 1);
        let told = ask(&unknown, from, at(node(1), 8080), Proto::Tcp);
        assert_eq!((told.rule, told.verdict), (Rule::NotReady, Verdict::Passed));
    });
}

#[test]
fn an_explanation_follows_the_life_of_a_flow() {
    lab(|lab| {
        let mut world = serving(lab);
        let (from, to) = (client(40_000), at(node(1), 8080));
        let task = at(address_of(1), 80);
        let state = |world: &World| ask(world, from, to, Proto::Tcp).flow;
        right(&mut world, from, to, Proto::Tcp);
        assert_eq!(state(&world), Some(FlowState::Opening));
        world.send(BridgeTc, &tcp(task, from, "SA").frame());
        assert_eq!(state(&world), Some(FlowState::Open));
        world.send(UplinkTc, &tcp(from, to, "FA").frame());
        assert_eq!(state(&world), Some(FlowState::Closing));
        world.send(BridgeTc, &tcp(task, from, "FA").frame());
        let told = right(&mut world, from, to, Proto::Tcp);
        assert_eq!(told.flow, Some(FlowState::Closed));
        assert_eq!((told.rule, told.rr_counter), (Rule::RoundRobin, Some(1)));
        // Its task goes away: the next SYN is a new flow.
        world.change(|state| remove(state, there(2, node(2))));
        let told = ask(&world, from, to, Proto::Tcp);
        assert_eq!((told.rule, told.rr_counter), (Rule::RoundRobin, Some(2)));
    });
}

#[test]
fn flows_and_drops_are_told_as_the_maps_hold_them() {
    lab(|lab| {
        pairs(lab, |mut pair: Pair| {
            let asked = FlowFilter {
                service: None,
                limit: 10,
            };
            let flows = |world: &World| {
                let table = world.kernel().stats_reader().unwrap().flows().unwrap();
                build::flows(&Snapshot::default(), &Node::default(), &table, &asked).flows
            };
            assert_eq!(flows(&pair.ingress), []);
            let (from, to) = (client(40_000), at(node(1), 8080));
            pair.deliver(&tcp(from, to, "S").frame());
            let told = flows(&pair.ingress);
            assert_eq!((told[0].client, told[0].frontend), (from, to));
            assert_eq!(
                (told[0].state, told[0].through.as_deref()),
                (FlowState::Opening, None)
            );
            assert!(told.len() == 1 && told[0].idle_s < 60, "{}", told[0].idle_s);
            let told = flows(&pair.home);
            let ingress = node(1).to_string();
            assert_eq!(
                (told[0].client, told[0].state, told[0].through.as_ref()),
                (from, FlowState::Open, Some(&ingress))
            );

            // The ingress node sends on what the task's node no longer knows.
            pair.home.change(|state| {
                publish(state, TCP, 8080, 80, &[]);
                publish(state, UDP, 5353, 53, &[]);
                remove(state, here(1));
            });
            let lost = pair.enter(&tcp(from, to, "A").frame());
            let (verdict, _) = pair.home.send(UplinkTc, &lost);
            assert_eq!(verdict, ProgramVerdict::Drop(Reason::UnknownTask));
            let drops = pair.home.kernel().stats_reader().unwrap().drops().unwrap();
            assert_eq!(drops, pair.home.kernel().drops().unwrap());
            let told = build::drops(&drops).drops;
            let counted: Vec<_> = told.iter().filter(|drop| drop.packets > 0).collect();
            assert_eq!(counted.len(), 1);
            assert_eq!(
                (counted[0].reason.as_str(), counted[0].packets),
                ("unknown-task", 1)
            );
        });
    });
}

#[test]
fn a_copy_has_what_concerns_the_client_and_its_port() {
    lab(|lab| {
        let mut world = serving(lab);
        let to = at(node(1), 8080);
        for last in [7, 8] {
            let from = at([203, 0, 113, last].into(), 40_000);
            world.send(UplinkTc, &tcp(from, to, "S").frame());
        }
        let stats = world.kernel().stats_reader().unwrap();
        let port = Port::new(Be16::new(8080), TCP);
        let copy = stats.map_snapshot(*client(1).ip(), &port).unwrap().unwrap();
        let whole = world.tables();
        assert_eq!(
            (copy.settings, &copy.frontends, &copy.turns),
            (whole.settings, &whole.frontends, &whole.turns)
        );
        assert_eq!(
            (&copy.backends, &copy.addresses),
            (&whole.backends, &whole.addresses)
        );
        let none = lb_abi::tunnel::TokenKeys::default();
        let peers = whole.peers.keys().map(|peer| (*peer, none)).collect();
        assert_eq!(copy.peers, peers, "who they are, but no keys");
        let slots: Vec<u64> = copy.slots.values().copied().collect();
        assert_eq!(slots, [1, 2, 3, 4].map(key));
        let flows = copy.flows.borrow();
        assert_eq!(flows.len(), 1);
        assert!(flows.values().all(|flow| flow.task == key(1)));
        assert_eq!(copy.replies.borrow().len(), 1);
    });
}
