//! ICMP errors about flows: to the task about the packet that it sent, to the client about the packet that it sent, and
//! through the tunnel as straight. The frames to compare with are written anew.

use std::net::{Ipv4Addr, SocketAddrV4};

use etherparse::{EtherType, Ethernet2Header, IpNumber, Ipv4Header, Ipv4Options};
use lb_abi::Be16;
use lb_abi::counters::Reason;
use lb_abi::service::LOCAL;
use lb_abi::settings::Settings;
use lb_datapath::Verdict;
use lb_datapath::bridge::bridge;
use lb_datapath::checksum::full;
use lb_datapath::model::{Frame, Memory};
use lb_datapath::tunnel::OVERHEAD;
use lb_datapath::uplink::uplink;
use proptest::prelude::*;

use crate::faulty::Stiff;
use crate::nodes::{FRONTEND, INGRESS, MAC, pair, serving, task};
use crate::packets::{Body, client, opening, segment, tcp, udp};

/// A router between client and node.
pub(crate) const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 99);
pub(crate) const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 7), 40_000);

/// What an error quotes of a packet between these ends: its IPv4 header, and both ports with what comes in the four bytes
/// behind them (RFC 792).
pub(crate) fn quoted(body: &Body, from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    let head = 20 + body.ip_options.len() + 8;
    body.frame(from, to)[14..14 + head].to_vec()
}

/// An error of this kind in a frame, with right checksums.
pub(crate) fn error(
    kind: u8,
    (from, to): (Ipv4Addr, Ipv4Addr),
    options: &[u8],
    quoted: &[u8],
) -> Vec<u8> {
    let mut icmp = vec![kind, 1, 0, 0, 0, 0, 5, 0x78];
    icmp.extend(quoted);
    let sum = full(&icmp);
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut ip = Ipv4Header::new(0, 61, IpNumber::ICMP, from.octets(), to.octets()).unwrap();
    ip.options = Ipv4Options::try_from(options).unwrap();
    ip.set_payload_len(icmp.len()).unwrap();
    ip.header_checksum = ip.calc_header_checksum();
    let ethernet = Ethernet2Header {
        destination: MAC,
        source: [2, 0, 0, 0, 0, 9],
        ether_type: EtherType::IPV4,
    };
    let mut frame = ethernet.to_bytes().to_vec();
    frame.extend(ip.to_bytes());
    frame.extend(icmp);
    frame
}

pub(crate) fn xdp(memory: &Memory, bytes: &[u8]) -> (Verdict, Vec<u8>) {
    let mut frame = Frame::<false>::new(bytes.to_vec());
    (uplink(&mut frame, memory), frame.bytes)
}

pub(crate) fn tc(memory: &Memory, bytes: &[u8]) -> (Verdict, Vec<u8>) {
    let mut frame = Frame::<true>::new(bytes.to_vec());
    (uplink(&mut frame, memory), frame.bytes)
}

pub(crate) fn task_sends(memory: &Memory, bytes: &[u8]) -> (Verdict, Vec<u8>) {
    let mut frame = Frame::<true>::new(bytes.to_vec());
    (bridge(&mut frame, memory), frame.bytes)
}

/// A node with one task, which has a connection of [`CLIENT`]'s.
pub(crate) fn here() -> Memory {
    let memory = serving(INGRESS, LOCAL, 1);
    tc(&memory, &segment(0x02).frame(CLIENT, FRONTEND));
    memory
}

/// The ingress node and the home of its one task, which has a connection of [`CLIENT`]'s.
pub(crate) fn elsewhere() -> (Memory, Memory) {
    let (ingress, home) = pair();
    let (_, tunnelled) = tc(&ingress, &segment(0x02).frame(CLIENT, FRONTEND));
    tc(&home, &tunnelled);
    (ingress, home)
}

/// An error of a router's about an answer, as it comes from outside, and as the task gets it.
pub(crate) fn about_answer() -> (Vec<u8>, Vec<u8>) {
    let answer = segment(0x12);
    let [came, expected] = [FRONTEND, task(0)].map(|at| {
        let ends = (ROUTER, *at.ip());
        error(3, ends, &[], &quoted(&answer, at, CLIENT))
    });
    (came, expected)
}

/// An error of the task's about a request, as the task sends it, and as the client gets it.
pub(crate) fn about_request() -> (Vec<u8>, Vec<u8>) {
    let request = segment(0x02);
    let [came, expected] = [task(0), FRONTEND].map(|at| {
        let ends = (*at.ip(), *CLIENT.ip());
        error(3, ends, &[], &quoted(&request, CLIENT, at))
    });
    (came, expected)
}

/// Destination unreachable, time exceeded, parameter problem.
fn kind() -> impl Strategy<Value = u8> {
    prop_oneof![Just(3u8), Just(11), Just(12)]
}

proptest! {
    #[test]
    fn an_error_about_an_answer_reaches_the_task(
        from in client(), request in opening(), answers in (tcp(Just(0x18)), udp()), kind in kind(), itself: bool,
    ) {
        let answer = if request.is_tcp() { answers.0 } else { answers.1 };
        let sender = if itself { *from.ip() } else { ROUTER };
        let of = |at: SocketAddrV4| {
            error(kind, (sender, *at.ip()), &request.ip_options, &quoted(&answer, at, from))
        };
        let (came, expected) = (of(FRONTEND), of(task(0)));
        let memory = serving(INGRESS, LOCAL, 1);
        tc(&memory, &request.frame(from, FRONTEND));
        prop_assert_eq!(xdp(&memory, &came), (Verdict::Pass, came.clone()));
        prop_assert_eq!(tc(&memory, &came), (Verdict::Bridge, expected.clone()));

        let (ingress, home) = pair();
        let (_, tunnelled) = tc(&ingress, &request.frame(from, FRONTEND));
        tc(&home, &tunnelled);
        let (verdict, tunnelled) = tc(&ingress, &came);
        prop_assert_eq!((verdict, tunnelled.len()), (Verdict::Uplink, came.len() + OVERHEAD));
        prop_assert_eq!(xdp(&home, &tunnelled), (Verdict::Pass, tunnelled.clone()));
        prop_assert_eq!(tc(&home, &tunnelled), (Verdict::Bridge, expected));
    }

    #[test]
    fn an_error_of_a_task_reaches_the_client_in_the_frontends_name(
        from in client(), request in opening(), kind in kind(),
    ) {
        let of = |at: SocketAddrV4| {
            error(kind, (*at.ip(), *from.ip()), &request.ip_options, &quoted(&request, from, at))
        };
        let (came, expected) = (of(task(0)), of(FRONTEND));
        let memory = serving(INGRESS, LOCAL, 1);
        tc(&memory, &request.frame(from, FRONTEND));
        prop_assert_eq!(task_sends(&memory, &came), (Verdict::Uplink, expected.clone()));

        let (ingress, home) = pair();
        let (_, tunnelled) = tc(&ingress, &request.frame(from, FRONTEND));
        tc(&home, &tunnelled);
        let (verdict, tunnelled) = task_sends(&home, &came);
        prop_assert_eq!((verdict, tunnelled.len()), (Verdict::Uplink, came.len() + OVERHEAD));
        prop_assert_eq!(xdp(&ingress, &tunnelled), (Verdict::Pass, tunnelled.clone()));
        prop_assert_eq!(tc(&ingress, &tunnelled), (Verdict::Uplink, expected));
    }
}

#[test]
fn a_task_that_knows_the_client_by_another_port_is_told_about_that_one() {
    let mut memory = here();
    for flow in memory.flows.get_mut().values_mut() {
        flow.remapped_port = Be16::new(2_000);
    }
    let known = SocketAddrV4::new(*CLIENT.ip(), 2_000);
    let ends = (ROUTER, *task(0).ip());
    let expected = error(3, ends, &[], &quoted(&segment(0x12), task(0), known));
    assert_eq!(
        tc(&memory, &about_answer().0),
        (Verdict::Bridge, expected),
        "the port that it answers to"
    );
}

#[test]
fn an_error_goes_to_the_bridge_that_the_task_is_on_and_nowhere_while_there_is_none() {
    let mut memory = here();
    let (came, expected) = about_answer();
    memory.settings = memory.settings.map(|settings| Settings {
        bridge: 0,
        ..settings
    });
    assert_eq!(tc(&memory, &came), (Verdict::Pass, came.clone()));
    for backend in memory.backends.values_mut() {
        backend.link = 44;
    }
    assert_eq!(tc(&memory, &came), (Verdict::Container(44), expected));
}

#[test]
fn an_error_for_a_process_of_the_ingress_node_is_the_kernels() {
    let (mut ingress, home) = elsewhere();
    let (came, expected) = about_request();
    ingress.addresses.insert((*CLIENT.ip()).into());
    let (_, tunnelled) = task_sends(&home, &came);
    assert_eq!(tc(&ingress, &tunnelled), (Verdict::Pass, expected));
}

#[test]
fn an_error_that_does_not_fit_the_tunnel_is_dropped_and_counted() {
    // About an error nobody is told anything.
    let (mut ingress, mut home) = elsewhere();
    let (answer, request) = (about_answer().0, about_request().0);
    let bytes = u32::try_from(answer.len() - 14 + OVERHEAD).unwrap();
    let too_big = Verdict::Drop(Reason::TooBig);
    for (mtu, expected) in [(bytes, Verdict::Uplink), (bytes - 1, too_big)] {
        for memory in [&mut ingress, &mut home] {
            memory.settings = memory.settings.map(|settings| Settings { mtu, ..settings });
        }
        assert_eq!(tc(&ingress, &answer).0, expected, "{mtu}");
        assert_eq!(task_sends(&home, &request).0, expected, "{mtu}");
    }
}

#[test]
fn an_error_that_cannot_be_changed_is_dropped_and_counted() {
    let no_room = Verdict::Drop(Reason::NoRoom);
    let stiff = |memory: &Memory, bytes: &[u8]| {
        uplink(&mut Stiff(Frame::<true>::new(bytes.to_vec())), memory)
    };
    let (answer, request) = (about_answer().0, about_request().0);
    assert_eq!(stiff(&here(), &answer), no_room);
    let mut frame = Stiff(Frame::<true>::new(request.clone()));
    assert_eq!(bridge(&mut frame, &here()), no_room);
    let (ingress, home) = elsewhere();
    assert_eq!(stiff(&ingress, &answer), no_room, "into the tunnel");
    let (_, to_task) = tc(&ingress, &answer);
    assert_eq!(stiff(&home, &to_task), no_room, "out of it, to the task");
    let (_, to_client) = task_sends(&home, &request);
    assert_eq!(stiff(&ingress, &to_client), no_room, "to the client");
}
