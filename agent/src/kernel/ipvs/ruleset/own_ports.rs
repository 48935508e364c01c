//! Rules for tasks that are called at the ports that they listen on themselves, by the HTTP router of a node (ADR 0019).
//!
//! Where such a task is on another node, its caller's packets go to its route address and into the tunnel, and its replies
//! come from that address: it is the caller's own connection on both sides, with no virtual service on this one.

use super::Params;
use super::flows;
use super::keys::{Expressions, KeyField, REPLYING};
use super::line::{self, Line, line};
use super::matches::{self, is_in, value_of};
use super::sets::{OWN_ADDRESSES, OWN_ANSWERS, OWN_PEERS, OWN_TAGS};
use super::statements::{self, accept, counted, drop, goto, untracked};
use super::tcp;
use lb_abi::TCP;
use lb_core::backend::ipvs::ids::{ANSWER_MARK, CALL_MARK, OWN_ROUTE_ADDRESSES, TUNNEL};

/// What the HTTP router of this node sends to a task elsewhere. To the host's firewall it is a connection like others. Whose it is,
/// the SYN says: nobody else opens one, and what the kernel sends once the socket is closed belongs to no user any more.
pub(super) fn called(params: &Params) -> Vec<Line> {
    let call = |allowed| {
        line([
            matches::destination_in(OWN_ROUTE_ADDRESSES),
            allowed,
            is_in(OWN_ADDRESSES, &[KeyField::Destination]),
            statements::set_mark_to(CALL_MARK),
            accept(),
        ])
    };
    let by_router = |user| call([tcp::opens(), matches::of_user(user)].concat());
    let opens = params.router_user.map(by_router);
    opens.into_iter().chain([call(tcp::opens_not())]).collect()
}

/// A packet of the tunnel with such a packet in it, which belongs to the process that sent that.
pub(super) fn encapsulated(to_peer: Expressions) -> Line {
    line([
        to_peer,
        matches::marked(CALL_MARK),
        statements::set_mark_to(0),
        untracked(),
    ])
}

/// What came out of the tunnel and names a task of this node by such an address.
pub(super) fn named() -> Line {
    line([
        matches::destination_in(OWN_ROUTE_ADDRESSES),
        matches::from(TUNNEL),
        accept(),
    ])
}

/// What such a process sends out of the tunnel, to a task of this node: the mark says to whom.
pub(super) fn arriving() -> Line {
    let key = [
        KeyField::TunnelId,
        KeyField::OwnNetwork,
        KeyField::DestinationPort,
    ];
    line([
        matches::protocol(TCP),
        value_of(OWN_TAGS, &key),
        statements::set_mark(),
    ])
}

/// What a task of this node answers. To its own node's processes, by the address of its bridge, without IPVS.
pub(super) fn answers() -> [Line; 2] {
    let answers = || is_in(OWN_ANSWERS, &REPLYING);
    let answer = statements::set_mark_to(ANSWER_MARK);
    [
        line([answers(), matches::to_device(), accept()]),
        line([answers(), answer, untracked(), accept()]),
    ]
}

/// A chain for what IPVS has made an answer of an own route address: it goes back to the node of its caller, and nowhere else.
pub(super) fn back(params: &Params) -> Vec<Line> {
    let [caller, ..] = flows::from_elsewhere();
    let mut all = Vec::from(flows::sent_back(params, caller));
    all.push(line::named("unasked", [counted(), drop()]));
    all
}

/// Where that chain begins.
pub(super) fn goes_back() -> Line {
    line([
        matches::source_in(OWN_ROUTE_ADDRESSES),
        goto("back_to_caller"),
    ])
}

/// A reply for a process of this node, from the node of the task that it calls. Connection tracking knows the call.
pub(super) fn returned() -> Line {
    let from_its_node = is_in(OWN_PEERS, &[KeyField::Source, KeyField::Peer]);
    line([
        matches::source_in(OWN_ROUTE_ADDRESSES),
        matches::protocol(TCP),
        from_its_node,
        matches::to_here(),
        statements::set_mark_to(0),
        statements::no_priority(),
        accept(),
    ])
}
