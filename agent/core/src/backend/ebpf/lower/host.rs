//! What does not depend on services: the node's settings, its neighbours, and what is attached where.

use crate::backend::TaskAddressFamily;
use crate::backend::ebpf::state::{Hook, HookKind, State};
use crate::desired::{Host, PeerKeys};
use crate::model::node::Link;
use crate::model::token;
use lb_abi::settings::{BridgePort, NO_USER, PortRange, Settings, TASKS_BY_IPV4, Uplink};
use lb_abi::tunnel::{TokenKey, TokenKeys};
use lb_abi::{Be16, Be32};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// The state of a node without services.
pub(super) fn state(host: &Host, have: &State, family: TaskAddressFamily) -> State {
    let uplinks = || std::iter::once(&host.uplink).chain(&host.extra_uplinks);
    let peers = host.peers.iter();
    State {
        settings: Some(Settings {
            node: Be32::new(host.address.into()),
            tunnel_port: Be16::new(host.tunnel_port),
            mac: host.uplink.mac,
            flags: match family {
                TaskAddressFamily::Ipv6 => 0,
                TaskAddressFamily::Ipv4 => TASKS_BY_IPV4,
            },
            epoch: host.token_keys.map_or(0, |keys| keys.epoch),
            uplink: host.uplink.index,
            mtu: host.mtu,
            bridge: host.bridge.as_ref().map_or(0, |bridge| bridge.index),
            network: host.netns_cookie,
            gateway: host.gateway.map_or(Be32::ZERO, |own| Be32::new(own.into())),
            router_user: host.router_user.unwrap_or(NO_USER),
            ephemeral: host
                .ephemeral_ports
                .as_ref()
                .map_or(PortRange::NONE, |ports| {
                    PortRange::new(*ports.start(), *ports.end())
                }),
            zero: 0,
        }),
        uplinks: uplinks()
            .map(|link| (link.index, Uplink::new(link.mac)))
            .collect(),
        bridge_ports: bridge_ports(host, uplinks()),
        hooks: hooks(host, uplinks()),
        addresses: host.addresses.clone(),
        token_keys: host.token_keys.map(table),
        peers: peers
            .map(|(address, keys)| (*address, keys_of(*address, *keys, have)))
            .collect(),
        ..State::default()
    }
}

/// The keys of another node, all zeros where it has none.
fn keys_of(peer: Ipv4Addr, keys: PeerKeys, have: &State) -> TokenKeys {
    match keys {
        PeerKeys::Known(keys) => table(keys),
        PeerKeys::Absent => TokenKeys::default(),
        PeerKeys::Unknown => have.peers.get(&peer).copied().unwrap_or_default(),
    }
}

/// Keys as the programs have them.
fn table(keys: token::TokenKeys) -> TokenKeys {
    let key = |key: token::TokenKey| TokenKey::new(key.bytes());
    TokenKeys::new(keys.epoch, key(keys.current), key(keys.next))
}

/// The ports of bridges, with what a frame for the bridge has to bear.
fn bridge_ports<'a>(
    host: &'a Host,
    uplinks: impl Iterator<Item = &'a Link>,
) -> BTreeMap<u32, BridgePort> {
    let bridges = uplinks.chain(&host.bridge).chain(&host.bridges);
    let macs: BTreeMap<u32, [u8; 6]> = bridges.map(|link| (link.index, link.mac)).collect();
    let ports = host.port_bridges.iter();
    ports
        .filter_map(|(port, bridge)| Some((*port, BridgePort::new(*bridge, *macs.get(bridge)?))))
        .collect()
}

/// What is attached where.
fn hooks<'a>(host: &Host, uplinks: impl Iterator<Item = &'a Link>) -> BTreeSet<Hook> {
    let on = |kind, link| Hook { kind, link };
    let mut hooks = BTreeSet::new();
    for uplink in uplinks {
        hooks.insert(on(HookKind::UplinkTc, uplink.index));
        hooks.insert(on(HookKind::UplinkEgress, uplink.index));
        if uplink.xdp {
            hooks.insert(on(HookKind::UplinkXdp, uplink.index));
        }
        // Where it is a bridge. What its ports leave to it, `br_netfilter` has shown to the host's rules by then.
        let ports = host.port_bridges.iter();
        let own = ports.filter(|(_, bridge)| **bridge == uplink.index);
        hooks.extend(own.map(|(port, _)| on(HookKind::UplinkTc, *port)));
    }
    let bridges = host.bridge.iter().chain(&host.bridges);
    hooks.extend(bridges.map(|bridge| on(HookKind::BridgeTc, bridge.index)));
    let ports = host.bridge_ports.iter();
    hooks.extend(ports.map(|port| on(HookKind::PortTc, *port)));
    // The root cgroup is that of every namespace: the host's own must be known.
    if host.netns_cookie != 0 {
        hooks.extend(HookKind::HOST.map(|kind| on(kind, 0)));
    }
    hooks
}
