//! Labels of services: allowed clients, affinity, least connections, direct replies.

use agent::kernel::bpf::Arrival;
use lb_abi::counters::Reason;
use lb_abi::service::{DIRECT, Port, RESTRICTED, SCHED_LC};
use lb_abi::{Be16, TCP, UDP, limits};
use lb_core::backend::ebpf::State;
use lb_datapath::Verdict;

use crate::frames::{at, client, tcp, udp};
use crate::lab::{lab, mac, node};
use crate::pair::pairs;
use crate::read::read;
use crate::round_robin::{distinct, open, six, with};
use crate::states::{address_of, here, key, publish};
use crate::world::{BridgeTc, UplinkTc};

fn port() -> Port {
    Port::new(Be16::new(8080), TCP)
}

/// Changes what is published on 8080.
fn frontend(state: &mut State, edit: impl FnOnce(&mut lb_abi::service::Frontend)) {
    edit(state.frontends.get_mut(&port()).unwrap());
}

fn allow(state: &mut State, networks: &[&str]) {
    let networks = networks.iter().map(|net| (port(), net.parse().unwrap()));
    state.allowed = networks.collect();
}

#[test]
fn only_clients_of_allowed_networks_open_connections() {
    lab(|lab| {
        let mut world = with(lab, |state| {
            publish(state, TCP, 8080, 80, &[here(1)]);
            publish(state, TCP, 8081, 80, &[here(1)]);
            frontend(state, |frontend| frontend.flags = RESTRICTED);
            allow(state, &["203.0.113.0/25", "192.0.2.0/24"]);
        });
        let from =
            |address: [u8; 4], to| tcp(at(address.into(), 1000), at(node(1), to), "S").frame();
        let dropped = Verdict::Drop(Reason::NotAllowed);
        for (address, verdict) in [
            ([203, 0, 113, 127], Verdict::Bridge),
            ([203, 0, 113, 128], dropped),
            ([192, 0, 2, 255], Verdict::Bridge),
            ([10, 0, 0, 1], dropped),
        ] {
            assert_eq!(
                world.receive(&from(address, 8080)).0,
                verdict,
                "{address:?}"
            );
            assert_eq!(
                world.receive(&from(address, 8081)).0,
                Verdict::Bridge,
                "{address:?}"
            );
        }
        assert_eq!(world.dropped(Reason::NotAllowed), 2);
        // Who is connected stays so when the list is another one; nobody new comes.
        world.change(|state| allow(state, &["203.0.113.128/25"]));
        let more = tcp(at([203, 0, 113, 127].into(), 1000), at(node(1), 8080), "A").frame();
        assert_eq!(world.receive(&more).0, Verdict::Bridge);
        assert_eq!(world.receive(&from([203, 0, 113, 126], 8080)).0, dropped);
        assert_eq!(
            world.receive(&from([203, 0, 113, 128], 8080)).0,
            Verdict::Bridge
        );
        // An empty list is nobody; no list is everybody.
        world.change(|state| allow(state, &[]));
        assert_eq!(world.receive(&from([203, 0, 113, 129], 8080)).0, dropped);
        world.change(|state| frontend(state, |frontend| frontend.flags = 0));
        assert_eq!(
            world.receive(&from([203, 0, 113, 129], 8080)).0,
            Verdict::Bridge
        );
    });
}

#[test]
fn only_datagrams_of_allowed_networks_are_taken() {
    lab(|lab| {
        // The same number by TCP is another port, and open to all.
        let ours = Port::new(Be16::new(8080), UDP);
        let restrict = |state: &mut State, networks: &[&str]| {
            state.frontends.get_mut(&ours).unwrap().flags = RESTRICTED;
            let networks = networks.iter().map(|net| (ours, net.parse().unwrap()));
            state.allowed = networks.collect();
        };
        let mut world = with(lab, |state| {
            publish(state, TCP, 8080, 80, &[here(1)]);
            publish(state, UDP, 8080, 80, &[here(1)]);
            restrict(state, &["203.0.113.0/25"]);
        });
        let from = |last: u8, port| at([203, 0, 113, last].into(), port);
        let datagram = |last, port| udp(from(last, port), at(node(1), 8080)).frame();
        let dropped = Verdict::Drop(Reason::NotAllowed);
        assert_eq!(world.receive(&datagram(127, 1)).0, Verdict::Bridge);
        assert_eq!(world.receive(&datagram(128, 1)).0, dropped);
        let syn = tcp(from(128, 1), at(node(1), 8080), "S").frame();
        assert_eq!(world.receive(&syn).0, Verdict::Bridge);
        // There is no flow of who was dropped: the next datagram is, too.
        assert_eq!(world.receive(&datagram(128, 1)).0, dropped);
        assert_eq!(world.dropped(Reason::NotAllowed), 2);
        // A flow goes on when the list is another one; nobody new comes.
        world.change(|state| restrict(state, &["203.0.113.128/25"]));
        assert_eq!(world.receive(&datagram(127, 1)).0, Verdict::Bridge);
        assert_eq!(world.receive(&datagram(127, 2)).0, dropped);
        assert_eq!(world.receive(&datagram(128, 1)).0, Verdict::Bridge);
        world.change(|state| restrict(state, &[]));
        assert_eq!(world.receive(&datagram(128, 2)).0, dropped);
    });
}

#[test]
fn a_client_stays_with_its_task_for_as_long_as_was_asked_for() {
    lab(|lab| {
        let mut world = with(lab, |state| {
            publish(state, TCP, 8080, 80, &six());
            frontend(state, |frontend| frontend.affinity_ticks = 1);
        });
        let task = open(&mut world, 1000..1001)[0];
        assert_eq!(open(&mut world, 1001..1008), [task; 7]);
        // Another client gets the next task, and stays with that.
        let other = |port| tcp(at([192, 0, 2, 9].into(), port), at(node(1), 8080), "S").frame();
        for port in 2000..2003 {
            world.receive(&other(port));
        }
        let theirs: Vec<u64> = (2000..2003).map(|port| world.tasks()[&port]).collect();
        assert_eq!(distinct(&theirs), 1);
        assert_ne!(theirs[0], task);
        world.pass(3);
        assert_ne!(
            open(&mut world, 1010..1011)[0],
            task,
            "it stayed away too long"
        );
        // A task that takes nobody any more is left, though its connections go on.
        let now = open(&mut world, 1011..1012)[0];
        world.change(|state| {
            let left: Vec<_> = six().into_iter().filter(|(id, _)| id.0 != now).collect();
            publish(state, TCP, 8080, 80, &left);
            frontend(state, |frontend| frontend.affinity_ticks = 1);
            state
                .backends
                .get_mut(&lb_core::model::ids::Key(now))
                .unwrap()
                .flags = 0;
        });
        assert_ne!(open(&mut world, 1012..1013)[0], now);
        let more = tcp(client(1011), at(node(1), 8080), "A").frame();
        assert_eq!(world.receive(&more).0, Verdict::Bridge);
        assert_eq!(world.tasks()[&1011], now);
        assert_ne!(open(&mut world, 1011..1012)[0], now, "its SYN sent again");
    });
}

#[test]
fn a_client_has_one_task_for_all_ports_of_a_service_by_tcp_and_udp() {
    lab(|lab| {
        let mut world = with(lab, |state| {
            publish(state, TCP, 8080, 80, &six());
            publish(state, TCP, 8081, 81, &six());
            publish(state, UDP, 8080, 80, &six());
            for (_, frontend) in &mut state.frontends {
                frontend.affinity_ticks = 600;
            }
        });
        let mut had = Vec::new();
        for n in 0..6u8 {
            let from = |port| at([203, 0, 113, 100 + n].into(), port);
            // Each of its own ports, as tasks are told apart by them below.
            let first = 1000 + u16::from(n) * 10;
            let flows = [
                tcp(from(first), at(node(1), 8080), "S").frame(),
                tcp(from(first + 1), at(node(1), 8081), "S").frame(),
                udp(from(first + 2), at(node(1), 8080)).frame(),
                tcp(from(first + 3), at(node(1), 8080), "S").frame(),
            ];
            for frame in &flows {
                world.receive(frame);
            }
            let tasks = world.tasks();
            let tasks: Vec<u64> = (first..first + 4).map(|port| tasks[&port]).collect();
            assert_eq!(distinct(&tasks), 1, "client {n}: {tasks:x?}");
            had.push(tasks[0]);
        }
        assert_eq!(distinct(&had), 6, "each client took one turn");
        assert_eq!(world.tables().keeping.borrow().len(), 6);
    });
}

#[test]
fn clients_that_are_not_there_end_nobodys_affinity() {
    lab(|lab| {
        let mut world = with(lab, |state| {
            publish(state, TCP, 8080, 80, &six());
            frontend(state, |frontend| frontend.affinity_ticks = 600);
        });
        let us = at(node(1), 8080);
        let task = open(&mut world, 1000..1001)[0];
        let at_task = at(address_of(u8::try_from(task & 0xff).unwrap()), 80);
        world.send(BridgeTc, &tcp(at_task, client(1000), "SA").frame());
        world.receive(&tcp(client(1000), us, "A").frame());
        assert_eq!(world.tables().kept.borrow().len(), 1, "the client is there");
        // More than there is room for, each from another address. The kernel alone sees them.
        let syn = tcp(client(2), us, "S").frame();
        let uplink = world.link(UplinkTc);
        for n in 0..limits::AFFINITY_EMBRYONIC + limits::AFFINITY_EMBRYONIC / 4 {
            let mut flood = syn.clone();
            flood[26..30].copy_from_slice(&(0x0b00_0000 + n).to_be_bytes());
            world
                .kernel()
                .test_run(UplinkTc, &Arrival::new(uplink, &flood))
                .unwrap();
        }
        let again = tcp(client(1001), us, "S").frame();
        world
            .kernel()
            .test_run(UplinkTc, &Arrival::new(uplink, &again))
            .unwrap();
        let flows = world.kernel().flows().unwrap();
        let kept = flows.iter().find(|(tuple, _)| {
            tuple.source.get() == u32::from(*client(1).ip()) && tuple.source_port.get() == 1001
        });
        assert_eq!(kept.unwrap().1.task, task);
    });
}

#[test]
fn new_connections_go_to_who_has_fewer() {
    lab(|lab| {
        let tasks = [here(1), here(2)];
        let mut world = with(lab, |state| {
            publish(state, TCP, 8080, 80, &tasks);
            frontend(state, |frontend| frontend.scheduler = SCHED_LC);
        });
        // Equal ones take turns.
        assert_eq!(
            open(&mut world, 1000..1004),
            [key(1), key(2), key(1), key(2)]
        );
        world.load(1, 5);
        assert_eq!(open(&mut world, 1004..1007), [key(2); 3]);
        assert_eq!(
            distinct(&open(&mut world, 1007..1011)),
            2,
            "they are equal again"
        );
    });
}

#[test]
fn a_direct_reply_goes_past_the_node_that_the_client_came_to() {
    lab(|lab| {
        pairs(lab, |mut pair| {
            for world in [&mut pair.ingress, &mut pair.home] {
                world.change(|state| frontend(state, |frontend| frontend.flags = DIRECT));
            }
            let (us, task) = (at(node(1), 8080), at(address_of(1), 80));
            let answer = |world: &mut crate::world::World, flags| {
                let (verdict, frame) = world.send(BridgeTc, &tcp(task, client(1), flags).frame());
                assert_eq!(verdict, Verdict::Uplink);
                assert_eq!(frame, tcp(us, client(1), flags).frame(), "as from node 1");
            };
            pair.deliver(&tcp(client(1), us, "S").frame());
            answer(&mut pair.home, "SA");
            pair.deliver(&tcp(client(1), us, "A").frame());
            answer(&mut pair.home, "FA");
            pair.deliver(&tcp(client(1), us, "FA").frame());
            // The ingress node hears the client only, and knows it for a connection that is over.
            let flows = pair.ingress.tables().flows.borrow().clone();
            let flow = flows.values().next().unwrap();
            assert!(lb_abi::flow::Flow::closed(flow.state));
            assert_ne!(flow.state & lb_abi::flow::EMBRYONIC, 0, "short");
            assert_eq!(pair.home.counted(1).packets_out, 2);
            assert_eq!(pair.ingress.counted(1).packets_in, 3);

            // To a node the way back is the tunnel: the reply would bear its own address.
            let process = at(node(1), 40_000);
            let frame = tcp(process, at(node(2), 8080), "S")
                .with_mac(mac(node(2)))
                .frame();
            let (_, frame) = pair.home.receive(&frame);
            assert_eq!(read(&frame).from, process);
        });
    });
}

#[test]
fn when_the_lease_has_run_out_new_connections_are_the_kernels() {
    lab(|lab| {
        let mut world = with(lab, |state| publish(state, TCP, 8080, 80, &[here(1)]));
        let syn = |port| tcp(client(port), at(node(1), 8080), "S").frame();
        assert_eq!(world.receive(&syn(1)).0, Verdict::Bridge);
        world.expire(true);
        world.untouched("a new connection", &syn(2));
        let more = tcp(client(1), at(node(1), 8080), "A").frame();
        assert_eq!(
            world.receive(&more).0,
            Verdict::Bridge,
            "who is connected stays"
        );
        let reply = tcp(at(address_of(1), 80), client(1), "A").frame();
        assert_eq!(world.send(BridgeTc, &reply).0, Verdict::Uplink);
        world.expire(false);
        assert_eq!(world.receive(&syn(2)).0, Verdict::Bridge);
    });
}
