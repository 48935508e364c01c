//! The rules, chain by chain.
//!
//! A rule whose last step may fail (a full set, no room for a checksum) ends there, and the next
//! one decides: what must happen is in a rule of its own.

use super::acts::{self, accept, counted, drop, untracked};
use super::alias;
use super::flows::{self, OPENING_FOR};
use super::sets::{self, ALLOWED, BRIDGES, CLAIMS, PUBLISHED, PUBLISHED6, RELEASED, RESTRICTED};
use super::steps::{self, Part, Steps, from, is_in};
use super::{
    ANSWER_MARK, IN, LOOP_IN, LOOP_OUT, OUT, Params, TABLE, TABLE_BRIDGE, TABLE_TUNNEL, TABLE6,
    TUNNEL,
};
use super::{cookie, endpoint, outer, tunnel};
use crate::nft::{Chain, ChainKind, Change, Hook, Rule, TableName};

/// Ports of the node's own calls.
const CALLERS: (u16, u16) = (61000, 65535);

pub(super) const PORT: [Part; 2] = [Part::Transport, Part::DestinationPort];
const SERVICE: [Part; 3] = [Part::Destination, Part::Transport, Part::DestinationPort];
pub(super) const ANSWER: [Part; 3] = [Part::Source, Part::Transport, Part::SourcePort];
pub(super) const CONNECTION: [Part; 4] = [
    Part::Source,
    Part::SourcePort,
    Part::Destination,
    Part::DestinationPort,
];

/// Its packets the other way.
pub(super) const REPLY: [Part; 4] = [
    Part::Destination,
    Part::DestinationPort,
    Part::Source,
    Part::SourcePort,
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
        all.extend(rules.into_iter().map(|(steps, comment)| {
            Change::AddRule(Rule {
                table,
                chain: name,
                steps,
                comment,
            })
        }));
    }
    all
}

pub(super) type Line = (Steps, Option<&'static str>);
type Base = Option<(ChainKind, Hook, i32)>;

/// All chains: one that others go to is before them.
fn chains(params: &Params) -> Vec<(TableName, &'static str, Base, Vec<Line>)> {
    let filter = |hook, priority| Some((ChainKind::Filter, hook, priority));
    let nat = |hook, priority| Some((ChainKind::Nat, hook, priority));
    let aliases = alias::found().map(|(name, rules)| (TABLE, name, None, rules));
    let mut all: Vec<_> = aliases.collect();
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
        (TABLE, "distinct", None, alias::distinct()),
        (TABLE, "presented", None, alias::replaced()),
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
        (TABLE, "claim", None, claim()),
        (TABLE, "own", None, own()),
        (TABLE, "raw", filter(Hook::Prerouting, -300), raw(params)),
        // Just before Docker's, which would send it into its own mesh.
        (TABLE, "call_in", nat(Hook::Prerouting, -101), call_in()),
        (TABLE, "call_out", nat(Hook::Output, -101), call_out()),
        (TABLE, "call_post", nat(Hook::Postrouting, 99), call_post()),
        (TABLE, "reply", None, tunnel::reply(params)),
        // After IPVS has made the reply the virtual server's, just before source NAT.
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

pub(super) fn line<const N: usize>(parts: [Steps; N]) -> Line {
    (parts.into_iter().flatten().collect(), None)
}

pub(super) fn named<const N: usize>(name: &'static str, parts: [Steps; N]) -> Line {
    (parts.into_iter().flatten().collect(), Some(name))
}

/// What there is most of comes first.
fn raw(params: &Params) -> Vec<Line> {
    let mut all = vec![
        line([from(TUNNEL), acts::goto("arrived")]),
        line([steps::from_any(BRIDGES), acts::goto("inside")]),
        line([is_in(CLAIMS, &SERVICE), acts::goto("claim")]),
    ];
    all.extend(own_calls(params));
    all
}

/// The node's calls come in as if from outside, and so do the answers to them.
fn own_calls(params: &Params) -> Vec<Line> {
    vec![
        line([
            from(LOOP_IN),
            steps::destination(IN),
            acts::set_destination(params.node),
            acts::goto("own"),
        ]),
        line([
            from(LOOP_OUT),
            steps::destination(OUT),
            steps::source(params.node),
            acts::set_source(IN),
            accept(),
        ]),
        line([from(LOOP_OUT), steps::destination(OUT), accept()]),
    ]
}

/// Calls of the node itself, once they look like calls from outside.
fn own() -> Vec<Line> {
    let mut all = vec![line([steps::opens(), acts::goto("opens")])];
    all.extend(flows::goes_on());
    all.push(alias::presented());
    all.push(line([steps::protocol(steps::UDP), acts::jump("datagram")]));
    all.push(line([untracked(), accept()]));
    all
}

/// Packets for a virtual server.
fn claim() -> Vec<Line> {
    let udp = || steps::protocol(steps::UDP);
    let mut all = vec![
        line([steps::opens(), acts::goto("open")]),
        line([
            steps::protocol(steps::TCP),
            is_in(RELEASED, &CONNECTION),
            acts::put(RELEASED, &CONNECTION, None),
            accept(),
        ]),
    ];
    all.extend(flows::goes_on());
    all.push(alias::presented());
    all.extend([
        line([udp(), steps::not_leased(), accept()]),
        refused(udp()),
        line([udp(), acts::jump("datagram")]),
        line([untracked(), accept()]),
    ]);
    all
}

/// New TCP connections for a virtual server.
fn open(params: &Params) -> Vec<Line> {
    vec![
        named(
            "released",
            [
                steps::not_leased(),
                counted(),
                acts::put(RELEASED, &CONNECTION, Some(OPENING_FOR)),
            ],
        ),
        line([steps::not_leased(), accept()]),
        refused(steps::protocol(steps::TCP)),
        line([steps::protocol(steps::TCP), acts::clamp(params.tunnel_mtu)]),
        line([acts::goto("opens")]),
    ]
}

/// Containers of this node call in its own name: whether they may is asked before that.
pub(super) fn refused_inside() -> [Line; 2] {
    [steps::opens(), steps::protocol(steps::UDP)].map(|packets| {
        let called = [steps::to_here(), steps::leased()].concat();
        refused_where(packets, called)
    })
}

fn refused(protocol: Steps) -> Line {
    refused_where(protocol, Vec::new())
}

fn refused_where(packets: Steps, called: Steps) -> Line {
    let caller = [Part::Transport, Part::DestinationPort, Part::Source];
    named(
        "refused",
        [
            packets,
            is_in(RESTRICTED, &PORT),
            called,
            steps::is_not_in(ALLOWED, &caller),
            counted(),
            drop(),
        ],
    )
}

fn call_in() -> Vec<Line> {
    let containers = steps::from_any(BRIDGES);
    vec![line([containers, to_published(), acts::call(IN)])]
}

fn call_out() -> Vec<Line> {
    vec![line([to_published(), acts::call(IN)])]
}

fn to_published() -> Steps {
    let published = is_in(PUBLISHED, &PORT);
    [steps::to_here(), published, steps::leased()].concat()
}

fn call_post() -> Vec<Line> {
    let (first, last) = CALLERS;
    let each = [steps::TCP, steps::UDP].map(|protocol| {
        line([
            steps::by(LOOP_OUT),
            steps::protocol(protocol),
            acts::call_as(OUT, first, last),
        ])
    });
    each.to_vec()
}

/// Only what tasks of this node answer, which was marked as that when it came in.
fn back() -> Vec<Line> {
    vec![line([
        steps::from_any(BRIDGES),
        steps::marked(ANSWER_MARK),
        acts::set_mark_to(0),
        acts::goto("reply"),
    ])]
}

/// Docker's daemon listens on IPv6 and never answers: refused, callers try IPv4 at once.
fn ipv6() -> Vec<Line> {
    vec![line([
        steps::to_here(),
        steps::protocol(steps::TCP),
        is_in(PUBLISHED6, &PORT),
        acts::reset(),
    ])]
}
