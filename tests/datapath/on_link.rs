//! Clients whose address is one of a network that the task reaches by a device of its own.

use std::net::{Ipv4Addr, SocketAddrV4};

use ipnet::Ipv4Net;
use lb_abi::flow::{UNDER_GATEWAY, UNDER_NODE};
use lb_abi::{TCP, UDP};
use lb_core::backend::ebpf::State;
use lb_core::model::ids::Key;
use lb_datapath::Verdict;

use crate::errors::{ROUTER, TOO_BIG, UNREACHABLE, error};
use crate::frames::{CLIENT, at, client, tcp, udp};
use crate::hairpin::serving;
use crate::lab::{Lab, lab, node};
use crate::pair::pairs;
use crate::read::read;
use crate::states::{DOCKER_GWBRIDGE, address_of, key};
use crate::world::{BridgeTc, UplinkTc, World};

/// Lets task 1 reach a network by a device of its own.
fn reaches(state: &mut State, network: &str, under: u32) {
    let network: Ipv4Net = network.parse().unwrap();
    state.on_link.insert((Key(key(1)), network.trunc()), under);
}

/// Node 1, whose one task is in the network of all clients.
fn here(lab: &Lab, under: u32) -> World {
    let mut world = serving(lab, 1);
    world.change(|state| reaches(state, "203.0.113.0/24", under));
    world
}

/// Sends a client's frame; returns whom the task sees.
#[track_caller]
fn seen(world: &mut World, frame: &[u8]) -> SocketAddrV4 {
    let (verdict, frame) = world.receive(frame);
    assert_eq!(verdict, Verdict::Bridge);
    let seen = read(&frame);
    assert_eq!(*seen.to.ip(), address_of(1));
    seen.from
}

#[test]
fn the_task_sees_its_node_and_the_client_gets_its_answer() {
    for (under, shown) in [(UNDER_NODE, node(1)), (UNDER_GATEWAY, DOCKER_GWBRIDGE)] {
        lab(|lab| {
            let mut world = here(lab, under);
            for proto in [TCP, UDP] {
                let (frontend, task) = match proto {
                    TCP => (at(node(1), 8080), at(address_of(1), 80)),
                    _ => (at(node(1), 5353), at(address_of(1), 53)),
                };
                let packet = |from, to, flags| match proto {
                    TCP => tcp(from, to, flags).frame(),
                    _ => udp(from, to).frame(),
                };
                let known = seen(&mut world, &packet(client(1), frontend, "S"));
                assert_eq!(*known.ip(), shown);
                assert!((1_024..32_768).contains(&known.port()), "{known}");
                let answer = packet(task, known, "SA");
                let expected = (Verdict::Uplink, packet(frontend, client(1), "SA"));
                assert_eq!(world.send(BridgeTc, &answer), expected);
                for flags in ["A", "FA"] {
                    let more = packet(client(1), frontend, flags);
                    assert_eq!(seen(&mut world, &more), known, "{flags}");
                }
                // Another client with that port, and one of another network.
                let other = at(Ipv4Addr::new(203, 0, 113, 8), 1);
                let apart = seen(&mut world, &packet(other, frontend, "S"));
                assert!(apart != known && *apart.ip() == shown, "{apart}");
                let foreign = at(Ipv4Addr::new(203, 0, 114, 7), 1);
                assert_eq!(seen(&mut world, &packet(foreign, frontend, "S")), foreign);
            }
        });
    }
}

#[test]
fn so_it_is_through_the_tunnel() {
    lab(|lab| {
        pairs(lab, |mut pair| {
            let network = format!("{CLIENT}/32");
            pair.home
                .change(|state| reaches(state, &network, UNDER_NODE));
            let (frontend, task) = (at(node(1), 8080), at(address_of(1), 80));
            let known = read(&pair.deliver(&tcp(client(9), frontend, "S").frame())).from;
            assert_eq!(*known.ip(), node(2));
            let answered = pair.reply(&tcp(task, known, "A").payload(b"odd").frame());
            let answered = read(&answered);
            assert_eq!((answered.from, answered.to), (frontend, client(9)));
            assert_eq!(answered.payload, b"odd");
            let more = pair.deliver(&tcp(client(9), frontend, "A").frame());
            assert_eq!(read(&more).from, known);
        });
    });
}

#[test]
fn errors_name_whom_their_receiver_knows() {
    lab(|lab| {
        let mut world = here(lab, UNDER_NODE);
        for (proto, published, target) in [(TCP, 8080, 80), (UDP, 5353, 53)] {
            let packet = |from, to| match proto {
                TCP => tcp(from, to, "S").frame(),
                _ => udp(from, to).frame(),
            };
            let (frontend, task) = (at(node(1), published), at(address_of(1), target));
            let us = client(7001);
            let known = seen(&mut world, &packet(us, frontend));
            let about =
                |by, from: SocketAddrV4, to| error(by, *from.ip(), TOO_BIG, &packet(from, to), 28);
            for (by, told_by) in [(ROUTER, ROUTER), (*us.ip(), *known.ip())] {
                let told = world.send(UplinkTc, &about(by, frontend, us));
                assert_eq!(told, (Verdict::Bridge, about(told_by, task, known)));
            }
            let about = |from: SocketAddrV4, to: SocketAddrV4| {
                error(*to.ip(), *from.ip(), UNREACHABLE, &packet(from, to), 28)
            };
            let told = world.send(BridgeTc, &about(known, task));
            assert_eq!(told, (Verdict::Uplink, about(us, frontend)));
        }
    });
}

#[test]
fn a_container_that_calls_is_answered_where_the_nodes_address_is_in_the_tasks_network() {
    lab(|lab| {
        let mut world = serving(lab, 1);
        let network = format!("{}/24", node(1));
        world.change(|state| reaches(state, &network, UNDER_GATEWAY));
        let us = at(Ipv4Addr::new(172, 18, 0, 99), 40_000);
        let (frontend, task) = (at(node(1), 8080), at(address_of(1), 80));
        let (verdict, frame) = world.send(BridgeTc, &tcp(us, frontend, "S").frame());
        assert_eq!(verdict, Verdict::Bridge);
        let known = read(&frame).from;
        assert_eq!(*known.ip(), DOCKER_GWBRIDGE);
        let (verdict, frame) = world.send(BridgeTc, &tcp(task, known, "SA").frame());
        assert_eq!(verdict, Verdict::Container(world.link(BridgeTc)));
        assert_eq!(frame, tcp(frontend, us, "SA").frame());
    });
}
