//! Rules for tunnel packets as they are on the wire: only what the tunnel's own device makes leaves
//! for another node, and only what came from another node comes in.

use super::acts::{accept, counted, drop, goto, untracked};
use super::cookie;
use super::rules::{Line, line, named};
use super::sets::{BRIDGES, PEERS};
use super::steps::{self, Part, Steps};
use super::{PEER_ALIASES, Params, TASK_ALIASES};

fn to_tunnel(params: &Params) -> Steps {
    let udp = steps::protocol(steps::UDP);
    [udp, steps::destination_port(params.tunnel_port)].concat()
}

/// For another node's tunnel.
fn to_peer(params: &Params) -> Steps {
    [
        to_tunnel(params),
        steps::in_map(PEERS, &[Part::Destination]),
    ]
    .concat()
}

/// Aliases name routes into the tunnel, and no packet's destination: whoever sends to one wants to get into the
/// tunnel past all rules.
fn to_alias() -> [Line; 2] {
    [TASK_ALIASES, PEER_ALIASES].map(|network| {
        named(
            "forged",
            [steps::destination_in(network), counted(), drop()],
        )
    })
}

/// What comes in: for this node as others know it, from one of those, and by the device that leads to its sender or
/// has this node's address. Others' devices, containers among them, lead to nobody else. Whether it is believed says
/// its cookie.
pub(super) fn incoming(params: &Params) -> Vec<Line> {
    let ours = [
        to_tunnel(params),
        steps::destination(params.node),
        steps::to_here(),
    ]
    .concat();
    let node = |way| {
        let peer = steps::in_map(PEERS, &[Part::Source]);
        line([ours.clone(), way, peer, goto("believed")])
    };
    let to_here = [to_tunnel(params), steps::to_here()].concat();
    let mut all = Vec::from(to_alias());
    all.extend([
        node(steps::by_the_way_back()),
        node(steps::to_device()),
        named("stranger", [to_here, counted(), drop()]),
    ]);
    all
}

/// What this host sends. What the tunnel's device makes belongs to no process. Connection tracking has no use
/// for it.
pub(super) fn outgoing(params: &Params) -> Vec<Line> {
    let mut all = Vec::from(to_alias());
    all.extend([
        named(
            "forged",
            [to_peer(params), steps::of_a_process(), counted(), drop()],
        ),
        line([to_peer(params), untracked()]),
        line([to_tunnel(params), cookie::put()]),
    ]);
    all
}

/// What this host passes on: nothing of containers, nor of whoever else is behind it. Nodes may be.
pub(super) fn passing(params: &Params) -> Vec<Line> {
    let node = steps::in_map(PEERS, &[Part::Source]);
    vec![
        named(
            "forged",
            [steps::from_any(BRIDGES), to_peer(params), counted(), drop()],
        ),
        line([to_peer(params), node, accept()]),
        named("forged", [to_peer(params), counted(), drop()]),
    ]
}
