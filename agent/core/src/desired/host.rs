//! What does not depend on services: facts about the node, and its neighbours.

use super::model::{Host, PeerKeys};
use crate::model::config::Config;
use crate::model::node::Node;
use crate::model::snapshot::{Snapshot, SwarmNode};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// The facts; none while the node has no way out.
pub(super) fn host(snapshot: &Snapshot, node: &Node, config: &Config) -> Option<Host> {
    let peers = snapshot.nodes.iter().filter(|(id, _)| **id != node.id);
    let peers: BTreeMap<Ipv4Addr, PeerKeys> = peers
        .filter_map(|(_, peer)| Some((peer.address?, keys(peer))))
        .collect();
    let uplink = node.uplink.clone()?;
    Some(Host {
        address: node.address?,
        tunnel_port: config.port,
        mtu: mtu(node, uplink.mtu, peers.keys()),
        uplink,
        extra_uplinks: node.extra_uplinks.clone(),
        bridge: node.bridge.clone(),
        gateway: node.gateway,
        bridges: node.bridges.clone(),
        bridge_ports: node.bridge_ports.keys().copied().collect(),
        port_bridges: node.port_bridges.clone(),
        netns_cookie: node.netns_cookie,
        router_user: config.router.then_some(config.router_user),
        ephemeral_ports: node.ephemeral_ports.clone(),
        addresses: node.addresses.clone(),
        token_keys: node.token_keys,
        peers,
    })
}

/// The MTU between `node` and these peers: all of them share the smallest one, so that no packet needs a look-up for it.
fn mtu<'a>(node: &Node, uplink: u32, peers: impl Iterator<Item = &'a Ipv4Addr>) -> u32 {
    let paths = peers.filter_map(|peer| node.path_mtus.get(peer));
    paths.copied().fold(uplink, u32::min)
}

fn keys(peer: &SwarmNode) -> PeerKeys {
    match (peer.token_keys, &peer.datapath) {
        (Some(keys), _) => PeerKeys::Known(keys),
        (None, Some(_)) => PeerKeys::Absent,
        (None, None) => PeerKeys::Unknown,
    }
}
