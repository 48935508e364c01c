//! Sets of known flows: connections and exchanges of datagrams that came in here, by clients or
//! out of the tunnel. What is put out of the tunnel as a reply goes on only if it belongs to one of them; and
//! a task's reply finds the node that the client called.
//!
//! A flow is kept for a short time until it is more than its sender's word: a connection until
//! its client goes on behind its SYN, datagrams until they are answered. So a flood of those that never
//! do takes no room for long. Where there is no room in spite of that, it is written down
//! (`crowded`), and replies of VIPs of this node are let through without: a client must not lose its
//! connection because others have many.

use super::Params;
use super::keys::{CALLER, CONNECTION, Expressions, KeyField, PORT, REPLY, REPLYING};
use super::line::{Line, line, named};
use super::matches::{about, has_address, in_map, is_in, is_not_in, known_connection, protocol};
use super::port_remap::{self, has_remap};
use super::sets::{ANSWERED, CALLERS, CALLS, CROWDED, DATAGRAMS, DIRECT, OPENING, VIPS};
use super::statements::{
    self, back_to_caller, counted, goto, jump, no_priority, put, put_priority, renew, untracked,
};
use super::tcp;
use super::timeouts::{ENDED, EXCHANGE, OPENING_FOR};
use lb_abi::{TCP, UDP};
use lb_netlink::nft::SetName;

/// Maps of flows, by transport protocol.
const FLOWS: [(u8, SetName); 2] = [(TCP, CALLS), (UDP, DATAGRAMS)];
/// The flow of the packet that an ICMP error is about: sent by the client.
const COMPLAINT: [KeyField; 4] = [
    KeyField::Destination,
    KeyField::AboutSourcePort,
    KeyField::Source,
    KeyField::AboutDestinationPort,
];
/// The flow of the packet that an ICMP error is about: sent to the client.
const COMPLAINT_OF_REPLY: [KeyField; 4] = [
    KeyField::AboutDestination,
    KeyField::AboutDestinationPort,
    KeyField::AboutSource,
    KeyField::AboutSourcePort,
];

/// A chain for what opens a connection: is its port the client's only one, which flow is it, and on
/// to IPVS.
pub(super) fn opens() -> Vec<Line> {
    vec![
        line([jump("distinct")]),
        line([jump("note")]),
        port_remap::presented_first(),
        line([no_priority(), untracked(), statements::accept()]),
    ]
}

/// A chain that notes what opens a connection. One that is known keeps its time.
pub(super) fn note() -> Vec<Line> {
    vec![
        line([put(OPENING, &CONNECTION, None)]),
        no_room(is_not_in(OPENING, &CONNECTION)),
        line([known_connection(), back_to_caller()]),
        line([put_priority(CALLS, &CONNECTION, Some(OPENING_FOR))]),
        line([known_connection(), goto("note_port")]),
        no_room(Vec::new()),
    ]
}

/// A chain that notes by which port, if nobody has it.
pub(super) fn note_port() -> Vec<Line> {
    vec![
        line([has_remap(), back_to_caller()]),
        line([
            is_not_in(DIRECT, &PORT),
            is_not_in(CALLERS, &CALLER),
            put(CALLERS, &CALLER, Some(OPENING_FOR)),
        ]),
    ]
}

/// Rules for all other packets of a TCP client, before its port is replaced.
pub(super) fn goes_on() -> [Line; 3] {
    [
        line([tcp::ends(), jump("ended")]),
        line([tcp::says(), jump("lasts")]),
        line([tcp::goes_on(), is_in(OPENING, &CONNECTION), jump("lasts")]),
    ]
}

/// A chain for a connection whose client goes on: from now on it is kept until it has been silent for long.
pub(super) fn lasts() -> Vec<Line> {
    vec![
        line([statements::take(OPENING, &CONNECTION)]),
        line([put_priority(CALLS, &CONNECTION, None)]),
        line([known_connection(), goto("port_lasts")]),
        no_room(Vec::new()),
    ]
}

/// A chain for the port of such a one.
pub(super) fn port_lasts() -> Vec<Line> {
    vec![
        line([has_remap(), back_to_caller()]),
        line([is_not_in(DIRECT, &PORT), put(CALLERS, &CALLER, None)]),
    ]
}

/// A chain for what ends a connection.
pub(super) fn ended() -> Vec<Line> {
    vec![
        line([statements::take(OPENING, &CONNECTION)]),
        line([renew(CALLS, &CONNECTION, Some(ENDED))]),
        line([has_remap(), back_to_caller()]),
        line([
            known_connection(),
            is_in(CALLERS, &CALLER),
            put(CALLERS, &CALLER, Some(ENDED)),
        ]),
    ]
}

/// A chain for a client's datagrams.
pub(super) fn datagram() -> Vec<Line> {
    let answered = || is_in(ANSWERED, &CONNECTION);
    vec![
        line([answered(), put(ANSWERED, &CONNECTION, None)]),
        line([
            answered(),
            put_priority(DATAGRAMS, &CONNECTION, Some(EXCHANGE)),
        ]),
        line([
            is_not_in(ANSWERED, &CONNECTION),
            put_priority(DATAGRAMS, &CONNECTION, None),
        ]),
        line([in_map(DATAGRAMS, &CONNECTION), back_to_caller()]),
        no_room(Vec::new()),
    ]
}

fn no_room(for_it: Expressions) -> Line {
    let crowded = put(CROWDED, &[KeyField::Transport], None);
    named("no room", [for_it, counted(), crowded])
}

/// Rules for replies of any kind, which go to the chain `then` if their client asked for them here.
pub(super) fn replies(then: &'static str) -> Vec<Line> {
    let mut all = vec![
        line([tcp::ends(), renew(CALLS, &REPLY, Some(ENDED))]),
        line([tcp::says(), renew(CALLS, &REPLY, None)]),
    ];
    all.extend(answered());
    all.extend(
        FLOWS.map(|(number, map)| line([protocol(number), in_map(map, &REPLY), goto(then)])),
    );
    all.extend(
        FLOWS.map(|(number, map)| line([about(number), in_map(map, &COMPLAINT), goto(then)])),
    );
    all.push(line([
        is_in(CROWDED, &[KeyField::Transport]),
        is_in(VIPS, &REPLYING),
        goto(then),
    ]));
    all
}

/// Datagrams that were answered are kept for longer.
pub(super) fn answered() -> [Line; 2] {
    [
        line([protocol(UDP), renew(DATAGRAMS, &REPLY, Some(EXCHANGE))]),
        line([
            protocol(UDP),
            in_map(DATAGRAMS, &REPLY),
            put(ANSWERED, &REPLY, None),
        ]),
    ]
}

/// ICMP errors of clients and routers about replies of flows that are known here go to the chain `then`.
pub(super) fn complaints(then: &'static str) -> [Line; 2] {
    FLOWS.map(|(number, map)| line([about(number), in_map(map, &COMPLAINT_OF_REPLY), goto(then)]))
}

/// A task's reply, or ICMP error, whose flow came from another node: the value is the route address of that one.
pub(super) fn from_elsewhere() -> [Expressions; 4] {
    let [tcp, udp] =
        FLOWS.map(|(number, map)| [protocol(number), has_address(map, &REPLY)].concat());
    let [about_tcp, about_udp] =
        FLOWS.map(|(number, map)| [about(number), has_address(map, &COMPLAINT)].concat());
    [tcp, udp, about_tcp, about_udp]
}

/// Sends what matches `foreign` back to the node that is looked up there; what answers a SYN asks for segments that fit
/// into the tunnel.
pub(super) fn sent_back(params: &Params, foreign: Expressions) -> [Line; 2] {
    let clamp = statements::clamp(params.tunnel_mtu);
    [
        named(
            "sent back",
            [tcp::answers(), foreign.clone(), clamp, send_back()],
        ),
        named("sent back", [foreign, send_back()]),
    ]
}

/// A copy goes back, and the packet itself nowhere.
pub(super) fn send_back() -> Expressions {
    [counted(), statements::send_copy(), statements::drop()].concat()
}
