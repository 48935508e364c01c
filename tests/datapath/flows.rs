//! Packets that belong to one flow.

use lb_abi::counters::Reason;
use lb_abi::flow::Tuple;
use lb_abi::{Be16, Be32, TCP, UDP};
use lb_datapath::Verdict;

use crate::frames::{CLIENT, Flags, at, client, tcp, udp};
use crate::lab::{lab, node};
use crate::pair::Pair;
use crate::round_robin::{distinct, open, six, with};
use crate::states::{SECOND, Task, address_of, here, key, publish, there};
use crate::world::BridgeTc;

#[test]
fn a_syn_sent_again_is_not_a_new_connection() {
    lab(|lab| {
        let mut world = with(lab, |state| publish(state, TCP, 8080, 80, &six()));
        let syn = tcp(client(3000), at(node(1), 8080), "S").frame();
        let first = world.receive(&syn);
        assert_eq!(world.receive(&syn), first);
        assert_eq!(world.receive(&syn), first);
        assert_eq!(world.counted(1).new, 1);
        assert_eq!(
            open(&mut world, 3001..3002),
            [key(2)],
            "and it took no turn"
        );
    });
}

#[test]
fn a_syn_that_nobody_answers_gets_another_task_whose_answer_alone_reaches_the_client() {
    lab(|lab| {
        let mut world = with(lab, |state| {
            publish(state, TCP, 8080, 80, &[here(1), here(2)]);
        });
        let us = at(node(1), 8080);
        let syn = tcp(client(3000), us, "S").frame();
        world.receive(&syn);
        assert_eq!(world.task_of(3000, TCP), 1);
        world.pass(1);
        world.receive(&syn);
        assert_eq!(world.task_of(3000, TCP), 2);
        let answer = |n| tcp(at(address_of(n), 80), client(3000), "SA").frame();
        let late = Verdict::Drop(Reason::LateAnswer);
        assert_eq!(world.send(BridgeTc, &answer(1)).0, late);
        assert_eq!(world.send(BridgeTc, &answer(2)).0, Verdict::Uplink);
        assert_eq!(world.dropped(Reason::LateAnswer), 1);
        world.pass(1);
        world.receive(&syn);
        assert_eq!(world.task_of(3000, TCP), 2, "it has answered");
    });
}

#[test]
fn a_task_of_another_node_that_answers_too_late_is_not_heard() {
    lab(|lab| {
        let mut pair = Pair::new(lab, true);
        let state = |task: fn(u8) -> Task| [task(1), task(2)];
        pair.home
            .change(|home| publish(home, TCP, 8080, 80, &state(here)));
        pair.ingress
            .change(|ingress| publish(ingress, TCP, 8080, 80, &state(|n| there(n, node(2)))));
        let us = at(node(1), 8080);
        let syn = tcp(client(3000), us, "S").frame();
        pair.deliver(&syn);
        let first = pair.ingress.task_of(3000, TCP);
        // It leaves its node before the SYN that is sent again comes there.
        let answer = tcp(at(address_of(first), 80), client(3000), "SA").frame();
        let answer = pair.leave(&answer);
        pair.ingress.pass(1);
        pair.deliver(&syn);
        assert_ne!(pair.ingress.task_of(3000, TCP), first);
        let late = Verdict::Drop(Reason::LateAnswer);
        assert_eq!(pair.ingress.receive(&answer).0, late);
    });
}

#[test]
fn a_reused_port_is_a_new_connection_once_the_old_one_is_over() {
    // What client and task send after the handshake; does the next SYN get the next task?
    type Packets = &'static [(bool, Flags)];
    let cases: [(&str, Packets, bool); 7] = [
        ("nothing", &[], false),
        (
            "both finish",
            &[(true, "FA"), (false, "FA"), (true, "A")],
            true,
        ),
        (
            "the task finishes first",
            &[(false, "FA"), (true, "FA"), (false, "A")],
            true,
        ),
        (
            "only the client finishes",
            &[(true, "FA"), (false, "A")],
            false,
        ),
        (
            "only the task finishes",
            &[(false, "FA"), (true, "A")],
            false,
        ),
        ("the client resets", &[(true, "R")], true),
        ("the task resets", &[(false, "RA")], true),
    ];
    lab(|lab| {
        let mut world = with(lab, |state| {
            publish(state, TCP, 8080, 80, &[here(1), here(2)]);
        });
        for ((what, packets, moves), port) in cases.into_iter().zip(4000..) {
            let us = at(node(1), 8080);
            let before = open(&mut world, port..port + 1)[0];
            let n = if before == key(1) { 1 } else { 2 };
            let task = at(address_of(n), 80);
            for (from_client, flags) in [(false, "SA"), (true, "A")].iter().chain(packets) {
                let (verdict, _) = if *from_client {
                    world.receive(&tcp(client(port), us, flags).frame())
                } else {
                    world.send(BridgeTc, &tcp(task, client(port), flags).frame())
                };
                assert_ne!(verdict, Verdict::Pass, "{what}: {flags}");
            }
            let after = open(&mut world, port..port + 1)[0];
            assert_eq!(after != before, moves, "{what}");
            assert_eq!(
                open(&mut world, port..port + 1),
                [after],
                "{what}: its SYN sent again"
            );
        }
    });
}

#[test]
fn datagrams_of_one_client_port_are_one_flow() {
    lab(|lab| {
        let mut world = with(lab, |state| publish(state, UDP, 5353, 53, &six()));
        let mut tasks = Vec::new();
        for _ in 0..3 {
            for port in 5000..5006 {
                world.receive(&udp(client(port), at(node(1), 5353)).frame());
            }
            tasks.push(world.tasks());
        }
        assert_eq!(tasks[0], tasks[2]);
        assert_eq!(distinct(&tasks[0].values().copied().collect::<Vec<_>>()), 6);
    });
}

#[test]
fn tcp_and_udp_on_one_port_number_are_apart() {
    lab(|lab| {
        let mut world = with(lab, |state| {
            publish(state, TCP, 8080, 80, &[here(1), here(2)]);
            publish(state, UDP, 8080, 90, &[here(3), here(4)]);
        });
        let (ours, from) = (at(node(1), 8080), client(6000));
        let to = |frame: (Verdict, Vec<u8>)| crate::read::read(&frame.1).to;
        assert_eq!(
            to(world.receive(&tcp(from, ours, "S").frame())),
            at(address_of(1), 80)
        );
        assert_eq!(
            to(world.receive(&udp(from, ours).frame())),
            at(address_of(3), 90)
        );
        assert_eq!(
            to(world.receive(&tcp(client(6001), ours, "S").frame())),
            at(address_of(2), 80)
        );
        assert_eq!(
            to(world.receive(&udp(client(6001), ours).frame())),
            at(address_of(4), 90)
        );
        assert_eq!(world.tables().flows.borrow().len(), 4);
    });
}

#[test]
fn one_client_port_to_two_addresses_of_a_node_makes_two_flows() {
    lab(|lab| {
        let mut world = with(lab, |state| {
            publish(state, TCP, 8080, 80, &[here(1), here(2)]);
        });
        for (address, n) in [(node(1), 1), (SECOND, 2)] {
            let (verdict, frame) =
                world.receive(&tcp(client(7000), at(address, 8080), "S").frame());
            assert_eq!(verdict, Verdict::Bridge);
            assert_eq!(crate::read::read(&frame).to, at(address_of(n), 80));
            let reply = tcp(at(address_of(n), 80), client(7000), "SA");
            let (_, reply) = world.send(BridgeTc, &reply.frame());
            assert_eq!(reply, tcp(at(address, 8080), client(7000), "SA").frame());
        }
        let flows = world.tables().flows.borrow();
        let tuple = |address: std::net::Ipv4Addr| Tuple {
            source: Be32::new(CLIENT.into()),
            destination: Be32::new(address.into()),
            source_port: Be16::new(7000),
            destination_port: Be16::new(8080),
            proto: TCP,
            zero: [0; 3],
        };
        assert_eq!(flows[&tuple(node(1))].task, key(1));
        assert_eq!(flows[&tuple(SECOND)].task, key(2));
    });
}
