//! The desired state of the kernel, from a snapshot of the Swarm, the node and the configuration.

mod endpoint;
mod incremental;
mod listening;
mod ports;
mod publish;
mod refusal;
mod service;
mod share;

pub use incremental::Desired;

use crate::config::Config;
use crate::node::{Link, Node};
use crate::report::Problem;
use crate::snapshot::{Snapshot, SwarmNode};
use crate::state::{Hook, HookKind, State};
use crate::token;
use lb_abi::settings::{Settings, Uplink};
use lb_abi::tunnel::{TokenKey, TokenKeys};
use lb_abi::{Be16, Be32};
use std::collections::BTreeSet;

/// The state that serves `snapshot` on `node`, and what in it can't be served.
///
/// `have` only lends the numbers of tables that are right already, so that
/// nothing is replaced by the same.
#[must_use]
pub fn desired(
    snapshot: &Snapshot,
    node: &Node,
    config: &Config,
    have: &State,
) -> (State, Vec<Problem>) {
    let desired = Desired::full(snapshot, node, config, have);
    let problems = desired.problems();
    (desired.want, problems)
}

/// What does not depend on services: facts about the node, and its neighbours. None while
/// the node has no way out.
fn node_state(snapshot: &Snapshot, node: &Node, config: &Config, have: &State) -> Option<State> {
    let uplink = node.uplink.as_ref()?;
    let address = node.address?;
    let uplinks = || std::iter::once(uplink).chain(&node.extra_uplinks);
    let peers = snapshot.nodes.iter().filter(|(id, _)| **id != node.id);
    Some(State {
        settings: Some(Settings {
            node: Be32::new(address.into()),
            tunnel_port: Be16::new(config.port),
            mac: uplink.mac,
            zero: [0; 4],
            epoch: node.token_keys.map_or(0, |keys| keys.epoch),
            uplink: uplink.index,
            mtu: uplink.mtu,
            bridge: node.bridge.as_ref().map_or(0, |bridge| bridge.index),
            network: node.netns_cookie,
        }),
        uplinks: uplinks()
            .map(|link| (link.index, Uplink::new(link.mac)))
            .collect(),
        hooks: hooks(node, uplinks()),
        addresses: node.addresses.clone(),
        endpoints: endpoint::known(node),
        token_keys: node.token_keys.map(table),
        peers: peers
            .filter_map(|(_, peer)| Some((peer.address?, keys(peer, have))))
            .collect(),
        ..State::default()
    })
}

/// The keys of another node. As long as nothing is heard of that node, as after a change of who keeps the
/// view, those that are known stay.
fn keys(peer: &SwarmNode, have: &State) -> TokenKeys {
    let known = || have.peers.get(&peer.address?).copied();
    match (peer.token_keys, &peer.datapath) {
        (Some(keys), _) => table(keys),
        (None, Some(_)) => TokenKeys::default(),
        (None, None) => known().unwrap_or_default(),
    }
}

/// Keys as the programs have them.
fn table(keys: token::TokenKeys) -> TokenKeys {
    let key = |key: token::TokenKey| TokenKey::new(key.bytes());
    TokenKeys::new(keys.epoch, key(keys.current), key(keys.next))
}

/// What is attached where.
fn hooks<'a>(node: &Node, uplinks: impl Iterator<Item = &'a Link>) -> BTreeSet<Hook> {
    let on = |kind, link| Hook { kind, link };
    let mut hooks = BTreeSet::new();
    for uplink in uplinks {
        hooks.insert(on(HookKind::UplinkTc, uplink.index));
        hooks.insert(on(HookKind::UplinkEgress, uplink.index));
        if uplink.xdp {
            hooks.insert(on(HookKind::UplinkXdp, uplink.index));
        }
    }
    let bridges = node.bridge.iter().chain(&node.bridges);
    hooks.extend(bridges.map(|bridge| on(HookKind::BridgeTc, bridge.index)));
    hooks.extend(
        node.bridge_ports
            .keys()
            .map(|port| on(HookKind::PortTc, *port)),
    );
    // The root cgroup is that of every namespace: the host's own must be known.
    if node.netns_cookie != 0 {
        hooks.extend(HookKind::HOST.map(|kind| on(kind, 0)));
    }
    hooks
}

#[cfg(test)]
mod tests;
