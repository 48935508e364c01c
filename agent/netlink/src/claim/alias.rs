//! Clients that meet themselves at a task.
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

use super::acts::{back_to_caller, goto, jump, put, put_value};
use super::flows::{OPENING_FOR, known};
use super::rules::{CONNECTION, Line, PORT, REPLY, line};
use super::sets::{ALIASED, ALIASES, CALLERS, DIRECT};
use super::steps::{
    self, DESTINATION_PORT, Part, SOURCE_PORT, Steps, TCP, VALUE, is_in, is_not_in, load, opens,
    opens_not, protocol, value_of,
};
use crate::nft::{Expression, Payload};
use std::time::Duration;

/// Bits in which a port and its alias differ, in the order in which they are tried. Linux gives ports from
/// 32768 up to its own sockets, and there aliases are then, too.
const BITS: [u16; 7] = [0x4000, 0x2000, 0x6000, 0x1000, 0x5000, 0x3000, 0x7000];
/// The chains in which a try succeeds.
const FOUND: [&str; 7] = [
    "alias1", "alias2", "alias3", "alias4", "alias5", "alias6", "alias7",
];

/// Without any more packets, a connection under another port is forgotten after so long.
const IDLE: Duration = Duration::from_secs(3600);
/// The way back is there for so much longer than the way there: who is led there always comes back.
const LONGER: Duration = Duration::from_secs(60);
/// Where the checksum of TCP is in its header.
const CHECKSUM: u8 = 16;

pub(super) const CALLER: [Part; 2] = [Part::Source, Part::SourcePort];

/// A chain for what opens a connection. Replies of tasks that answer past the node that was called
/// would bear the wrong port.
pub(super) fn distinct() -> Vec<Line> {
    let mut all = vec![
        line([is_in(DIRECT, &PORT), back_to_caller()]),
        line([known(), back_to_caller()]),
        line([is_not_in(CALLERS, &CALLER), back_to_caller()]),
    ];
    all.extend(BITS.into_iter().zip(FOUND).map(|(bits, chain)| {
        let other = [Part::Source, Part::OtherPort(bits)];
        line([is_not_in(CALLERS, &other), goto(chain)])
    }));
    all
}

/// The chains in which the port is written down by which a connection is known instead. It is a caller's now.
/// The way back comes first: where that is not in its map, nobody is led there.
pub(super) fn found() -> impl Iterator<Item = (&'static str, Vec<Line>)> {
    FOUND.into_iter().zip(BITS).map(|(chain, bits)| {
        let other = Part::OtherPort(bits);
        let there = [
            Part::Source,
            other,
            Part::Destination,
            Part::DestinationPort,
        ];
        let time = Some(OPENING_FOR);
        let noted = [
            put(CALLERS, &[Part::Source, other], time),
            steps::key(&there),
            load(Part::SourcePort, VALUE),
            vec![put_value(ALIASED, Some(OPENING_FOR + LONGER))],
            steps::key(&CONNECTION),
            load(other, VALUE),
            vec![put_value(ALIASES, time)],
        ];
        (chain, vec![line(noted)])
    })
}

/// Is the connection known by another port?
pub(super) fn has_alias() -> Steps {
    steps::has_port(ALIASES, &CONNECTION)
}

/// What opens a connection, on its way to IPVS: the client's port becomes the alias, if there is one.
pub(super) fn presented_first() -> Line {
    line([opens(), value_of(ALIASES, &CONNECTION), set(SOURCE_PORT)])
}

/// All else, likewise, in a chain of its own: few have one.
pub(super) fn presented() -> Line {
    line([opens_not(), has_alias(), jump("presented")])
}

/// The chain: each packet of the client renews what leads its packets there and its replies back.
pub(super) fn replaced() -> Vec<Line> {
    let renewed = |map, time, then: Steps| {
        line([
            steps::has_port(map, &CONNECTION),
            load(Part::SourcePort, VALUE),
            vec![put_value(map, Some(time))],
            then,
        ])
    };
    vec![
        renewed(ALIASES, IDLE, Vec::new()),
        line([value_of(ALIASES, &CONNECTION), set(SOURCE_PORT)]),
        renewed(ALIASED, IDLE + LONGER, put(CALLERS, &CALLER, Some(IDLE))),
    ]
}

/// From IPVS: the alias becomes the client's port.
pub(super) fn restored() -> Line {
    line([
        protocol(TCP),
        value_of(ALIASED, &REPLY),
        set(DESTINATION_PORT),
    ])
}

fn set(port: Payload) -> Steps {
    vec![Expression::SetSummed(port, CHECKSUM, VALUE)]
}
