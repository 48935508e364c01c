//! The rules, chain by chain.
//!
//! A rule whose last expression may fail (a full set, no room for a checksum) ends there, and the next
//! one decides: what must happen is in a rule of its own.

use super::access::refused;
use super::flows;
use super::keys::{CONNECTION, Expressions, PORT, SERVICE};
use super::line::{Line, line, named};
use super::matches::{self, from, is_in};
use super::port_remap;
use super::sets::{self, BRIDGES, PUBLISHED, PUBLISHED6, RELEASED, VIPS};
use super::statements::{self, accept, counted, untracked};
use super::tcp;
use super::timeouts::OPENING_FOR;
use super::{Params, TABLE, TABLE_BRIDGE, TABLE_TUNNEL, TABLE6};
use super::{cookie, endpoint, outer, own_datagrams, own_ports, tunnel};
use lb_abi::{TCP, UDP};
use lb_core::backend::ipvs::ids::{
    ANSWER_MARK, HAIRPIN_FROM, HAIRPIN_IN, HAIRPIN_OUT, HAIRPIN_TO, TUNNEL,
};
use lb_netlink::nft::{
    Chain, ChainKind, Change, Hook, PRIO_BRIDGE_DSTNAT, PRIO_DSTNAT, PRIO_FILTER, PRIO_RAW,
    PRIO_SRCNAT, Rule, TableName,
};

/// Ports of the node's own calls.
const CALLERS: (u16, u16) = (61000, 65535);

/// Sets, chains and rules, to be added to the empty tables. The device [`TUNNEL`] must be there.
#[must_use]
pub fn definition(params: &Params) -> Vec<Change> {
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

type Base = Option<(ChainKind, Hook, i32)>;

/// All chains; a chain comes before those that refer to it.
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
            filter(Hook::Prerouting, PRIO_RAW - 1),
            outer::incoming(params),
        ),
        (
            TABLE,
            "tunnel_out",
            filter(Hook::Output, PRIO_RAW - 1),
            outer::outgoing(params),
        ),
        (
            TABLE,
            "tunnel_through",
            filter(Hook::Forward, PRIO_RAW - 1),
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
        (TABLE, "asks", None, own_datagrams::asks()),
        (TABLE, "answer", None, own_datagrams::answer()),
        (TABLE, "open", None, open(params)),
        (TABLE, "steer", None, steer()),
        (TABLE, "own", None, own()),
        (
            TABLE,
            "raw",
            filter(Hook::Prerouting, PRIO_RAW),
            raw(params),
        ),
        // Just before Docker's, which would send it into its own mesh.
        (
            TABLE,
            "call_in",
            nat(Hook::Prerouting, PRIO_DSTNAT - 1),
            call_in(),
        ),
        (
            TABLE,
            "call_out",
            nat(Hook::Output, PRIO_DSTNAT - 1),
            call_out(),
        ),
        (
            TABLE,
            "call_post",
            nat(Hook::Postrouting, PRIO_SRCNAT - 1),
            call_post(),
        ),
        (
            TABLE,
            "leaving",
            filter(Hook::Postrouting, PRIO_SRCNAT + 1),
            own_datagrams::leaving(),
        ),
        (TABLE, "back_to_caller", None, own_ports::back(params)),
        (TABLE, "reply", None, tunnel::reply(params)),
        // After IPVS has made the reply the virtual service's, just before source NAT.
        (
            TABLE,
            "back",
            filter(Hook::Forward, PRIO_SRCNAT + 1),
            back(),
        ),
        // The same for a client that is this very node, called another and got a task from here:
        // it knows only that other one.
        (
            TABLE,
            "back_here",
            filter(Hook::Input, PRIO_SRCNAT + 1),
            back(),
        ),
        (TABLE6, "output", filter(Hook::Output, PRIO_FILTER), ipv6()),
        // Before bridges learn from frames, and before the filter for bridged packets.
        (
            TABLE_BRIDGE,
            "spoofed",
            filter(Hook::Prerouting, PRIO_BRIDGE_DSTNAT - 1),
            endpoint::spoofed(),
        ),
        (
            TABLE_TUNNEL,
            "tunnel",
            filter(Hook::Ingress(TUNNEL), PRIO_FILTER),
            tunnel::inner(),
        ),
    ]);
    all
}

/// The main chain; rules for the most frequent packets come first.
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
            matches::destination(HAIRPIN_TO),
            statements::set_destination(params.node),
            statements::goto("own"),
        ]),
        line([
            from(HAIRPIN_OUT),
            matches::destination_in(HAIRPIN_FROM),
            matches::source(params.node),
            statements::set_source(HAIRPIN_TO),
            accept(),
        ]),
        line([
            from(HAIRPIN_OUT),
            matches::destination_in(HAIRPIN_FROM),
            accept(),
        ]),
    ]
}

/// Calls of the node itself, once they look like calls from outside.
fn own() -> Vec<Line> {
    let mut all = vec![line([tcp::opens(), statements::goto("opens")])];
    all.extend(flows::goes_on());
    all.push(port_remap::presented());
    all.push(line([matches::protocol(UDP), statements::jump("datagram")]));
    all.push(line([untracked(), accept()]));
    all
}

/// Packets for a virtual service.
fn steer() -> Vec<Line> {
    let udp = || matches::protocol(UDP);
    let mut all = vec![
        line([tcp::opens(), statements::goto("open")]),
        line([
            matches::protocol(TCP),
            is_in(RELEASED, &CONNECTION),
            statements::put(RELEASED, &CONNECTION, None),
            accept(),
        ]),
    ];
    all.extend(flows::goes_on());
    all.push(port_remap::presented());
    all.extend([
        own_datagrams::answers(),
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
        refused(matches::protocol(TCP)),
        line([matches::protocol(TCP), statements::clamp(params.tunnel_mtu)]),
        line([statements::goto("opens")]),
    ]
}

fn call_in() -> Vec<Line> {
    let containers = matches::from_any(BRIDGES);
    vec![line([
        containers,
        to_published(),
        statements::call(HAIRPIN_TO),
    ])]
}

fn call_out() -> Vec<Line> {
    vec![line([to_published(), statements::call(HAIRPIN_TO)])]
}

fn to_published() -> Expressions {
    let published = is_in(PUBLISHED, &PORT);
    [matches::to_here(), published, matches::leased()].concat()
}

fn call_post() -> Vec<Line> {
    let (first, last) = CALLERS;
    let each = [TCP, UDP].map(|protocol| {
        line([
            matches::by(HAIRPIN_OUT),
            matches::protocol(protocol),
            statements::call_as(HAIRPIN_FROM, first, last),
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
        matches::protocol(TCP),
        is_in(PUBLISHED6, &PORT),
        statements::reset(),
    ])]
}
