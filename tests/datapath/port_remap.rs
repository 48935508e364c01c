//! One port of a client's, used for two connections that meet at one task: the task must be
//! able to tell them apart.

use std::net::{Ipv4Addr, SocketAddrV4};

use lb_abi::{TCP, UDP};
use lb_datapath::Verdict;

use crate::errors::{ROUTER, TOO_BIG, UNREACHABLE, error};
use crate::frames::{at, client, tcp, udp};
use crate::lab::{lab, mac, node};
use crate::pair::pairs;
use crate::read::read;
use crate::round_robin::with;
use crate::states::{SECOND, address_of, here, publish};
use crate::world::{BridgeTc, UplinkTc, World};

const TASK: Ipv4Addr = Ipv4Addr::new(172, 18, 0, 11);

/// Sends a client's frame; returns whom the task sees, and checks that it is the task.
#[track_caller]
fn seen(world: &mut World, frame: &[u8]) -> SocketAddrV4 {
    let (verdict, frame) = world.receive(frame);
    assert_eq!(verdict, Verdict::Bridge);
    let seen = read(&frame);
    assert_eq!(*seen.to.ip(), TASK);
    seen.from
}

/// Lets a connection through `frontend` begin; returns whom the task sees.
#[track_caller]
fn begin(world: &mut World, frontend: SocketAddrV4) -> SocketAddrV4 {
    let us = client(7001);
    let seen = seen(world, &tcp(us, frontend, "S").frame());
    let (verdict, frame) = world.send(BridgeTc, &tcp(at(TASK, 80), seen, "SA").frame());
    assert_eq!(verdict, Verdict::Uplink);
    assert_eq!(frame, tcp(frontend, us, "SA").frame());
    world.receive(&tcp(us, frontend, "A").frame());
    seen
}

#[test]
fn two_connections_from_one_port_to_one_task_stay_two() {
    lab(|lab| {
        let mut world = with(lab, |state| {
            publish(state, TCP, 8080, 80, &[here(1)]);
            publish(state, TCP, 8081, 80, &[here(1)]);
        });
        let us = client(7001);
        let frontends = [at(node(1), 8080), at(SECOND, 8080), at(node(1), 8081)];
        let known = frontends.map(|frontend| begin(&mut world, frontend));
        assert_eq!(known[0], us, "nobody had the port before");
        for (other, aliased) in [(0, 1), (0, 2), (1, 2)] {
            assert_ne!(known[other], known[aliased]);
            assert_eq!(
                known[aliased].ip(),
                us.ip(),
                "the address stays the client's"
            );
            assert!((1_024..32_768).contains(&known[aliased].port()));
        }
        // Both ways, each goes on as itself, in whatever order.
        for (frontend, known) in frontends.iter().zip(known).rev() {
            let asked = tcp(us, *frontend, "PA").payload(b"ask").frame();
            assert_eq!(seen(&mut world, &asked), known);
            let answer = tcp(at(TASK, 80), known, "PA").payload(b"odd").frame();
            let expected = tcp(*frontend, us, "PA").payload(b"odd").frame();
            assert_eq!(world.send(BridgeTc, &answer), (Verdict::Uplink, expected));
        }
        // A SYN sent again is the same connection.
        let again = tcp(us, frontends[1], "S").frame();
        assert_eq!(seen(&mut world, &again), known[1]);
    });
}

#[test]
fn a_port_is_not_free_as_long_as_the_tasks_kernel_remembers_it() {
    lab(|lab| {
        let mut world = with(lab, |state| publish(state, TCP, 8080, 80, &[here(1)]));
        let us = client(7001);
        let (first, second) = (at(node(1), 8080), at(SECOND, 8080));
        begin(&mut world, first);
        for flags in ["FA", "A"] {
            world.receive(&tcp(us, first, flags).frame());
            world.send(BridgeTc, &tcp(at(TASK, 80), us, flags).frame());
        }
        let alias = begin(&mut world, second);
        assert_ne!(alias, us, "the first is in TIME_WAIT");
        // A reset leaves nothing to wait for; nor does the very same connection begun anew.
        assert_eq!(begin(&mut world, first), us);
        world.receive(&tcp(us, first, "R").frame());
        world.receive(&tcp(us, second, "R").frame());
        assert_eq!(begin(&mut world, second), us);
    });
}

#[test]
fn datagrams_from_one_port_to_two_addresses_are_two_conversations() {
    lab(|lab| {
        let mut world = with(lab, |state| publish(state, UDP, 5353, 53, &[here(1)]));
        let us = client(7001);
        let mut known = Vec::new();
        for _ in 0..2 {
            for address in [node(1), SECOND] {
                let seen = seen(&mut world, &udp(us, at(address, 5353)).frame());
                let (verdict, frame) = world.send(BridgeTc, &udp(at(TASK, 53), seen).frame());
                assert_eq!(verdict, Verdict::Uplink);
                assert_eq!(frame, udp(at(address, 5353), us).frame());
                known.push(seen);
            }
        }
        assert_eq!(known[..2], known[2..]);
        assert_ne!(known[0], known[1]);
    });
}

#[test]
fn one_port_through_two_nodes_to_one_task_stays_two_connections() {
    lab(|lab| {
        pairs(lab, |mut pair| {
            let (first, second) = (at(node(1), 8080), at(node(2), 8080));
            let us = client(9);
            let task = at(address_of(1), 80);
            assert_eq!(read(&pair.deliver(&tcp(us, first, "S").frame())).from, us);
            let direct = tcp(us, second, "S").with_mac(mac(node(2))).frame();
            let (verdict, frame) = pair.home.receive(&direct);
            let alias = read(&frame).from;
            assert_eq!(verdict, Verdict::Bridge);
            assert!(alias != us && alias.ip() == us.ip());
            let (verdict, frame) = pair.home.send(BridgeTc, &tcp(task, alias, "SA").frame());
            assert_eq!((verdict, read(&frame).from), (Verdict::Uplink, second));
            assert_eq!(read(&frame).to, us);
            let frame = pair.reply(&tcp(task, us, "SA").frame());
            assert_eq!((read(&frame).from, read(&frame).to), (first, us));

            // And where the one that came through the tunnel is the later one.
            let us = client(10);
            let direct = tcp(us, second, "S").with_mac(mac(node(2))).frame();
            assert_eq!(read(&pair.home.receive(&direct).1).from, us);
            let alias = read(&pair.deliver(&tcp(us, first, "S").frame())).from;
            assert_ne!(alias, us);
            let frame = pair.reply(&tcp(task, alias, "SA").frame());
            assert_eq!((read(&frame).from, read(&frame).to), (first, us));
            let frame = pair.deliver(&tcp(us, first, "A").frame());
            assert_eq!(read(&frame).from, alias);
        });
    });
}

#[test]
fn errors_about_either_find_it() {
    lab(|lab| {
        let mut world = with(lab, |state| {
            publish(state, TCP, 8080, 80, &[here(1)]);
            publish(state, UDP, 5353, 53, &[here(1)]);
        });
        let us = client(7001);
        for (proto, published, target) in [(TCP, 8080, 80), (UDP, 5353, 53)] {
            let packet = |from, to| match proto {
                TCP => tcp(from, to, "S").frame(),
                _ => udp(from, to).frame(),
            };
            let task = at(TASK, target);
            for address in [node(1), SECOND] {
                let frontend = at(address, published);
                let known = seen(&mut world, &packet(us, frontend));
                // From a router, about a reply; it comes to the task as about what that sent.
                let about = |from: SocketAddrV4, to| {
                    error(ROUTER, *from.ip(), TOO_BIG, &packet(from, to), 28)
                };
                let told = world.send(UplinkTc, &about(frontend, us));
                assert_eq!(told, (Verdict::Bridge, about(task, known)));
                // From the task, about what the client sent; it comes from the frontend.
                let about = |from: SocketAddrV4, to: SocketAddrV4| {
                    error(*to.ip(), *from.ip(), UNREACHABLE, &packet(from, to), 28)
                };
                let told = world.send(BridgeTc, &about(known, task));
                assert_eq!(told, (Verdict::Uplink, about(us, frontend)));
            }
        }
    });
}
