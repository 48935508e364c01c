//! What the kernel shall hold, given what the Swarm says and what the node is.

mod picture;
mod ports;
mod service;

pub use picture::Picture;

use crate::config::Config;
use crate::node::{Link, Node};
use crate::report::Problem;
use crate::snapshot::Snapshot;
use crate::state::{Hook, HookKind, State};
use lb_abi::settings::{Settings, Uplink};
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
    let picture = Picture::new(snapshot, node, config, have);
    let problems = picture.problems();
    (picture.want, problems)
}

/// What does not depend on services: facts about the node, and its neighbours. None while
/// the node has no way out.
fn ground(snapshot: &Snapshot, node: &Node, config: &Config) -> Option<State> {
    let uplink = node.uplink.as_ref()?;
    let address = node.address?;
    let uplinks = || std::iter::once(uplink).chain(&node.others);
    let peers = snapshot.nodes.iter().filter(|(id, _)| **id != node.id);
    Some(State {
        settings: Some(Settings {
            node: Be32::new(address.into()),
            tunnel_port: Be16::new(config.port),
            zero: [0; 6],
            uplink: uplink.index,
            mtu: uplink.mtu,
            bridge: node.bridge.as_ref().map_or(0, |bridge| bridge.index),
            network: node.network,
        }),
        uplinks: uplinks()
            .map(|link| (link.index, Uplink::new(link.mac)))
            .collect(),
        hooks: hooks(node, uplinks()),
        addresses: node.addresses.clone(),
        peers: peers.filter_map(|(_, peer)| peer.address).collect(),
        ..State::default()
    })
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
    hooks.extend(node.ports.iter().map(|port| on(HookKind::PortTc, *port)));
    // The root cgroup is that of every namespace: the host's own must be known.
    if node.network != 0 {
        hooks.extend(HookKind::HOST.map(|kind| on(kind, 0)));
    }
    hooks
}

#[cfg(test)]
mod tests;
