//! Flows whose clients have not proved to be there.

use agent::kernel::bpf::{Action, Arrival};
use lb_abi::flow::EMBRYONIC;
use lb_abi::{TCP, UDP, limits};

use crate::frames::{CLIENT, SEQUENCE, at, client, tcp, udp};
use crate::lab::{Lab, lab, node};
use crate::pair::pairs;
use crate::states::{address_of, here, publish};
use crate::world::{BridgeTc, UplinkTc, World};

fn serving(lab: &Lab) -> World {
    let mut world = World::new(lab, 1);
    world.change(|state| {
        publish(state, TCP, 8080, 80, &[here(1)]);
        publish(state, UDP, 5353, 53, &[here(1)]);
    });
    world
}

/// Is the flow of the client's port, and the way back, still opening?
fn opening(world: &World, port: u16) -> (bool, bool) {
    let flows = world.tables().flows.borrow();
    let (_, flow) = flows
        .iter()
        .find(|(tuple, _)| tuple.source_port.get() == port)
        .unwrap();
    let replies = world.tables().replies.borrow();
    let (_, reply) = replies
        .iter()
        .find(|(tuple, _)| tuple.destination_port.get() == port)
        .unwrap();
    (flow.state & EMBRYONIC != 0, reply.opening != 0)
}

#[test]
fn a_client_proves_to_be_there_when_it_goes_on_after_the_tasks_answer() {
    lab(|lab| {
        let mut world = serving(lab);
        let (us, task) = (at(node(1), 8080), at(address_of(1), 80));
        world.receive(&tcp(client(1), us, "S").frame());
        world.receive(&tcp(client(1), us, "A").frame());
        assert_eq!(opening(&world, 1), (true, true), "nobody answered yet");
        world.send(BridgeTc, &tcp(task, client(1), "SA").frame());
        assert_eq!(opening(&world, 1), (true, true), "anybody gets an answer");
        world.receive(&tcp(client(1), us, "S").frame());
        assert_eq!(opening(&world, 1), (true, true), "a SYN needs none");
        for number in [0, SEQUENCE, SEQUENCE + 1 + (1 << 16)] {
            let blind = tcp(client(1), us, "A").acknowledging(number);
            world.receive(&blind.frame());
            assert_eq!(opening(&world, 1), (true, true), "{number} is a guess");
        }
        world.receive(&tcp(client(1), us, "A").frame());
        assert_eq!(opening(&world, 1), (false, false));
        // What is closed, and what is new on its ports, takes room from its own kind alone.
        world.receive(&tcp(client(1), us, "RA").frame());
        assert_eq!(opening(&world, 1), (true, true));
        world.receive(&tcp(client(1), us, "S").frame());
        assert_eq!(opening(&world, 1), (true, true));
        world.send(BridgeTc, &tcp(task, client(1), "SA").frame());
        world.receive(&tcp(client(1), us, "A").frame());
        assert_eq!(opening(&world, 1), (false, false));
        world.receive(&tcp(client(1), us, "FA").frame());
        assert_eq!(opening(&world, 1), (false, false), "half of it is open");
        world.send(BridgeTc, &tcp(task, client(1), "FA").frame());
        assert_eq!(opening(&world, 1), (true, true));
        world.receive(&tcp(client(1), us, "A").frame());
        assert_eq!(opening(&world, 1), (true, true), "its last word");

        // Who gets an answer that he never asked for resets it.
        world.receive(&tcp(client(2), us, "S").frame());
        world.send(BridgeTc, &tcp(task, client(2), "SA").frame());
        world.receive(&tcp(client(2), us, "R").frame());
        assert_eq!(opening(&world, 2), (true, true));

        let (us, task) = (at(node(1), 5353), at(address_of(1), 53));
        world.receive(&udp(client(3), us).frame());
        world.receive(&udp(client(3), us).frame());
        assert_eq!(opening(&world, 3), (true, true));
        world.send(BridgeTc, &udp(task, client(3)).frame());
        world.receive(&udp(client(3), us).frame());
        assert_eq!(opening(&world, 3), (true, true), "a question");
        world.pass(3);
        world.receive(&udp(client(3), us).frame());
        assert_eq!(opening(&world, 3), (false, false), "it goes on");
    });
}

#[test]
fn the_tasks_node_sees_it_too() {
    lab(|lab| {
        pairs(lab, |mut pair| {
            let (us, task) = (at(node(1), 8080), at(address_of(1), 80));
            pair.deliver(&tcp(client(1), us, "S").frame());
            pair.reply(&tcp(task, client(1), "SA").frame());
            assert_eq!(opening(&pair.home, 1), (true, true));
            let blind = tcp(client(1), us, "A").acknowledging(7);
            pair.deliver(&blind.frame());
            assert_eq!(opening(&pair.home, 1), (true, true));
            pair.deliver(&tcp(client(1), us, "A").frame());
            assert_eq!(opening(&pair.home, 1), (false, false));
            // And its end: the client's part first, or the task's.
            pair.deliver(&tcp(client(1), us, "FA").frame());
            pair.reply(&tcp(task, client(1), "FA").frame());
            assert_eq!(opening(&pair.home, 1), (true, true));
            let flows = pair.ingress.tables().flows.borrow();
            assert!(flows.values().all(|flow| flow.state & EMBRYONIC != 0));
        });
    });
}

#[test]
fn a_flood_of_syns_takes_no_room_from_connections() {
    lab(|lab| {
        let mut world = serving(lab);
        let (us, task) = (at(node(1), 8080), at(address_of(1), 80));
        world.receive(&tcp(client(1), us, "S").frame());
        world.send(BridgeTc, &tcp(task, client(1), "SA").frame());
        world.receive(&tcp(client(1), us, "A").frame());

        // More than there is room for, each from another client. The kernel alone sees them.
        let syn = tcp(client(2), us, "S").frame();
        let uplink = world.link(UplinkTc);
        let kernel = world.kernel();
        let send =
            |hook, frame: &[u8]| kernel.test_run(hook, &Arrival::new(uplink, frame)).unwrap();
        let first = u32::from(CLIENT) & 0xffff_0000;
        for n in 0..limits::EMBRYONIC + limits::EMBRYONIC / 4 {
            let source = std::net::Ipv4Addr::from(first.wrapping_add(n << 8 | 1));
            let mut flood = syn.clone();
            flood[26..30].copy_from_slice(&source.octets());
            assert_eq!(send(UplinkTc, &flood).action, Action::Redirect);
        }
        let flows = kernel.flows().unwrap();
        assert!(flows.len() <= limits::EMBRYONIC as usize + 1);

        // The connection has lost neither way.
        let more = tcp(client(1), us, "PA").payload(b"odd").frame();
        let outcome = send(UplinkTc, &more);
        assert_eq!(outcome.action, Action::Redirect);
        assert_eq!(
            outcome.frame,
            tcp(client(1), task, "PA").payload(b"odd").frame()
        );
        let answer = tcp(task, client(1), "PA").payload(b"odd").frame();
        let outcome = send(BridgeTc, &answer);
        assert_eq!(outcome.action, Action::Redirect);
        assert_eq!(
            outcome.frame,
            tcp(us, client(1), "PA").payload(b"odd").frame()
        );
    });
}
