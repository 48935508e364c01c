//! Port remapping: two connections of one client (same source port) that would share a 4-tuple at the task.
//!
//! A client may use one port for two connections at once, as long as those are to different
//! addresses or ports. Where both lead to the same port of the same task, the task and IPVS could
//! not tell them apart (kernel: `ip_vs_conn_out_get`), nor a new one from one that has just
//! ended. So what comes by another address or port than the client's port is known by is
//! presented under another port, on the way to IPVS; and what goes back gets its own again, behind
//! IPVS. Both ends do so: the node that the client called, and the task's.
//!
//! No packet's port is replaced before there is room for the way there and back: where a set is full,
//! a client keeps its port.

use super::keys::{
    CALLER, CONNECTION, DESTINATION_PORT, Expressions, KeyField, PORT, REPLY, SOURCE_PORT, VALUE,
    key, load,
};
use super::line::{Line, line};
use super::matches::{has_port, is_in, is_not_in, known_connection, protocol, value_of};
use super::sets::{CALLERS, DIRECT, ORIGINAL_PORTS, REMAPPED_PORTS};
use super::statements::{back_to_caller, goto, jump, put, put_value};
use super::tcp;
use super::timeouts::{IDLE, OPENING_FOR};
use lb_abi::TCP;
use lb_netlink::nft::{Expression, Payload};
use std::time::Duration;

/// Bits in which a port and its replacement differ, in the order in which they are tried. Linux gives ports from
/// 32768 up to its own sockets, and the replacement then is there, too.
const BITS: [u16; 7] = [0x4000, 0x2000, 0x6000, 0x1000, 0x5000, 0x3000, 0x7000];
/// The chains in which a try succeeds.
const FOUND: [&str; 7] = [
    "remap1", "remap2", "remap3", "remap4", "remap5", "remap6", "remap7",
];

/// The way back is there for so much longer than the way there: who is led there always comes back.
const LONGER: Duration = Duration::from_secs(60);
/// Offset of the checksum in a TCP header.
const CHECKSUM: u8 = 16;

/// A chain for what opens a connection. Replies of tasks that answer past the node that was called
/// would bear the wrong port.
pub(super) fn distinct() -> Vec<Line> {
    let mut all = vec![
        line([is_in(DIRECT, &PORT), back_to_caller()]),
        line([known_connection(), back_to_caller()]),
        line([is_not_in(CALLERS, &CALLER), back_to_caller()]),
    ];
    all.extend(BITS.into_iter().zip(FOUND).map(|(bits, chain)| {
        let other = [KeyField::Source, KeyField::OtherPort(bits)];
        line([is_not_in(CALLERS, &other), goto(chain)])
    }));
    all
}

/// The chains in which the port is written down by which a connection is known instead. It is a caller's now.
/// The way back comes first: where that is not in its map, nobody is led there.
pub(super) fn found() -> impl Iterator<Item = (&'static str, Vec<Line>)> {
    FOUND.into_iter().zip(BITS).map(|(chain, bits)| {
        let other = KeyField::OtherPort(bits);
        let there = [
            KeyField::Source,
            other,
            KeyField::Destination,
            KeyField::DestinationPort,
        ];
        let time = Some(OPENING_FOR);
        let noted = [
            put(CALLERS, &[KeyField::Source, other], time),
            key(&there),
            load(KeyField::SourcePort, VALUE),
            vec![put_value(ORIGINAL_PORTS, Some(OPENING_FOR + LONGER))],
            key(&CONNECTION),
            load(other, VALUE),
            vec![put_value(REMAPPED_PORTS, time)],
        ];
        (chain, vec![line(noted)])
    })
}

/// The connection is known by another port.
pub(super) fn has_remap() -> Expressions {
    has_port(REMAPPED_PORTS, &CONNECTION)
}

/// What opens a connection, on its way to IPVS: the client's port is replaced, if it has a replacement.
pub(super) fn presented_first() -> Line {
    line([
        tcp::opens(),
        value_of(REMAPPED_PORTS, &CONNECTION),
        set(SOURCE_PORT),
    ])
}

/// All else, likewise, in a chain of its own: few have one.
pub(super) fn presented() -> Line {
    line([tcp::opens_not(), has_remap(), jump("presented")])
}

/// The chain: each packet of the client renews what leads its packets there and its replies back.
pub(super) fn replaced() -> Vec<Line> {
    let renewed = |map, time, then: Expressions| {
        line([
            has_port(map, &CONNECTION),
            load(KeyField::SourcePort, VALUE),
            vec![put_value(map, Some(time))],
            then,
        ])
    };
    vec![
        renewed(REMAPPED_PORTS, IDLE, Vec::new()),
        line([value_of(REMAPPED_PORTS, &CONNECTION), set(SOURCE_PORT)]),
        renewed(
            ORIGINAL_PORTS,
            IDLE + LONGER,
            put(CALLERS, &CALLER, Some(IDLE)),
        ),
    ]
}

/// From IPVS: the port is the client's own again.
pub(super) fn restored() -> Line {
    line([
        protocol(TCP),
        value_of(ORIGINAL_PORTS, &REPLY),
        set(DESTINATION_PORT),
    ])
}

fn set(port: Payload) -> Expressions {
    vec![Expression::SetSummed(port, CHECKSUM, VALUE)]
}
