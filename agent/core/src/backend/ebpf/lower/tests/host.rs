//! What the programs are told of their node, and of the others.

use super::*;
use crate::desired::{Desired, Host, PeerKeys};
use crate::model::node::Link;
use crate::model::token;
use lb_abi::Be32;
use lb_abi::settings::{BridgePort, PortRange, Settings, Uplink};
use lb_abi::tunnel::{TokenKey, TokenKeys};

const NODE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// Keys of an odd epoch, as the Swarm has them and as the programs do.
fn keys() -> (token::TokenKeys, TokenKeys) {
    let key = |byte| token::TokenKey::new([byte; 16]);
    let keys = token::TokenKeys {
        epoch: 3,
        current: key(1),
        next: key(2),
    };
    let [current, next] = [1, 2].map(|byte| TokenKey::new([byte; 16]));
    (keys, TokenKeys::new(3, current, next))
}

fn lowered(host: Host, have: &State) -> State {
    let desired = Desired {
        host: Some(host.into()),
        ..Desired::default()
    };
    Lowered::default().update(&desired, have).want
}

#[test]
fn the_programs_know_their_node_and_its_devices() {
    let second = Link {
        mac: [7; 6],
        xdp: false,
        ..link("eth1", 5)
    };
    let (told, kept) = keys();
    let addresses = BTreeSet::from([NODE, Ipv4Addr::new(192, 0, 2, 1)]);
    let host = Host {
        extra_uplinks: [second].into(),
        token_keys: Some(told),
        addresses: addresses.clone(),
        mtu: 1400,
        netns_cookie: 4711,
        router_user: Some(60_081),
        ephemeral_ports: Some(20_000..=29_999),
        ..testing::host(NODE)
    };
    let state = lowered(host, &State::default());
    let settings = Settings {
        node: Be32::new(NODE.into()),
        tunnel_port: Be16::new(7788),
        mac: [2; 6],
        flags: 0,
        epoch: 3,
        uplink: 2,
        mtu: 1400,
        bridge: 3,
        network: 4711,
        gateway: Be32::new(Ipv4Addr::new(172, 18, 0, 1).into()),
        router_user: 60_081,
        ephemeral: PortRange::new(20_000, 29_999),
        zero: 0,
    };
    assert_eq!(state.settings, Some(settings));
    let uplinks = [(2, Uplink::new([2; 6])), (5, Uplink::new([7; 6]))];
    assert_eq!(state.uplinks, uplinks.into());
    assert_eq!(state.addresses, addresses);
    assert_eq!(state.token_keys, Some(kept));
    let on = |kind| -> Vec<u32> {
        let hooks = state.hooks.iter().filter(|hook| hook.kind == kind);
        hooks.map(|hook| hook.link).collect()
    };
    assert_eq!(on(HookKind::UplinkXdp), [2], "where the driver can");
    assert_eq!(on(HookKind::UplinkTc), [2, 5]);
    assert_eq!(on(HookKind::UplinkEgress), [2, 5]);
}

#[test]
fn the_programs_know_the_bridge_of_each_port_and_are_at_the_ports_of_uplinks() {
    let second = Link {
        mac: [7; 6],
        ..link("br1", 5)
    };
    let host = Host {
        extra_uplinks: [second].into(),
        bridges: [link("docker0", 4)].into(),
        bridge_ports: [11, 12].into(),
        // Of a bridge that is none of these devices, nothing is known.
        port_bridges: [(11, 3), (12, 4), (13, 2), (14, 5), (15, 6)].into(),
        ..testing::host(NODE)
    };
    let state = lowered(host, &State::default());
    let port = |port, bridge, mac| (port, BridgePort::new(bridge, [mac; 6]));
    let ports = [
        port(11, 3, 2),
        port(12, 4, 2),
        port(13, 2, 2),
        port(14, 5, 7),
    ];
    assert_eq!(state.bridge_ports, ports.into());
    let on = |kind| -> Vec<u32> {
        let hooks = state.hooks.iter().filter(|hook| hook.kind == kind);
        hooks.map(|hook| hook.link).collect()
    };
    assert_eq!(on(HookKind::UplinkTc), [2, 5, 13, 14]);
    assert_eq!(on(HookKind::UplinkEgress), [2, 5]);
    assert_eq!(on(HookKind::UplinkXdp), [2, 5]);
    assert_eq!(on(HookKind::PortTc), [11, 12]);
}

#[test]
fn of_a_node_that_is_not_heard_of_the_kernel_keeps_the_keys() {
    let (told, kept) = keys();
    let of = |peer, have: &State| {
        let host = Host {
            peers: [(PEER, peer)].into(),
            ..testing::host(NODE)
        };
        lowered(host, have).peers
    };
    let none = State::default();
    let have = State {
        peers: [(PEER, kept)].into(),
        ..State::default()
    };
    for (peer, have, keys) in [
        (PeerKeys::Known(told), &none, kept),
        (PeerKeys::Unknown, &have, kept),
        (PeerKeys::Unknown, &none, TokenKeys::default()),
        (PeerKeys::Absent, &have, TokenKeys::default()),
    ] {
        assert_eq!(of(peer, have), [(PEER, keys)].into(), "{peer:?}");
    }
}
