//! Containers of the node that call a published port on it: presented under the node's
//! address, whoever answers. Expected frames are built anew, checksums included.

use std::net::{Ipv4Addr, SocketAddrV4};

use lb_abi::counters::Reason;
use lb_abi::{TCP, UDP};
use lb_datapath::Verdict;

use crate::frames::{at, client, patched, tcp, udp};
use crate::hooks::wired;
use crate::lab::{Lab, lab, node};
use crate::pair::{Pair, pairs};
use crate::read::read;
use crate::states::{SECOND, address_of, here, publish};
use crate::world::{BridgeTc, PortTc, UplinkTc, UplinkXdp, World};

/// A container that is no task of the service.
const CALLER: Ipv4Addr = Ipv4Addr::new(172, 18, 0, 99);

pub(crate) fn serving(lab: &Lab, tasks: u8) -> World {
    let mut world = World::new(lab, 1);
    let tasks: Vec<_> = (1..=tasks).map(here).collect();
    world.change(|state| {
        publish(state, TCP, 8080, 80, &tasks);
        publish(state, UDP, 5353, 53, &tasks);
    });
    world
}

/// Sends a frame of a container's; returns who the task sees, and checks the rest.
#[track_caller]
fn call(world: &mut World, frame: &[u8], task: SocketAddrV4) -> SocketAddrV4 {
    let (verdict, frame) = world.send(BridgeTc, frame);
    assert_eq!(verdict, Verdict::Bridge);
    let seen = read(&frame);
    assert_eq!(seen.to, task);
    assert_eq!(*seen.from.ip(), node(1));
    assert!(seen.from.port() >= 61_000, "{}", seen.from);
    seen.from
}

#[test]
fn a_container_reaches_a_task_here_also_when_that_is_itself() {
    for from in [CALLER, address_of(1)] {
        lab(|lab| {
            let mut world = serving(lab, 1);
            let us = at(from, 40_000);
            let task = at(address_of(1), 80);
            let asked = tcp(us, at(node(1), 8080), "S").frame();
            let seen = call(&mut world, &asked, task);
            // The same flow is presented under the same port.
            let more = tcp(us, at(node(1), 8080), "PA").payload(b"odd").frame();
            assert_eq!(call(&mut world, &more, task), seen);

            let (verdict, frame) = world.send(BridgeTc, &tcp(task, seen, "SA").frame());
            assert_eq!(verdict, Verdict::Container(world.link(BridgeTc)));
            assert_eq!(frame, tcp(at(node(1), 8080), us, "SA").frame());
            assert_eq!(world.counted(1).new, 1);
            assert_eq!(
                (world.counted(1).packets_in, world.counted(1).packets_out),
                (2, 1)
            );
        });
    }
}

#[test]
fn at_its_port_a_containers_frame_is_decided_as_on_the_bridge_and_others_pass() {
    lab(|lab| {
        let mut world = serving(lab, 1);
        let us = at(CALLER, 40_000);
        let task = at(address_of(1), 80);
        let reply = tcp(task, client(1), "SA").frame();
        for other in [
            tcp(us, at(node(1), 8081), "S").frame(),
            tcp(us, at(node(2), 8080), "S").frame(),
            tcp(client(1), at(node(1), 8081), "S").frame(),
            reply.clone(),
        ] {
            assert_eq!(world.send(PortTc, &other), (Verdict::Pass, other.clone()));
        }
        for (asked, task) in [
            (tcp(us, at(node(1), 8080), "S").frame(), task),
            (udp(us, at(SECOND, 5353)).frame(), at(address_of(1), 53)),
        ] {
            let (verdict, frame) = world.send(PortTc, &asked);
            assert_eq!((verdict, read(&frame).to), (Verdict::Bridge, task));
            let seen = read(&frame).from;
            if task.port() == 80 {
                let answer = tcp(task, seen, "SA").frame();
                let (verdict, frame) = world.send(PortTc, &answer);
                assert_eq!(verdict, Verdict::Container(world.link(BridgeTc)));
                assert_eq!(frame, tcp(at(node(1), 8080), us, "SA").frame());
            }
        }

        world.send(UplinkTc, &tcp(client(1), at(node(1), 8080), "S").frame());
        // To another container on the bridge, as which somebody outside may have called.
        let aside = patched(&reply, &[(0, &[2, 0, 0, 0, 9, 9])]);
        assert_eq!(world.send(PortTc, &aside), (Verdict::Pass, aside.clone()));
        let expected = tcp(at(node(1), 8080), client(1), "SA").frame();
        assert_eq!(world.send(PortTc, &reply), (Verdict::Uplink, expected));
        // Merged segments stay whole.
        let data = tcp(task, client(1), "A").payload(&[7; 2000]).frame();
        let expected = tcp(at(node(1), 8080), client(1), "A").payload(&[7; 2000]);
        assert_eq!(
            world.send_merged(PortTc, &data, 2, 1000),
            (Verdict::Uplink, expected.frame())
        );

        // Of a port whose bridge is not known, all is left to the bridge's own program.
        world.change(|state| state.bridge_ports.clear());
        assert_eq!(world.send(PortTc, &reply), (Verdict::Pass, reply.clone()));
    });
}

#[test]
fn datagrams_of_a_container_find_their_way_back() {
    lab(|lab| {
        let mut world = serving(lab, 1);
        let us = at(CALLER, 40_000);
        let seen = call(
            &mut world,
            &udp(us, at(SECOND, 5353)).frame(),
            at(address_of(1), 53),
        );
        let (verdict, frame) = world.send(BridgeTc, &udp(at(address_of(1), 53), seen).frame());
        assert_eq!(verdict, Verdict::Container(world.link(BridgeTc)));
        assert_eq!(frame, udp(at(SECOND, 5353), us).frame());
    });
}

#[test]
fn containers_and_clients_take_turns_alike() {
    lab(|lab| {
        let mut world = serving(lab, 3);
        for port in 0..6 {
            if port % 2 == 0 {
                world.send(
                    BridgeTc,
                    &tcp(at(CALLER, 40_000 + port), at(node(1), 8080), "S").frame(),
                );
            } else {
                world.send(
                    UplinkXdp,
                    &tcp(client(port), at(node(1), 8080), "S").frame(),
                );
            }
        }
        assert_eq!([1, 2, 3].map(|task| world.counted(task).new), [2, 2, 2]);
    });
}

#[test]
fn callers_with_one_port_are_presented_under_different_ones() {
    lab(|lab| {
        let mut world = serving(lab, 1);
        let task = at(address_of(1), 80);
        let asked = |last| {
            tcp(
                at(Ipv4Addr::new(172, 18, last, 99), 40_000),
                at(node(1), 8080),
                "S",
            )
            .frame()
        };
        let seen: Vec<_> = (0..8)
            .map(|last| call(&mut world, &asked(last), task))
            .collect();
        for (last, seen) in (0..8).zip(seen) {
            let (_, frame) = world.send(BridgeTc, &tcp(task, seen, "SA").frame());
            assert_eq!(*read(&frame).to.ip(), Ipv4Addr::new(172, 18, last, 99));
        }
    });
}

#[test]
fn a_reused_port_of_a_container_is_a_new_connection_once_the_old_one_is_over() {
    lab(|lab| {
        let mut world = serving(lab, 2);
        let us = at(CALLER, 40_000);
        let asked = |flags| tcp(us, at(node(1), 8080), flags).frame();
        let first = read(&world.send(BridgeTc, &asked("S")).1);
        world.send(BridgeTc, &asked("FA"));
        world.send(BridgeTc, &tcp(first.to, first.from, "FA").frame());
        let second = read(&world.send(BridgeTc, &asked("S")).1);
        assert_ne!(first.to, second.to);
        assert_eq!([1, 2].map(|task| world.counted(task).new), [1, 1]);
    });
}

#[test]
fn a_task_elsewhere_answers_a_container_through_the_tunnel() {
    lab(|lab| {
        pairs(lab, |mut pair: Pair| {
            let us = at(CALLER, 40_000);
            let asked = tcp(us, at(node(1), 8080), "S").frame();
            let (verdict, tunnelled) = pair.ingress.send(BridgeTc, &asked);
            assert_eq!(verdict, Verdict::Uplink);
            let delivered = pair.arrive(&wired(tunnelled, 2));
            let seen = read(&delivered);
            assert_eq!((*seen.from.ip(), seen.to), (node(1), at(address_of(1), 80)));

            let reply = pair.leave(&tcp(seen.to, seen.from, "SA").frame());
            // XDP can't reach the bridge, and leaves it in the tunnel for tc.
            assert_eq!(
                pair.ingress.send(UplinkXdp, &reply),
                (Verdict::Pass, reply.clone())
            );
            let (verdict, frame) = pair.ingress.send(UplinkTc, &reply);
            assert_eq!(verdict, Verdict::Container(pair.ingress.link(BridgeTc)));
            let expected = read(&tcp(at(node(1), 8080), us, "SA").frame());
            let got = read(&frame);
            assert_eq!((got.from, got.to), (expected.from, expected.to));
            assert_eq!(pair.ingress.counted(1).packets_out, 1);
        });
    });
}

#[test]
fn what_containers_send_elsewhere_is_untouched() {
    lab(|lab| {
        let mut world = serving(lab, 1);
        let us = at(CALLER, 40_000);
        for frame in [
            tcp(us, at(node(2), 8080), "S").frame(),
            tcp(us, at(node(1), 8081), "S").frame(),
            tcp(us, at(node(1), 8080), "A").frame(),
            udp(us, at(node(1), 8080)).frame(),
        ] {
            assert_eq!(world.send(BridgeTc, &frame), (Verdict::Pass, frame.clone()));
        }
        world.change(|state| publish(state, TCP, 8080, 80, &[]));
        let refused = tcp(us, at(node(1), 8080), "S").frame();
        assert_eq!(
            world.send(BridgeTc, &refused),
            (Verdict::Pass, refused.clone())
        );
        assert_eq!(world.dropped(Reason::NoPort), 0);
    });
}

#[test]
fn datagrams_of_one_container_leave_ports_for_others_and_give_theirs_back() {
    lab(|lab| {
        let mut world = serving(lab, 1);
        let ask = |world: &mut World, from: Ipv4Addr, port| {
            let asked = udp(at(from, port), at(node(1), 5353)).frame();
            world.send(BridgeTc, &asked).0
        };
        // More than there are ports to present them under: at the plain code alone, which is quicker.
        let mut refused = 0;
        for port in 1000..7000 {
            let asked = udp(at(CALLER, port), at(node(1), 5353)).frame();
            let mut frame = lb_datapath::model::Frame::<true>::new(asked);
            let verdict = lb_datapath::bridge::bridge(&mut frame, &world.memory);
            refused += u32::from(verdict == Verdict::Drop(Reason::NoPort));
        }
        assert!(
            refused > 4000,
            "{refused}: one container got more than its share"
        );
        for last in 2..30 {
            let other = Ipv4Addr::new(172, 18, 0, last);
            let asked = udp(at(other, 5000), at(node(1), 5353)).frame();
            let mut frame = lb_datapath::model::Frame::<true>::new(asked);
            let verdict = lb_datapath::bridge::bridge(&mut frame, &world.memory);
            assert_eq!(verdict, Verdict::Bridge, "{other}");
        }
        // Questions that were asked half a minute ago are answered, or never will be.
        world.memory.now += 29;
        let asked = udp(at(CALLER, 900), at(node(1), 5353)).frame();
        let mut frame = lb_datapath::model::Frame::<true>::new(asked);
        let verdict = lb_datapath::bridge::bridge(&mut frame, &world.memory);
        assert_eq!(verdict, Verdict::Bridge);
        let mut fresh = serving(lab, 1);
        assert_eq!(
            ask(&mut fresh, CALLER, 1000),
            Verdict::Bridge,
            "the kernel agrees"
        );
    });
}
