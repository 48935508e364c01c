//! Rules for cookies, which authenticate tunnel packets: 24 bits in the header of VXLAN-GPE that only nodes know.
//!
//! ```text
//!           0                   1                   2                   3
//!  UDP + 8  |   flags   |        cookie, 16 bits        | next proto  |
//!  UDP + 12 |            number (VNI)                   | cookie, 8 b |
//! ```
//!
//! The kernel's own VXLAN sends these bits as zeros and takes nothing else (draft-ietf-nvo3-vxlan-gpe: reserved), so
//! they are written behind the device and cleared before it. Nothing is computed per packet: the
//! agent derives the cookies from keys and puts them into sets.

use super::keys::{Expressions, KEY, KeyField, VALUE, transport};
use super::line::{Line, line, named};
use super::matches::{is_in, value_of};
use super::sets::{COOKIE_HIGH, COOKIE_LOW, COOKIES, PEERS};
use super::statements::{self, accept, counted, drop, untracked};
use lb_netlink::nft::{Expression, Payload, SetName};

const HIGH: Payload = transport(9, 2);
const LOW: Payload = transport(15, 1);
/// `HIGH` and `LOW` with what is beside them: sums are over pairs of bytes.
const AROUND_HIGH: Payload = transport(8, 4);
const AROUND_LOW: Payload = transport(14, 2);
/// A port of the header of UDP that the tunnel does not look at.
const SOURCE_PORT: u8 = 0;

/// Puts the cookie of this node into a packet for another one. The tunnel's packets have no UDP checksum, as no route asks
/// for one.
pub(super) fn put() -> Expressions {
    let write = |map: SetName, field| {
        let set = vec![Expression::Set(field, VALUE)];
        [value_of(map, &[KeyField::Destination]), set].concat()
    };
    [write(COOKIE_HIGH, HIGH), write(COOKIE_LOW, LOW)].concat()
}

/// The chain of what seems to come from another node. The mark says from which, also inside of the tunnel.
///
/// Cards that sum up all of a packet tell the kernel a sum that has to stay right, and there is no checksum to change
/// along: the source port makes up for what is cleared.
pub(super) fn believed() -> Vec<Line> {
    let bears = [
        KeyField::Source,
        KeyField::Field(HIGH),
        KeyField::Field(LOW),
    ];
    let clear = |field, kept: &[u8]| {
        vec![
            Expression::Payload(field, KEY),
            Expression::Mask(KEY, kept.to_vec()),
            Expression::SetSummed(field, SOURCE_PORT, KEY),
        ]
    };
    vec![
        line([
            is_in(COOKIES, &bears),
            clear(AROUND_HIGH, &[u8::MAX, 0, 0, u8::MAX]),
            clear(AROUND_LOW, &[u8::MAX, 0]),
            value_of(PEERS, &[KeyField::Source]),
            statements::set_mark(),
            untracked(),
            accept(),
        ]),
        named("bad token", [counted(), drop()]),
    ]
}
