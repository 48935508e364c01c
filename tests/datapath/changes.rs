//! Tasks, ports and addresses that go, with flows on them.

use lb_abi::counters::Reason;
use lb_abi::{TCP, UDP};
use lb_core::backend::ebpf::Op;
use lb_core::model::ids::Key;
use lb_datapath::Verdict;

use crate::frames::{at, client, tcp, udp};
use crate::lab::{Lab, lab, node};
use crate::pair::Pair;
use crate::read::read;
use crate::states::{SECOND, Task, address_of, here, key, publish, remove, there};
use crate::world::{UplinkTc, UplinkXdp, World};

fn serving(lab: &Lab, tasks: &[Task]) -> World {
    let mut world = World::new(lab, 1);
    world.change(|state| {
        publish(state, TCP, 8080, 80, tasks);
        publish(state, UDP, 5353, 53, tasks);
    });
    world
}

fn syn(port: u16) -> Vec<u8> {
    tcp(client(port), at(node(1), 8080), "S").frame()
}

fn ack(port: u16) -> Vec<u8> {
    tcp(client(port), at(node(1), 8080), "A").frame()
}

fn datagram(port: u16) -> Vec<u8> {
    udp(client(port), at(node(1), 5353)).frame()
}

/// The task that the frame was delivered to.
#[track_caller]
fn delivered(world: &mut World, frame: &[u8]) -> std::net::Ipv4Addr {
    let (verdict, frame) = world.receive(frame);
    assert_eq!(verdict, Verdict::Bridge);
    *read(&frame).to.ip()
}

#[test]
fn a_port_without_tasks_is_refused_by_the_kernel() {
    lab(|lab| {
        let mut world = serving(lab, &[]);
        world.untouched("a SYN", &syn(1));
        world.untouched("a datagram", &datagram(1));
    });
}

#[test]
fn the_last_task_on_its_way_out_keeps_its_flows() {
    lab(|lab| {
        let mut world = serving(lab, &[here(1)]);
        world.receive(&syn(1));
        world.change(|state| publish(state, TCP, 8080, 80, &[]));
        assert_eq!(delivered(&mut world, &ack(1)), address_of(1));
        assert_eq!(
            delivered(&mut world, &syn(1)),
            address_of(1),
            "its SYN sent again"
        );
        world.untouched("a new connection", &syn(2));
    });
}

#[test]
fn a_syn_sent_again_moves_on_from_a_task_on_its_way_out() {
    lab(|lab| {
        let mut world = serving(lab, &[here(1)]);
        world.receive(&syn(1));
        world.change(|state| {
            publish(state, TCP, 8080, 80, &[here(2)]);
            state.backends.get_mut(&Key(key(1))).unwrap().flags = 0;
        });
        assert_eq!(delivered(&mut world, &ack(1)), address_of(1));
        assert_eq!(delivered(&mut world, &syn(1)), address_of(2));
        assert_eq!(
            delivered(&mut world, &ack(1)),
            address_of(2),
            "from then on"
        );
    });
}

#[test]
fn a_task_on_its_way_out_keeps_its_flows_and_gets_no_new_ones() {
    lab(|lab| {
        let mut world = serving(lab, &[here(1), here(2)]);
        world.receive(&syn(1));
        world.receive(&datagram(1));
        world.change(|state| {
            publish(state, TCP, 8080, 80, &[here(2)]);
            publish(state, UDP, 5353, 53, &[here(2)]);
        });
        for port in 2..6 {
            assert_eq!(delivered(&mut world, &ack(1)), address_of(1));
            assert_eq!(delivered(&mut world, &datagram(1)), address_of(1));
            assert_eq!(delivered(&mut world, &syn(port)), address_of(2));
            assert_eq!(delivered(&mut world, &datagram(port)), address_of(2));
        }
    });
}

/// Packets may come between the task's removal and the garbage collection of its flows.
#[test]
fn the_flows_of_a_task_that_is_gone_end_or_move() {
    lab(|lab| {
        for collected in [false, true] {
            let mut world = serving(lab, &[here(1), here(2)]);
            for frame in [syn(1), datagram(1)] {
                assert_eq!(delivered(&mut world, &frame), address_of(1));
            }
            world.change(|state| {
                publish(state, TCP, 8080, 80, &[here(2)]);
                publish(state, UDP, 5353, 53, &[here(2)]);
            });
            if collected {
                world.change(|state| remove(state, here(1)));
                assert_eq!(world.tables().flows.borrow().len(), 0);
            } else {
                let (key, backend) = here(1);
                world.step(&Op::RemoveBackend(key, backend));
                world.settle();
                assert_eq!(world.tables().flows.borrow().len(), 2);
            }
            // TCP to the kernel, which resets it.
            for kind in [UplinkXdp, UplinkTc] {
                assert_eq!(world.send(kind, &ack(1)), (Verdict::Pass, ack(1)));
            }
            assert_eq!(
                delivered(&mut world, &datagram(1)),
                address_of(2),
                "UDP moves"
            );
            assert_eq!(delivered(&mut world, &datagram(1)), address_of(2));
            assert_eq!(
                delivered(&mut world, &syn(1)),
                address_of(2),
                "a new connection"
            );
            assert_eq!(delivered(&mut world, &ack(1)), address_of(2));
            assert_eq!(world.tables().flows.borrow().len(), 2);
        }
    });
}

#[test]
fn an_address_inherited_by_another_task_inherits_no_flow() {
    lab(|lab| {
        let mut world = serving(lab, &[here(1)]);
        world.receive(&syn(1));
        let (heir, _) = here(2);
        let (_, place) = here(1);
        world.change(|state| {
            remove(state, here(1));
            publish(state, TCP, 8080, 80, &[(heir, place)]);
            publish(state, UDP, 5353, 53, &[(heir, place)]);
        });
        world.untouched("the old connection", &ack(1));
        assert_eq!(delivered(&mut world, &syn(2)), address_of(1));
        assert_eq!(world.tasks()[&2], key(2));
    });
}

#[test]
fn a_port_no_longer_published_is_the_kernels() {
    lab(|lab| {
        let mut world = serving(lab, &[here(1)]);
        world.receive(&syn(1));
        world.change(|state| {
            let port = *state
                .frontends
                .keys()
                .find(|port| port.proto == TCP)
                .unwrap();
            state.frontends.remove(&port);
        });
        world.untouched("the old connection", &ack(1));
        world.untouched("a new one", &syn(2));
        assert_eq!(
            delivered(&mut world, &datagram(1)),
            address_of(1),
            "the other port"
        );
    });
}

#[test]
fn an_address_that_goes_keeps_its_flows_and_gets_no_new_ones() {
    lab(|lab| {
        let mut world = serving(lab, &[here(1)]);
        let to = |port, flags| tcp(client(port), at(SECOND, 8080), flags).frame();
        assert_eq!(delivered(&mut world, &to(1, "S")), address_of(1));
        world.change(|state| {
            state.addresses.remove(&SECOND);
        });
        assert_eq!(delivered(&mut world, &to(1, "A")), address_of(1));
        world.untouched("a new one", &to(2, "S"));
    });
}

#[test]
fn a_node_that_leaves_is_no_longer_believed() {
    lab(|lab| {
        let mut pair = Pair::new(lab, true);
        let tunnelled = pair.enter(&syn(1));
        pair.home.change(|state| {
            state.peers.remove(&node(1));
        });
        pair.home.untouched("a tunnel packet", &tunnelled);
    });
}

/// XDP has opened the tunnel; before tc sees the packet, the task is gone or elsewhere.
#[test]
fn a_packet_out_of_the_tunnel_never_goes_on_to_another_task() {
    lab(|lab| {
        for moved in [false, true] {
            let mut pair = Pair::new(lab, true);
            pair.home
                .change(|state| publish(state, TCP, 8080, 80, &[here(1), here(2)]));
            let tunnelled = pair.enter(&syn(1));
            let (verdict, frame) = pair.home.send(UplinkXdp, &tunnelled);
            assert_eq!(verdict, Verdict::Pass);
            let (key, backend) = here(1);
            if moved {
                let (key, elsewhere) = there(1, node(1));
                pair.home.step(&Op::PutBackend(key, elsewhere));
            } else {
                pair.home.step(&Op::RemoveBackend(key, backend));
            }
            pair.home.settle();
            let unknown = Verdict::Drop(Reason::UnknownTask);
            assert_eq!(pair.home.send(UplinkTc, &frame).0, unknown);
            assert_eq!(pair.home.send(UplinkXdp, &tunnelled).0, unknown);
            assert_eq!(pair.home.dropped(Reason::UnknownTask), 2);
        }
    });
}

#[test]
fn a_flow_that_the_ingress_node_moved_moves_at_the_tasks_node() {
    lab(|lab| {
        let mut pair = Pair::new(lab, true);
        pair.home
            .change(|state| publish(state, TCP, 8080, 80, &[here(1), here(2)]));
        assert_eq!(*read(&pair.deliver(&syn(1))).to.ip(), address_of(1));
        pair.ingress
            .change(|state| publish(state, TCP, 8080, 80, &[there(2, node(2))]));
        let reset = tcp(client(1), at(node(1), 8080), "R").frame();
        assert_eq!(*read(&pair.deliver(&reset)).to.ip(), address_of(1));
        assert_eq!(*read(&pair.deliver(&syn(1))).to.ip(), address_of(2));
        assert_eq!(pair.home.tasks()[&1], key(2));
    });
}
