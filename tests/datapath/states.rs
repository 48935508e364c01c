//! States of a node, in the few words that fixtures need.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use lb_abi::service::{ADDRESSED, Backend, Frontend, LOCAL, Port, REMOTE, ROUTED};
use lb_abi::settings::{BridgePort, NO_USER, PortRange, Settings, TASKS_BY_IPV4, Uplink};
use lb_abi::tunnel::{TokenKey, TokenKeys};
use lb_abi::{Be16, Be32};
use lb_core::backend::ebpf::{Hook, HookKind, State};
use lb_core::model::ids::Key;

use crate::lab::{MTU, Net, mac, node};

/// UDP port of the tunnel.
pub(crate) const TUNNEL: u16 = 6790;
/// Every node's address on its `docker_gwbridge`.
pub(crate) const DOCKER_GWBRIDGE: Ipv4Addr = Ipv4Addr::new(172, 18, 0, 1);
/// A second address of every node.
pub(crate) const SECOND: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 100);
/// The service of all tasks but those of [`another`].
const SERVICE: Key = Key(0x5e41_11ce_0000_0001);
/// Another service.
const ANOTHER: Key = Key(0x5e41_11ce_0000_0002);
/// The epoch of every node's keys.
const EPOCH: u32 = 7;

/// The keys of node `n`, of this epoch and of the next one.
pub(crate) fn token_keys(n: u8) -> TokenKeys {
    TokenKeys::new(EPOCH, TokenKey::new([n; 16]), TokenKey::new([0x80 | n; 16]))
}

/// A task: its key is the same on every node.
pub(crate) type Task = (Key, Backend);

/// Task `n` of the node itself.
pub(crate) fn here(n: u8) -> Task {
    task(n, address_of(n), LOCAL)
}

/// Task `n`, which runs on another node.
pub(crate) fn there(n: u8, node: Ipv4Addr) -> Task {
    task(n, node, REMOTE)
}

/// Where task `n` is on its node's `docker_gwbridge`.
pub(crate) fn address_of(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(172, 18, 0, 10 + n)
}

/// The key of task `n`, different in both halves.
pub(crate) fn key(n: u8) -> u64 {
    0xa1b2_c3d4_0000_0000 | u64::from(n) << 36 | u64::from(n)
}

/// A task with this key and address, of another service.
pub(crate) fn another((key, backend): Task) -> Task {
    let service = ANOTHER.0;
    (key, Backend { service, ..backend })
}

/// This task, which processes on nodes may call by its own address.
pub(crate) fn addressed((key, backend): Task) -> Task {
    let flags = backend.flags | ADDRESSED;
    (key, Backend { flags, ..backend })
}

/// This task, which the HTTP router of a node may call by its own address.
pub(crate) fn routed((key, backend): Task) -> Task {
    let flags = backend.flags | ROUTED;
    (key, Backend { flags, ..backend })
}

/// Lets IPv4 addresses stand for tasks, as on a host without IPv6; task `n` has `252.0.0.n`, where it has one.
pub(crate) fn without_ipv6(state: &mut State, tasks: &[u8]) {
    if let Some(settings) = &mut state.settings {
        settings.flags = TASKS_BY_IPV4;
    }
    let addresses = tasks.iter().map(|n| (by_ipv4(*n), Key(key(*n))));
    state.task_addresses = addresses.collect();
}

/// The IPv4 address that stands for task `n`.
pub(crate) fn by_ipv4(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(252, 0, 0, n)
}

fn task(n: u8, address: Ipv4Addr, place: u32) -> Task {
    let backend = Backend::new(Be32::new(address.into()), place, SERVICE.0);
    (Key(key(n)), backend)
}

/// Node `n` with its programs attached, and nothing published. The two nodes know each other.
pub(crate) fn bare(net: &Net, n: u8) -> State {
    let hook = |kind, link| Hook { kind, link };
    State {
        settings: Some(Settings {
            node: Be32::new(node(n).into()),
            tunnel_port: Be16::new(TUNNEL),
            mac: mac(node(n)),
            flags: 0,
            epoch: EPOCH,
            uplink: net.uplink,
            mtu: MTU,
            bridge: net.bridge,
            network: net.cookie,
            gateway: Be32::new(DOCKER_GWBRIDGE.into()),
            router_user: NO_USER,
            ephemeral: PortRange::NONE,
            zero: 0,
        }),
        uplinks: [(net.uplink, Uplink::new(mac(node(n))))].into(),
        // Whatever frames of fixtures stand for, they bear the MAC address of their node.
        bridge_ports: [(net.port, BridgePort::new(net.bridge, mac(node(n))))].into(),
        hooks: [
            hook(HookKind::UplinkXdp, net.uplink),
            hook(HookKind::UplinkTc, net.uplink),
            hook(HookKind::UplinkEgress, net.uplink),
            hook(HookKind::BridgeTc, net.bridge),
        ]
        .into(),
        addresses: [node(n), SECOND].into(),
        token_keys: Some(token_keys(n)),
        peers: [1, 2]
            .into_iter()
            .filter(|peer| *peer != n)
            .map(|peer| (node(peer), token_keys(peer)))
            .collect(),
        services: [SERVICE, ANOTHER].into(),
        ..State::default()
    }
}

/// Publishes `published` of `proto` to `target` of these tasks, as the agent would: ports with the
/// same tasks share a table, and a changed table gets a new number.
pub(crate) fn publish(state: &mut State, proto: u8, published: u16, target: u16, tasks: &[Task]) {
    let port = Port::new(Be16::new(published), proto);
    let keys: Vec<Key> = tasks.iter().map(|(key, _)| *key).collect();
    state.backends.extend(tasks.iter().copied());
    let same = state.tables.iter().find(|(_, known)| **known == keys);
    let next = state.tables.keys().max().map_or(1, |last| last + 1);
    let table = match same {
        _ if tasks.is_empty() => 0,
        Some((number, _)) => *number,
        None => next,
    };
    let frontend = Frontend::new(
        Be16::new(target),
        u32::try_from(tasks.len()).unwrap(),
        table,
        tasks
            .first()
            .map_or(SERVICE.0, |(_, backend)| backend.service),
    );
    state.frontends.insert(port, frontend);
    if !tasks.is_empty() {
        state.tables.insert(table, keys);
    }
    let frontends = state.frontends.values();
    let named: BTreeSet<u32> = frontends.map(|frontend| frontend.table).collect();
    state.tables.retain(|number, _| named.contains(number));
}

/// Takes a task away for good.
pub(crate) fn remove(state: &mut State, (key, _): Task) {
    state.backends.remove(&key);
}
