//! Several nodes about one flow: what comes out of the tunnel is the sender's to decide, goes where the
//! sender says and no further, and its answers go back to whoever sent its last packet.

use std::net::{Ipv4Addr, SocketAddrV4};

use lb_abi::Be32;
use lb_abi::counters::Reason;
use lb_abi::flow::{FIN_IN, FIN_OUT, Flow};
use lb_abi::service::{Backend, DIRECT, LOCAL, REMOTE, SCHED_MAGLEV};
use lb_abi::tunnel::TokenKeys;
use lb_datapath::Verdict;
use lb_datapath::bridge::bridge;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::parse::outer;
use lb_datapath::tunnel::{Direction, enter};
use lb_datapath::uplink::uplink;

use crate::nodes::{HOME, INGRESS, key, serving, task};
use crate::packets::{Body, Transport, segment};

const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 7), 40_000);
/// Another node where clients come in.
const SECOND: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 3);
/// An address that both of those answer on, as routers see fit.
const SHARED: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 99), 80);
/// An address of the tasks' node that is not the one that others know it by.
const OWN: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 22);
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

fn tc(memory: &Memory, bytes: Vec<u8>) -> (Verdict, Vec<u8>) {
    let mut frame = Frame::<true>::new(bytes);
    (uplink(&mut frame, memory), frame.bytes)
}

fn knowing(mut memory: Memory) -> Memory {
    let keys: TokenKeys = *memory.peers.values().next().unwrap();
    memory.peers.insert(SECOND.into(), keys);
    memory
}

/// A node where clients come in by the shared address, with `count` tasks at [`HOME`].
fn ingress(address: Ipv4Addr, count: u32) -> Memory {
    let mut memory = knowing(serving(address, REMOTE, count));
    memory.addresses.insert((*SHARED.ip()).into());
    for frontend in memory.frontends.values_mut() {
        frontend.scheduler = SCHED_MAGLEV;
    }
    memory
}

fn home(count: u32) -> Memory {
    knowing(serving(HOME, LOCAL, count))
}

/// To which node an answer of task `n` goes.
fn answered_to(home: &Memory, n: u32) -> Ipv4Addr {
    let mut frame = Frame::<true>::new(segment(SYN | ACK).frame(task(n), CLIENT));
    assert_eq!(bridge(&mut frame, home), Verdict::Uplink);
    let [a, b, c, d] = [30, 31, 32, 33].map(|at| frame.bytes[at]);
    Ipv4Addr::new(a, b, c, d)
}

#[test]
fn a_connection_that_moves_to_another_ingress_node_is_answered_through_that_one() {
    let (first, second, home) = (ingress(INGRESS, 1), ingress(SECOND, 1), home(1));
    let (_, tunnelled) = tc(&first, segment(SYN).frame(CLIENT, SHARED));
    assert_eq!(tc(&home, tunnelled).0, Verdict::Bridge);
    assert_eq!(answered_to(&home, 0), INGRESS);
    // Routers send the rest of it to the second node, and back to the first one.
    for (node, address) in [(&second, SECOND), (&first, INGRESS), (&second, SECOND)] {
        let (verdict, tunnelled) = tc(node, segment(ACK).frame(CLIENT, SHARED));
        assert_eq!(verdict, Verdict::Uplink);
        assert_eq!(tc(&home, tunnelled).0, Verdict::Bridge);
        assert_eq!(answered_to(&home, 0), address);
    }
}

#[test]
fn a_task_that_another_node_chose_is_not_chosen_again() {
    // It takes nothing new by now and another one does, or the connection before is over: what the tunnel
    // brings is a decision, and the node of the task has none to make.
    for over in [false, true] {
        let (ingress, mut home) = (ingress(INGRESS, 1), home(2));
        let (_, tunnelled) = tc(&ingress, segment(SYN).frame(CLIENT, SHARED));
        let mut xdp = Frame::<false>::new(tunnelled);
        assert_eq!(uplink(&mut xdp, &home), Verdict::Pass, "opened");
        home.backends.get_mut(&key(0)).unwrap().flags = 0;
        home.slots.values_mut().for_each(|task| *task = key(1));
        if over {
            let flow = home.flows.get_mut().values_mut().next().unwrap();
            flow.state |= FIN_IN | FIN_OUT;
        }
        let (verdict, delivered) = tc(&home, xdp.bytes);
        assert_eq!(verdict, Verdict::Bridge);
        let expected = segment(SYN).frame(CLIENT, task(0));
        assert_eq!(delivered[30..34], expected[30..34], "the task's address");
        assert_eq!(home.flows.borrow().values().next().unwrap().task, key(0));
    }
}

#[test]
fn what_a_stranger_puts_into_the_tunnel_is_left_alone() {
    let (ingress, mut home) = (ingress(INGRESS, 1), home(1));
    home.peers.remove(&INGRESS.into());
    let (_, tunnelled) = tc(&ingress, segment(SYN).frame(CLIENT, SHARED));
    let unchanged = (Verdict::Pass, tunnelled.clone());
    assert_eq!(tc(&home, tunnelled), unchanged);
    assert!(home.flows.borrow().is_empty());
}

#[test]
fn out_of_the_tunnel_nothing_goes_into_it_again() {
    // By the time that tc sees it, its task is elsewhere, as this node was told.
    let (ingress, mut home) = (ingress(INGRESS, 1), home(1));
    let (_, tunnelled) = tc(&ingress, segment(SYN).frame(CLIENT, SHARED));
    let mut xdp = Frame::<false>::new(tunnelled.clone());
    assert_eq!(uplink(&mut xdp, &home), Verdict::Pass, "opened");
    let elsewhere = Backend::new(Be32::new(SECOND.into()), REMOTE, 1);
    home.backends.insert(key(0), elsewhere);
    let dropped = Verdict::Drop(Reason::UnknownTask);
    assert_eq!(tc(&home, xdp.bytes).0, dropped);
    assert_eq!(tc(&home, tunnelled).0, dropped);
}

/// A packet of task `n`'s flow that a node sends through the tunnel to another one.
fn told(by: &Memory, to: Ipv4Addr, way: Direction, n: u32, bytes: Vec<u8>) -> Vec<u8> {
    let mut frame = Frame::<true>::new(bytes);
    let segment = outer(&frame, by).unwrap();
    let settings = by.settings.unwrap();
    let to = Be32::new(to.into());
    assert!(enter(&mut frame, by, &segment, &settings, to, way, key(n)));
    frame.bytes
}

#[test]
fn an_answer_is_believed_only_of_the_flows_own_task_and_only_where_the_client_came_in() {
    let (first, second, home) = (ingress(INGRESS, 2), ingress(SECOND, 2), home(2));
    tc(&first, segment(SYN).frame(CLIENT, SHARED));
    let chosen = first.flows.borrow().values().next().unwrap().task;
    let answer = || segment(SYN | ACK).frame(SHARED, CLIENT);
    for n in 0..2 {
        let said = told(&home, INGRESS, Direction::ToClient, n, answer());
        let expected = if key(n) == chosen {
            Verdict::Uplink
        } else {
            Verdict::Drop(Reason::LateAnswer)
        };
        assert_eq!(tc(&first, said).0, expected, "task {n}");
        // The second node knows of no such client, or of one that came in elsewhere.
        let said = told(&home, SECOND, Direction::ToClient, n, answer());
        assert_eq!(tc(&second, said).0, Verdict::Drop(Reason::UnknownTask));
    }
    let mut second = second;
    let (tuple, flow) = {
        let flows = first.flows.borrow();
        let (tuple, flow) = flows.iter().next().unwrap();
        (*tuple, *flow)
    };
    let told_of = Flow::new(flow.task, Be32::new(INGRESS.into()));
    second.flows.get_mut().insert(tuple, told_of);
    let n = u32::from(key(1) == chosen);
    let said = told(&home, SECOND, Direction::ToClient, n, answer());
    assert_eq!(tc(&second, said).0, Verdict::Drop(Reason::UnknownTask));
}

#[test]
fn a_reply_goes_past_the_ingress_node_to_a_client_and_not_to_a_node_that_calls() {
    // A node that gets an answer from an address that it did not ask has no use for it.
    let direct = |from: Ipv4Addr| {
        let (ingress, mut home) = (ingress(INGRESS, 1), home(1));
        home.addresses.insert(OWN.into());
        for frontend in home.frontends.values_mut() {
            frontend.flags = DIRECT;
        }
        let frame = segment(SYN).frame(SocketAddrV4::new(from, 40_000), SHARED);
        let said = told(&ingress, HOME, Direction::ToTask, 0, frame);
        assert_eq!(tc(&home, said).0, Verdict::Bridge);
        home.replies.borrow().values().next().unwrap().direct
    };
    assert_eq!(direct(*CLIENT.ip()), 1);
    assert_eq!(direct(SECOND), 0, "another node");
    assert_eq!(direct(INGRESS), 0, "the ingress node itself");
    assert_eq!(direct(OWN), 0, "the task's own node");
}

#[test]
fn a_direct_reply_goes_to_the_wire_is_counted_there_and_announces_what_the_tunnel_can_carry() {
    let (ingress, mut home) = (ingress(INGRESS, 1), home(1));
    for frontend in home.frontends.values_mut() {
        frontend.flags = DIRECT;
    }
    let (_, tunnelled) = tc(&ingress, segment(SYN).frame(CLIENT, SHARED));
    tc(&home, tunnelled);
    // What the client sends comes by the tunnel: 1500 less 56 and 40.
    let with = |largest: [u8; 2]| {
        let [high, low] = largest;
        Body::bare(Transport::Tcp(SYN | ACK, vec![2, 4, high, low], 7))
    };
    let mut answer = Frame::<true>::new(with([5, 0xb4]).frame(task(0), CLIENT));
    assert_eq!(bridge(&mut answer, &home), Verdict::Uplink);
    assert_eq!(answer.bytes, with([5, 0x7c]).frame(SHARED, CLIENT));
    let counters = home.counters.borrow()[&key(0)];
    assert_eq!((counters.packets_out, counters.bytes_out), (1, 44));
}

#[test]
fn what_a_task_answers_is_counted_once_where_its_client_came_in() {
    let (ingress, home) = (ingress(INGRESS, 1), home(1));
    let (_, tunnelled) = tc(&ingress, segment(SYN).frame(CLIENT, SHARED));
    tc(&home, tunnelled);
    let mut answer = Frame::<true>::new(segment(SYN | ACK).frame(task(0), CLIENT));
    bridge(&mut answer, &home);
    assert_eq!(tc(&ingress, answer.bytes).0, Verdict::Uplink);
    let packets = |memory: &Memory| {
        let counters = memory.counters.borrow()[&key(0)];
        (counters.new, counters.packets_in, counters.packets_out)
    };
    assert_eq!(packets(&ingress), (1, 1, 1));
    assert_eq!(packets(&home), (0, 0, 0));
}

#[test]
fn flows_leave_by_many_ports_and_each_by_one() {
    let ingress = ingress(INGRESS, 1);
    let port = |client: SocketAddrV4| {
        let (_, tunnelled) = tc(&ingress, segment(SYN).frame(client, SHARED));
        u16::from_be_bytes([tunnelled[34], tunnelled[35]])
    };
    let clients = (0..200).map(|n| SocketAddrV4::new(*CLIENT.ip(), 40_000 + n));
    let ports: std::collections::BTreeSet<u16> = clients.clone().map(port).collect();
    assert!(ports.len() > 150, "{} ports of 16384", ports.len());
    assert!(ports.iter().all(|port| *port >= 0xc000), "ephemeral ones");
    for client in clients {
        assert_eq!(port(client), port(client));
    }
}
