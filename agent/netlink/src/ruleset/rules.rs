//! The rules, chain by chain.
//!
//! A rule whose last expression may fail (a full set, no room for a checksum) ends there, and the next
//! one decides: what must happen is in a rule of its own.

use super::flows::{self, OPENING_FOR};
use super::matches::{self, Expressions, KeyField, from, is_in};
use super::port_remap;
use super::sets::{self, ALLOWED, BRIDGES, PUBLISHED, PUBLISHED6, RELEASED, RESTRICTED, VIPS};
use super::statements::{self, accept, counted, drop, untracked};
use super::{
    ANSWER_MARK, HAIRPIN_IN, HAIRPIN_OUT, IN, OUT, Params, TABLE, TABLE_BRIDGE, TABLE_TUNNEL,
    TABLE6, TUNNEL,
};
use super::{cookie, endpoint, outer, tunnel};
use crate::nft::{Chain, ChainKind, Change, Hook, Rule, TableName};

/// Ports of the node's own calls.
const CALLERS: (u16, u16) = (61000, 65535);

pub(super) const PORT: [KeyField; 2] = [KeyField::Transport, KeyField::DestinationPort];
const SERVICE: [KeyField; 3] = [
    KeyField::Destination,
    KeyField::Transport,
    KeyField::DestinationPort,
];
pub(super) const ANSWER: [KeyField; 3] =
    [KeyField::Source, KeyField::Transport, KeyField::SourcePort];
pub(super) const CONNECTION: [KeyField; 4] = [
    KeyField::Source,
    KeyField::SourcePort,
    KeyField::Destination,
    KeyField::DestinationPort,
];

/// Its packets the other way.
pub(super) const REPLY: [KeyField; 4] = [
    KeyField::Destination,
    KeyField::DestinationPort,
    KeyField::Source,
    KeyField::SourcePort,
];

/// Sets, chains and rules, to be added to the empty tables. The device [`TUNNEL`] must be there.
#[must_use]
pub fn ruleset(params: &Params) -> Vec<Change> {
    let sets = sets::all(params.connections)
        .into_iter()
        .map(Change::AddSet);
    let mut all: Vec<Change> = sets.collect();
    for (table, name, base, rules) in chains(params) {
        all.push(Change::AddChain(Chain { table, name, base }));
        all.extend(rules.into_iter().map(|(expressions, comment)| {
            Change::AddRule(Rule {
                table,
                chain: name,
                expressions,
                comment,
            })
        }));
    }
    all
}

pub(super) type Line = (Expressions, Option<&'static str>);
type Base = Option<(ChainKind, Hook, i32)>;

/// All chains: one that others go to is before them.
fn chains(params: &Params) -> Vec<(TableName, &'static str, Base, Vec<Line>)> {
    let filter = |hook, priority| Some((ChainKind::Filter, hook, priority));
    let nat = |hook, priority| Some((ChainKind::Nat, hook, priority));
    let remaps = port_remap::found().map(|(name, rules)| (TABLE, name, None, rules));
    let mut all: Vec<_> = remaps.collect();
    all.extend([
        (TABLE, "believed", None, cookie::believed()),
        (
            TABLE,
            "tunnel",
            filter(Hook::Prerouting, -301),
            outer::incoming(params),
        ),
        (
            TABLE,
            "tunnel_out",
            filter(Hook::Output, -301),
            outer::outgoing(params),
        ),
        (
            TABLE,
            "tunnel_through",
            filter(Hook::Forward, -301),
            outer::passing(params),
        ),
        (TABLE, "distinct", None, port_remap::distinct()),
        (TABLE, "presented", None, port_remap::replaced()),
        (TABLE, "note_port", None, flows::note_port()),
        (TABLE, "note", None, flows::note()),
        (TABLE, "opens", None, flows::opens()),
        (TABLE, "port_lasts", None, flows::port_lasts()),
        (TABLE, "lasts", None, flows::lasts()),
        (TABLE, "ended", None, flows::ended()),
        (TABLE, "datagram", None, flows::datagram()),
        (TABLE, "deliver", None, tunnel::deliver()),
        (TABLE, "returned", None, tunnel::returned()),
        (TABLE, "told", None, tunnel::told()),
        (TABLE, "unknown", None, tunnel::unknown()),
        (TABLE, "arrived", None, tunnel::arrived()),
        (TABLE, "inside", None, tunnel::of_containers()),
        (TABLE, "open", None, open(params)),
        (TABLE, "steer", None, steer()),
        (TABLE, "own", None, own()),
        (TABLE, "raw", filter(Hook::Prerouting, -300), raw(params)),
        // Just before Docker's, which would send it into its own mesh.
        (TABLE, "call_in", nat(Hook::Prerouting, -101), call_in()),
        (TABLE, "call_out", nat(Hook::Output, -101), call_out()),
        (TABLE, "call_post", nat(Hook::Postrouting, 99), call_post()),
        (TABLE, "reply", None, tunnel::reply(params)),
        // After IPVS has made the reply the virtual service's, just before source NAT.
        (TABLE, "back", filter(Hook::Forward, 101), back()),
        // The same for a client that is this very node, called another and got a task from here:
        // it knows only that other one.
        (TABLE, "back_here", filter(Hook::Input, 101), back()),
        (TABLE6, "output", filter(Hook::Output, 0), ipv6()),
        // Before bridges learn from frames, and before the filter for bridged packets.
        (
            TABLE_BRIDGE,
            "spoofed",
            filter(Hook::Prerouting, -301),
            endpoint::spoofed(),
        ),
        (
            TABLE_TUNNEL,
            "tunnel",
            filter(Hook::Ingress(TUNNEL), 0),
            tunnel::inner(),
        ),
    ]);
    all
}

pub(super) fn line<const N: usize>(parts: [Expressions; N]) -> Line {
    (parts.into_iter().flatten().collect(), None)
}

pub(super) fn named<const N: usize>(name: &'static str, parts: [Expressions; N]) -> Line {
    (parts.into_iter().flatten().collect(), Some(name))
}

/// What there is most of comes first.
fn raw(params: &Params) -> Vec<Line> {
    let mut all = vec![
        line([from(TUNNEL), statements::goto("arrived")]),
        line([matches::from_any(BRIDGES), statements::goto("inside")]),
        line([is_in(VIPS, &SERVICE), statements::goto("steer")]),
    ];
    all.extend(own_calls(params));
    all
}

/// The node's calls come in as if from outside, and so do the answers to them.
fn own_calls(params: &Params) -> Vec<Line> {
    vec![
        line([
            from(HAIRPIN_IN),
            matches::destination(IN),
            statements::set_destination(params.node),
            statements::goto("own"),
        ]),
        line([
            from(HAIRPIN_OUT),
            matches::destination(OUT),
            matches::source(params.node),
            statements::set_source(IN),
            accept(),
        ]),
        line([from(HAIRPIN_OUT), matches::destination(OUT), accept()]),
    ]
}

/// Calls of the node itself, once they look like calls from outside.
fn own() -> Vec<Line> {
    let mut all = vec![line([matches::opens(), statements::goto("opens")])];
    all.extend(flows::goes_on());
    all.push(port_remap::presented());
    all.push(line([
        matches::protocol(matches::UDP),
        statements::jump("datagram"),
    ]));
    all.push(line([untracked(), accept()]));
    all
}

/// Packets for a virtual service.
fn steer() -> Vec<Line> {
    let udp = || matches::protocol(matches::UDP);
    let mut all = vec![
        line([matches::opens(), statements::goto("open")]),
        line([
            matches::protocol(matches::TCP),
            is_in(RELEASED, &CONNECTION),
            statements::put(RELEASED, &CONNECTION, None),
            accept(),
        ]),
    ];
    all.extend(flows::goes_on());
    all.push(port_remap::presented());
    all.extend([
        line([udp(), matches::not_leased(), accept()]),
        refused(udp()),
        line([udp(), statements::jump("datagram")]),
        line([untracked(), accept()]),
    ]);
    all
}

/// New TCP connections for a virtual service.
fn open(params: &Params) -> Vec<Line> {
    vec![
        named(
            "released",
            [
                matches::not_leased(),
                counted(),
                statements::put(RELEASED, &CONNECTION, Some(OPENING_FOR)),
            ],
        ),
        line([matches::not_leased(), accept()]),
        refused(matches::protocol(matches::TCP)),
        line([
            matches::protocol(matches::TCP),
            statements::clamp(params.tunnel_mtu),
        ]),
        line([statements::goto("opens")]),
    ]
}

/// Containers of this node call in its own name: whether they may is asked before that.
pub(super) fn refused_inside() -> [Line; 2] {
    [matches::opens(), matches::protocol(matches::UDP)].map(|packets| {
        let called = [matches::to_here(), matches::leased()].concat();
        refused_where(packets, called)
    })
}

fn refused(protocol: Expressions) -> Line {
    refused_where(protocol, Vec::new())
}

fn refused_where(packets: Expressions, called: Expressions) -> Line {
    let caller = [
        KeyField::Transport,
        KeyField::DestinationPort,
        KeyField::Source,
    ];
    named(
        "refused",
        [
            packets,
            is_in(RESTRICTED, &PORT),
            called,
            matches::is_not_in(ALLOWED, &caller),
            counted(),
            drop(),
        ],
    )
}

fn call_in() -> Vec<Line> {
    let containers = matches::from_any(BRIDGES);
    vec![line([containers, to_published(), statements::call(IN)])]
}

fn call_out() -> Vec<Line> {
    vec![line([to_published(), statements::call(IN)])]
}

fn to_published() -> Expressions {
    let published = is_in(PUBLISHED, &PORT);
    [matches::to_here(), published, matches::leased()].concat()
}

fn call_post() -> Vec<Line> {
    let (first, last) = CALLERS;
    let each = [matches::TCP, matches::UDP].map(|protocol| {
        line([
            matches::by(HAIRPIN_OUT),
            matches::protocol(protocol),
            statements::call_as(OUT, first, last),
        ])
    });
    each.to_vec()
}

/// Only what tasks of this node answer, which was marked as that when it came in.
fn back() -> Vec<Line> {
    vec![line([
        matches::from_any(BRIDGES),
        matches::marked(ANSWER_MARK),
        statements::set_mark_to(0),
        statements::goto("reply"),
    ])]
}

/// Docker's daemon listens on IPv6 and never answers: refused, callers try IPv4 at once.
fn ipv6() -> Vec<Line> {
    vec![line([
        matches::to_here(),
        matches::protocol(matches::TCP),
        is_in(PUBLISHED6, &PORT),
        statements::reset(),
    ])]
}
