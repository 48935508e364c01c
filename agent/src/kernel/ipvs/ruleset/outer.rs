//! Rules for tunnel packets as they are on the wire: only what the tunnel's own device makes leaves
//! for another node, and only what came from another node comes in. And for calls of other nodes' agents, which have
//! the tunnel's port by TCP: none of those that this host passes on leaves.

use super::Params;
use super::cookie;
use super::keys::{Expressions, KeyField};
use super::line::{Line, line, named};
use super::matches;
use super::own_ports;
use super::sets::{BRIDGES, PEERS};
use super::statements::{accept, counted, drop, goto, untracked};
use super::tcp;
use lb_abi::{TCP, UDP};
use lb_core::backend::ipvs::ids::{
    CALL_MARK, OWN_ROUTE_ADDRESSES, PEER_ROUTE_ADDRESSES, TASK_ROUTE_ADDRESSES,
};

fn to_tunnel(params: &Params) -> Expressions {
    let udp = matches::protocol(UDP);
    [udp, matches::destination_port(params.tunnel_port)].concat()
}

/// Destined to another node's tunnel.
fn to_peer(params: &Params) -> Expressions {
    [
        to_tunnel(params),
        matches::in_map(PEERS, &[KeyField::Destination]),
    ]
    .concat()
}

/// Destined to another node's agent.
fn to_agent(params: &Params) -> Expressions {
    [
        matches::protocol(TCP),
        matches::destination_port(params.tunnel_port),
        matches::in_map(PEERS, &[KeyField::Destination]),
    ]
    .concat()
}

/// Route addresses name routes into the tunnel, and no packet's destination: whoever sends to one wants to get into the
/// tunnel past all rules.
fn to_route_address() -> [Line; 3] {
    let networks = [
        TASK_ROUTE_ADDRESSES,
        OWN_ROUTE_ADDRESSES,
        PEER_ROUTE_ADDRESSES,
    ];
    networks.map(|network| {
        named(
            "forged",
            [matches::destination_in(network), counted(), drop()],
        )
    })
}

/// What comes in: for this node as others know it, from one of those, and by the device that leads to its sender or
/// has this node's address. Others' devices, containers among them, lead to nobody else. Whether it is believed says
/// its cookie.
pub(super) fn incoming(params: &Params) -> Vec<Line> {
    let ours = [
        to_tunnel(params),
        matches::destination(params.node),
        matches::to_here(),
    ]
    .concat();
    let node = |arrival| {
        let peer = matches::in_map(PEERS, &[KeyField::Source]);
        line([ours.clone(), arrival, peer, goto("believed")])
    };
    let to_here = [to_tunnel(params), matches::to_here()].concat();
    let mut all = vec![own_ports::named()];
    all.extend(to_route_address());
    all.extend([
        node(matches::by_the_way_back()),
        node(matches::to_device()),
        named("stranger", [to_here, counted(), drop()]),
    ]);
    all
}

/// What this host sends. What the tunnel's device makes belongs to no process, or to the HTTP router that calls a task by its
/// route address. Connection tracking has no use for it.
pub(super) fn outgoing(params: &Params) -> Vec<Line> {
    let mut all = own_ports::called(params);
    all.extend(to_route_address());
    all.extend([
        named(
            "forged",
            [
                to_peer(params),
                matches::of_a_process(),
                matches::not_marked(CALL_MARK),
                counted(),
                drop(),
            ],
        ),
        own_ports::encapsulated(to_peer(params)),
        line([to_peer(params), untracked()]),
        line([to_tunnel(params), cookie::put()]),
    ]);
    all
}

/// What this host passes on: nothing of containers, nor of whoever else is behind it. Nodes may be.
///
/// What opens no connection is no call of an agent: it may answer a client that has the agents' port itself. Of a segment in
/// fragments, where nothing has put it together, the first one may end before the flags; then it may open one.
pub(super) fn passing(params: &Params) -> Vec<Line> {
    let mut all = of_nodes_alone("forged", &to_peer(params)).to_vec();
    all.push(line([tcp::opens_not(), accept()]));
    all.extend(of_nodes_alone("agent called", &to_agent(params)));
    all
}

/// Of packets that are `meant`, those of other nodes pass, which no container is, and all others are counted under `name`.
fn of_nodes_alone(name: &'static str, meant: &Expressions) -> [Line; 3] {
    let containers = matches::from_any(BRIDGES);
    let node = matches::in_map(PEERS, &[KeyField::Source]);
    [
        named(name, [containers, meant.clone(), counted(), drop()]),
        line([meant.clone(), node, accept()]),
        named(name, [meant.clone(), counted(), drop()]),
    ]
}
