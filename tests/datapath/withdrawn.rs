//! Ports that no service publishes any more, while connections to them live, and tasks of one service with different ports.

use agent::kernel::NodeKernel as _;
use lb_abi::service::{Frontend, Port, TARGETS};
use lb_abi::{Be16, TCP, UDP};
use lb_core::backend::ebpf::State;
use lb_core::desired::WithdrawnPorts;
use lb_core::model::ids::Key;
use lb_core::model::port::Proto;
use lb_datapath::Verdict;
use std::collections::BTreeSet;

use crate::frames::{at, client, tcp, udp};
use crate::lab::{lab, node};
use crate::pair::pairs;
use crate::read::read;
use crate::states::{address_of, here, key, publish};
use crate::world::{BridgeTc, UplinkTc, UplinkXdp, World};

fn port(proto: u8, number: u16) -> Port {
    Port::new(Be16::new(number), proto)
}

/// No service publishes 8080/tcp any more.
fn withdraw(state: &mut State) {
    let port = port(TCP, 8080);
    let before = state.frontends[&port];
    let kept = Frontend::new(before.target, 0, 0, before.service);
    state.frontends.insert(port, kept);
    // Another port may share the table.
    let frontends = state.frontends.values();
    let named: BTreeSet<u32> = frontends.map(|frontend| frontend.table).collect();
    state.tables.retain(|number, _| named.contains(number));
}

fn to_8080(from: u16, flags: &'static str) -> Vec<u8> {
    tcp(client(from), at(node(1), 8080), flags).frame()
}

#[test]
fn a_connection_outlives_its_port_and_what_begins_is_the_kernels() {
    lab(|lab| {
        let mut world = World::new(lab, 1);
        world.change(|state| publish(state, TCP, 8080, 80, &[here(1)]));
        let task = at(address_of(1), 80);
        assert_eq!(world.receive(&to_8080(1, "S")).0, Verdict::Bridge);
        world.change(withdraw);
        for flags in ["A", "PA"] {
            let (verdict, frame) = world.receive(&to_8080(1, flags));
            assert_eq!((verdict, read(&frame).to), (Verdict::Bridge, task));
            let answer = tcp(task, client(1), flags).frame();
            assert_eq!(world.send(BridgeTc, &answer).0, Verdict::Uplink);
        }
        world.untouched("a new connection", &to_8080(2, "S"));
        // It ends, and the client opens another one from the same port.
        assert_eq!(world.receive(&to_8080(1, "FA")).0, Verdict::Bridge);
        let answer = tcp(task, client(1), "FA").frame();
        assert_eq!(world.send(BridgeTc, &answer).0, Verdict::Uplink);
        assert_eq!(world.receive(&to_8080(1, "A")).0, Verdict::Bridge);
        for flags in ["S", "A", "PA", "FA"] {
            for kind in [UplinkXdp, UplinkTc] {
                let frame = to_8080(1, flags);
                assert_eq!(world.send(kind, &frame), (Verdict::Pass, frame));
            }
        }
        world.change(|state| publish(state, TCP, 8080, 80, &[here(1)]));
        for flags in ["S", "A"] {
            assert_eq!(world.receive(&to_8080(1, flags)).0, Verdict::Bridge);
        }
    });
}

#[test]
fn what_was_found_of_a_port_before_it_was_published_again_does_not_end_its_connections() {
    lab(|lab| {
        let mut world = World::new(lab, 1);
        let published = |state: &mut State| publish(state, TCP, 8080, 80, &[here(1)]);
        world.change(published);
        world.change(withdraw);
        let drained = |world: &mut World, ports: &WithdrawnPorts| {
            let drained = world.kernel.drained(ports, &State::default()).unwrap();
            // The look that this has requested.
            world.kernel.finish();
            drained
        };
        let mut ports = WithdrawnPorts::default();
        ports.change([(8080, Proto::Tcp)].into());
        assert_eq!(drained(&mut world, &ports), BTreeSet::new());
        assert_eq!(drained(&mut world, &ports), *ports.ports());
        world.change(published);
        ports.change(BTreeSet::new());
        for flags in ["S", "A"] {
            assert_eq!(world.receive(&to_8080(1, flags)).0, Verdict::Bridge);
        }
        world.change(withdraw);
        ports.change([(8080, Proto::Tcp)].into());
        for _ in 0..2 {
            assert_eq!(drained(&mut world, &ports), BTreeSet::new());
        }
        assert_eq!(world.receive(&to_8080(1, "PA")).0, Verdict::Bridge);
    });
}

#[test]
fn a_connection_to_a_task_elsewhere_outlives_its_port_at_both_nodes() {
    lab(|lab| {
        pairs(lab, |mut pair| {
            pair.deliver(&to_8080(1, "S"));
            pair.ingress.change(withdraw);
            pair.deliver(&to_8080(1, "A"));
            pair.home.change(withdraw);
            let delivered = pair.deliver(&to_8080(1, "PA"));
            assert_eq!(read(&delivered).to, at(address_of(1), 80));
            pair.ingress.untouched("a new one", &to_8080(2, "S"));
        });
    });
}

#[test]
fn old_and_new_tasks_are_served_at_their_own_ports() {
    lab(|lab| {
        pairs(lab, |mut pair| {
            let datagram = |from| udp(client(from), at(node(1), 5353)).frame();
            let old = pair.deliver(&to_8080(1, "S"));
            assert_eq!(read(&old).to, at(address_of(1), 80));
            // The service has other ports now, which its task does not listen on.
            for world in [&mut pair.ingress, &mut pair.home] {
                world.change(|state| {
                    for (proto, published, own, now) in [(TCP, 8080, 80, 81), (UDP, 5353, 53, 54)] {
                        let port = port(proto, published);
                        state.targets.insert((port, Key(key(1))), own);
                        let frontend = state.frontends.get_mut(&port).unwrap();
                        frontend.target = Be16::new(now);
                        frontend.flags |= TARGETS;
                    }
                });
            }
            for (frame, to) in [
                (to_8080(1, "A"), 80),
                (to_8080(2, "S"), 80),
                (datagram(1), 53),
            ] {
                let delivered = pair.deliver(&frame);
                assert_eq!(read(&delivered).to, at(address_of(1), to));
            }
            let answer = tcp(at(address_of(1), 80), client(2), "SA").frame();
            let reply = pair.reply(&answer);
            assert_eq!(read(&reply).from, at(node(1), 8080));
            // The update is over: flows that exist stay where they are.
            for world in [&mut pair.ingress, &mut pair.home] {
                world.change(|state| {
                    state.targets.clear();
                    for port in [port(TCP, 8080), port(UDP, 5353)] {
                        state.frontends.get_mut(&port).unwrap().flags = 0;
                    }
                });
            }
            for (frame, to) in [
                (to_8080(2, "A"), 80),
                (to_8080(3, "S"), 81),
                (datagram(1), 53),
                (datagram(2), 54),
            ] {
                let delivered = pair.deliver(&frame);
                assert_eq!(read(&delivered).to, at(address_of(1), to));
            }
        });
    });
}
