//! Clients that meet themselves at a task.
//!
//! A client may use one port for two connections at once, as long as those are to different
//! addresses or ports. Where both lead to the same port of the same task, the task and IPVS could
//! not tell them apart (kernel: `ip_vs_conn_out_get`), nor a new one from one that has just
//! ended. So what comes by another address or port than the client's port is known by is
//! presented under another port, on the way to IPVS; and what goes back gets its own again, behind
//! IPVS. Both ends do so: the node that the client called, and the task's.

use super::acts::{back_to_caller, goto, put, put_for, put_value};
use super::rules::{CONNECTION, Line, PORT, line};
use super::sets::{ALIASED, ALIASES, CALLERS, CALLS, DIRECT};
use super::steps::{
    DESTINATION_PORT, Part, SOURCE_PORT, Steps, TCP, VALUE, is_in, is_not_in, key, opens, protocol,
    value_of,
};
use crate::nft::{Expression, Payload, SetName};
use std::time::Duration;

/// Bits in which a port and its alias differ, in the order in which they are tried. Linux gives ports from
/// 32768 up to its own sockets, and there aliases are then, too.
const BITS: [u16; 7] = [0x4000, 0x2000, 0x6000, 0x1000, 0x5000, 0x3000, 0x7000];
/// The chains in which a try succeeds.
const FOUND: [&str; 7] = [
    "alias1", "alias2", "alias3", "alias4", "alias5", "alias6", "alias7",
];

/// So long IPVS (`IP_VS_TCP_S_TIME_WAIT`) and hosts know a connection that has ended, and a bit.
const ENDED: Duration = Duration::from_secs(130);
/// Where the checksum of TCP is in its header.
const CHECKSUM: u8 = 16;

const CALLER: [Part; 2] = [Part::Source, Part::SourcePort];
const REPLY: [Part; 4] = [
    Part::Destination,
    Part::DestinationPort,
    Part::Source,
    Part::SourcePort,
];

/// A chain for packets that open or end a connection.
pub(super) fn call() -> Vec<Line> {
    vec![
        line([opens(), goto("distinct")]),
        line([
            is_in(CALLS, &CONNECTION),
            put_for(CALLS, &CONNECTION, Some(ENDED)),
            put_for(CALLERS, &CALLER, Some(ENDED)),
        ]),
    ]
}

/// A chain for what opens a connection. Replies of tasks that answer past the node that was called
/// would bear the wrong port.
pub(super) fn distinct() -> Vec<Line> {
    let known = || is_in(CALLS, &CONNECTION);
    let mut all = vec![
        line([is_in(DIRECT, &PORT), back_to_caller()]),
        line([known(), note()]),
        line([is_not_in(CALLERS, &CALLER), note()]),
        line([known(), back_to_caller()]),
        line([
            value_of(ALIASES, &CONNECTION),
            set(SOURCE_PORT),
            back_to_caller(),
        ]),
    ];
    let mut before = 0;
    for (bits, chain) in BITS.into_iter().zip(FOUND) {
        all.push(line([flip(bits ^ before)]));
        all.push(line([is_not_in(CALLERS, &CALLER), goto(chain)]));
        before = bits;
    }
    all.push(line([flip(before)]));
    all
}

/// The chains for packets whose port was replaced by one that nobody is known by. It is a caller's now,
/// but no call of the client's: that would be another one.
pub(super) fn found() -> impl Iterator<Item = (&'static str, Vec<Line>)> {
    FOUND.into_iter().zip(BITS).map(|(chain, bits)| {
        let noted = [
            put(CALLERS, &CALLER),
            put_other(ALIASED, &CONNECTION, SOURCE_PORT, bits),
            flip(bits),
            put_other(ALIASES, &CONNECTION, SOURCE_PORT, bits),
            flip(bits),
        ];
        (chain, vec![line(noted)])
    })
}

fn note() -> Steps {
    [put(CALLS, &CONNECTION), put(CALLERS, &CALLER)].concat()
}

fn flip(bits: u16) -> Steps {
    [other(SOURCE_PORT, bits), set(SOURCE_PORT)].concat()
}

/// To IPVS: the client's port becomes the alias, if there is one. Each direction renews what the
/// other one needs; to what is there, the value does nothing.
pub(super) fn presented() -> Line {
    line([
        protocol(TCP),
        value_of(ALIASES, &CONNECTION),
        set(SOURCE_PORT),
        put_other(ALIASED, &CONNECTION, SOURCE_PORT, BITS[0]),
    ])
}

/// From IPVS: the alias becomes the client's port.
pub(super) fn restored(which: Steps) -> Line {
    line([
        which,
        protocol(TCP),
        value_of(ALIASED, &REPLY),
        set(DESTINATION_PORT),
        put_other(ALIASES, &REPLY, DESTINATION_PORT, BITS[0]),
    ])
}

fn set(port: Payload) -> Steps {
    vec![Expression::SetPort(port, CHECKSUM, VALUE)]
}

/// Puts a port into a map, with these bits turned over.
fn put_other(map: SetName, parts: &[Part], port: Payload, bits: u16) -> Steps {
    [key(parts), other(port, bits), vec![put_value(map)]].concat()
}

/// The value is a port with these bits turned over.
fn other(port: Payload, bits: u16) -> Steps {
    let flip = Expression::Flip(VALUE, bits.to_be_bytes().to_vec());
    vec![Expression::Payload(port, VALUE), flip]
}
