//! Clients whose address is one of a network that the task reaches by a device of its own: the task sees them under an
//! address of its node, and they see what they spoke to.

use std::net::{Ipv4Addr, SocketAddrV4};

use lb_abi::Be32;
use lb_abi::flow::{UNDER_GATEWAY, UNDER_NODE};
use lb_abi::service::{DIRECT, LOCAL, OnLink};
use lb_datapath::Verdict;
use lb_datapath::bridge::bridge;
use lb_datapath::checksum::full;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::uplink::uplink;
use proptest::prelude::*;

use crate::nodes::{FRONTEND, GATEWAY, HOME, INGRESS, key, pair, serving, task};
use crate::packets::{Body, Transport, client, opening, segment, tcp, udp};

/// A client in [`OWN`], and one elsewhere.
pub(crate) const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 7), 40_000);
const ELSEWHERE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 7), 40_000);
/// The network of task 0's own, which all of `packets::client` are in.
pub(crate) const OWN: (Ipv4Addr, u32) = (Ipv4Addr::new(203, 0, 0, 0), 8);
/// Ports under which clients are presented.
pub(crate) const OTHERS: std::ops::Range<u16> = 1_024..32_768;

pub(crate) const SYN: u8 = 0x02;
pub(crate) const ACK: u8 = 0x10;
pub(crate) const FIN: u8 = 0x11;

/// Lets task `n` reach a network by a device of its own; `under` says under which address it sees clients of that.
pub(crate) fn reaches(memory: &mut Memory, n: u32, (network, bits): (Ipv4Addr, u32), under: u32) {
    let network = OnLink::new(key(n), Be32::new(network.into()));
    memory.on_link.insert((network, bits), under);
}

/// A node with one task, which is in the network of all clients.
pub(crate) fn here() -> Memory {
    let mut memory = serving(INGRESS, LOCAL, 1);
    reaches(&mut memory, 0, OWN, UNDER_NODE);
    memory
}

/// The ingress node and the home of such a task.
pub(crate) fn elsewhere() -> (Memory, Memory) {
    let (ingress, mut home) = pair();
    reaches(&mut home, 0, OWN, UNDER_NODE);
    (ingress, home)
}

pub(crate) fn tc(memory: &Memory, bytes: &[u8]) -> (Verdict, Vec<u8>) {
    let mut frame = Frame::<true>::new(bytes.to_vec());
    (uplink(&mut frame, memory), frame.bytes)
}

fn xdp(memory: &Memory, bytes: &[u8]) -> (Verdict, Vec<u8>) {
    let mut frame = Frame::<false>::new(bytes.to_vec());
    (uplink(&mut frame, memory), frame.bytes)
}

pub(crate) fn task_sends(memory: &Memory, bytes: &[u8]) -> (Verdict, Vec<u8>) {
    let mut frame = Frame::<true>::new(bytes.to_vec());
    (bridge(&mut frame, memory), frame.bytes)
}

/// Whom the task sees in a frame that it was given.
pub(crate) fn seen(frame: &[u8]) -> SocketAddrV4 {
    let address = <[u8; 4]>::try_from(&frame[26..30]).unwrap();
    let at = 14 + usize::from(frame[14] & 15) * 4;
    let port = u16::from_be_bytes([frame[at], frame[at + 1]]);
    SocketAddrV4::new(address.into(), port)
}

/// Sends a client's packet to a task of this node; returns whom the task sees.
#[track_caller]
pub(crate) fn shown(memory: &Memory, body: &Body, from: SocketAddrV4) -> SocketAddrV4 {
    let (verdict, frame) = tc(memory, &body.frame(from, FRONTEND));
    assert_eq!(verdict, Verdict::Bridge);
    seen(&frame)
}

proptest! {
    #[test]
    fn the_task_sees_its_node_and_the_client_gets_its_answer_from_whom_it_called(
        from in client(), request in opening(), answers in (tcp(any::<u8>()), udp()),
    ) {
        let memory = here();
        let sent = request.frame(from, FRONTEND);
        prop_assert_eq!(xdp(&memory, &sent), (Verdict::Pass, sent.clone()));
        let (verdict, delivered) = tc(&memory, &sent);
        prop_assert_eq!(verdict, Verdict::Bridge);
        let known = seen(&delivered);
        prop_assert_eq!(*known.ip(), INGRESS);
        prop_assert!(OTHERS.contains(&known.port()), "{}", known);
        prop_assert_eq!(delivered, request.frame(known, task(0)));
        let answer = if request.is_tcp() { answers.0 } else { answers.1 };
        let replied = task_sends(&memory, &answer.frame(task(0), known));
        prop_assert_eq!(replied, (Verdict::Uplink, answer.frame(FRONTEND, from)));
    }

    #[test]
    fn so_it_is_through_the_tunnel_both_ways(
        from in client(), request in opening(), answers in (tcp(Just(0x18)), udp()),
    ) {
        let (ingress, home) = elsewhere();
        let (_, tunnelled) = xdp(&ingress, &request.frame(from, FRONTEND));
        let (verdict, delivered) = tc(&home, &tunnelled);
        prop_assert_eq!(verdict, Verdict::Bridge);
        let known = seen(&delivered);
        prop_assert_eq!(*known.ip(), HOME);
        // A SYN's options may have changed: see the properties of the clamp.
        if !request.is_tcp() {
            prop_assert_eq!(delivered, request.frame(known, task(0)));
        }
        let answer = if request.is_tcp() { answers.0 } else { answers.1 };
        let (verdict, tunnelled) = task_sends(&home, &answer.frame(task(0), known));
        prop_assert_eq!(verdict, Verdict::Uplink);
        let expected = (Verdict::Uplink, answer.frame(FRONTEND, from));
        prop_assert_eq!(&xdp(&ingress, &tunnelled), &expected);
        prop_assert_eq!(&tc(&ingress, &tunnelled), &expected);
    }
}

#[test]
fn clients_of_other_networks_and_of_other_tasks_networks_are_seen_as_they_are() {
    let mut memory = here();
    let foreign = (*ELSEWHERE.ip(), 32);
    reaches(&mut memory, 1, foreign, UNDER_NODE);
    assert_eq!(shown(&memory, &segment(SYN), ELSEWHERE), ELSEWHERE);
    reaches(&mut memory, 0, foreign, UNDER_NODE);
    let again = SocketAddrV4::new(*ELSEWHERE.ip(), 40_001);
    assert_eq!(*shown(&memory, &segment(SYN), again).ip(), INGRESS);
}

#[test]
fn where_the_nodes_own_address_is_in_such_a_network_it_is_the_gateways() {
    for request in [segment(SYN), Body::bare(Transport::Udp(true))] {
        let mut memory = serving(INGRESS, LOCAL, 1);
        reaches(&mut memory, 0, OWN, UNDER_GATEWAY);
        let known = shown(&memory, &request, CLIENT);
        assert_eq!(*known.ip(), GATEWAY);
        let replied = task_sends(&memory, &request.frame(task(0), known));
        assert_eq!(replied, (Verdict::Uplink, request.frame(FRONTEND, CLIENT)));
    }
}

#[test]
fn a_flow_stays_as_it_began_whatever_the_tasks_networks_are_by_then() {
    let mut memory = here();
    let known = shown(&memory, &segment(SYN), CLIENT);
    task_sends(&memory, &segment(SYN | ACK).frame(task(0), known));
    memory.on_link.clear();
    assert_eq!(shown(&memory, &segment(SYN), CLIENT), known, "sent again");
    for flags in [ACK, ACK | 8, FIN] {
        assert_eq!(shown(&memory, &segment(flags), CLIENT), known, "{flags}");
    }

    let mut memory = serving(INGRESS, LOCAL, 1);
    for datagrams in [false, true] {
        let request = |flags| match datagrams {
            true => Body::bare(Transport::Udp(true)),
            false => segment(flags),
        };
        assert_eq!(shown(&memory, &request(SYN), CLIENT), CLIENT);
        reaches(&mut memory, 0, OWN, UNDER_NODE);
        assert_eq!(shown(&memory, &request(ACK), CLIENT), CLIENT);
        memory.on_link.clear();
    }
}

#[test]
fn a_connection_that_comes_through_another_node_is_the_same_one_to_the_task() {
    const SECOND: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 3);
    let shared = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 99), FRONTEND.port());
    let (mut first, mut home) = elsewhere();
    let keys = home.token_keys;
    let (mut second, _) = pair();
    second.settings = second.settings.map(|settings| lb_abi::settings::Settings {
        node: Be32::new(SECOND.into()),
        ..settings
    });
    home.peers.insert(SECOND.into(), keys);
    for ingress in [&mut first, &mut second] {
        ingress.addresses.insert((*shared.ip()).into());
        for frontend in ingress.frontends.values_mut() {
            frontend.scheduler = lb_abi::service::SCHED_SH;
        }
    }
    let through = |ingress: &Memory, body: &Body| {
        let (verdict, tunnelled) = tc(ingress, &body.frame(CLIENT, shared));
        assert_eq!(verdict, Verdict::Uplink);
        let (verdict, delivered) = tc(&home, &tunnelled);
        assert_eq!(verdict, Verdict::Bridge);
        seen(&delivered)
    };
    let known = through(&first, &segment(SYN));
    assert_eq!(*known.ip(), HOME);
    task_sends(&home, &segment(SYN | ACK).frame(task(0), known));
    assert_eq!(through(&first, &segment(ACK)), known);
    assert_eq!(through(&second, &segment(ACK)), known);
    // And answered through that one.
    let (_, tunnelled) = task_sends(&home, &segment(ACK).frame(task(0), known));
    assert_eq!(tunnelled[30..34], SECOND.octets());
    let expected = segment(ACK).frame(shared, CLIENT);
    assert_eq!(tc(&second, &tunnelled), (Verdict::Uplink, expected));
}

#[test]
fn a_direct_answer_goes_to_the_client_itself() {
    let (ingress, mut home) = elsewhere();
    for frontend in home.frontends.values_mut() {
        frontend.flags |= DIRECT;
    }
    let (_, tunnelled) = tc(&ingress, &segment(SYN).frame(CLIENT, FRONTEND));
    let known = seen(&tc(&home, &tunnelled).1);
    let answer = segment(SYN | ACK);
    let replied = task_sends(&home, &answer.frame(task(0), known));
    assert_eq!(replied, (Verdict::Uplink, answer.frame(FRONTEND, CLIENT)));
}

#[test]
fn fragments_are_addressed_as_their_datagram_is() {
    let memory = here();
    let body = Body {
        payload: vec![7; 32],
        ..Body::bare(Transport::Udp(false))
    };
    let piece = |frame: Vec<u8>, field: u16| {
        let mut frame = frame;
        frame[18..20].copy_from_slice(&[0, 9]);
        frame[20..22].copy_from_slice(&field.to_be_bytes());
        frame[24..26].fill(0);
        let sum = full(&frame[14..34]).to_be_bytes();
        frame[24..26].copy_from_slice(&sum);
        frame
    };
    let (verdict, first) = tc(&memory, &piece(body.frame(CLIENT, FRONTEND), 0x2000));
    assert_eq!(verdict, Verdict::Bridge);
    let known = seen(&first);
    let expected = piece(body.frame(known, task(0)), 0x2000);
    assert_eq!(first, expected);
    let (verdict, rest) = tc(&memory, &piece(body.frame(CLIENT, FRONTEND), 5));
    assert_eq!(verdict, Verdict::Bridge);
    let mut expected = body.frame(known, task(0));
    // No ports are in it.
    expected[34..38].copy_from_slice(&body.frame(CLIENT, FRONTEND)[34..38]);
    assert_eq!(rest, piece(expected, 5));

    task_sends(&memory, &piece(body.frame(task(0), known), 0x2000));
    let (verdict, rest) = task_sends(&memory, &piece(body.frame(task(0), known), 5));
    assert_eq!(verdict, Verdict::Uplink);
    let mut expected = body.frame(FRONTEND, CLIENT);
    expected[34..38].copy_from_slice(&body.frame(task(0), known)[34..38]);
    assert_eq!(rest, piece(expected, 5));
}

#[test]
fn a_container_that_calls_its_node_is_answered_where_the_nodes_address_is_in_the_tasks_network() {
    let mut memory = serving(INGRESS, LOCAL, 1);
    reaches(&mut memory, 0, (INGRESS, 24), UNDER_GATEWAY);
    let caller = SocketAddrV4::new(Ipv4Addr::new(172, 18, 0, 99), 40_000);
    let called = |flags| {
        let (verdict, frame) = task_sends(&memory, &segment(flags).frame(caller, FRONTEND));
        assert_eq!(verdict, Verdict::Bridge);
        seen(&frame)
    };
    let known = called(SYN);
    assert_eq!(*known.ip(), GATEWAY);
    assert_eq!(called(ACK), known);
    let (verdict, answer) = task_sends(&memory, &segment(SYN | ACK).frame(task(0), known));
    assert!(matches!(
        verdict.outcome(),
        lb_datapath::verdict::Outcome::Container(_)
    ));
    assert_eq!(answer, segment(SYN | ACK).frame(FRONTEND, caller));
}
