//! What does not depend on services: facts about the node, and its neighbours.

use super::model::{Host, PeerKeys};
use crate::model::config::Config;
use crate::model::node::Node;
use crate::model::snapshot::{Snapshot, SwarmNode};

/// The facts; none while the node has no way out.
pub(super) fn host(snapshot: &Snapshot, node: &Node, config: &Config) -> Option<Host> {
    let peers = snapshot.nodes.iter().filter(|(id, _)| **id != node.id);
    Some(Host {
        address: node.address?,
        tunnel_port: config.port,
        uplink: node.uplink.clone()?,
        extra_uplinks: node.extra_uplinks.clone(),
        bridge: node.bridge.clone(),
        bridges: node.bridges.clone(),
        bridge_ports: node.bridge_ports.keys().copied().collect(),
        netns_cookie: node.netns_cookie,
        addresses: node.addresses.clone(),
        token_keys: node.token_keys,
        peers: peers
            .filter_map(|(_, peer)| Some((peer.address?, keys(peer))))
            .collect(),
    })
}

fn keys(peer: &SwarmNode) -> PeerKeys {
    match (peer.token_keys, &peer.datapath) {
        (Some(keys), _) => PeerKeys::Known(keys),
        (None, Some(_)) => PeerKeys::Absent,
        (None, None) => PeerKeys::Unknown,
    }
}
