//! Tables of nodes that serve port 80 over TCP and UDP.

use std::net::{Ipv4Addr, SocketAddrV4};

use lb_abi::service::{Backend, Frontend, LOCAL, Port, REMOTE, Slot};
use lb_abi::settings::{NO_USER, PortRange, Settings, Uplink};
use lb_abi::tunnel::{TokenKey, TokenKeys};
use lb_abi::{Be16, Be32, TCP, UDP};
use lb_datapath::model::Memory;

/// MAC address of every uplink here.
pub(crate) const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// Where clients come in.
pub(crate) const INGRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// Where tasks of [`REMOTE`] tables are.
pub(crate) const HOME: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
/// The frontend that clients call.
pub(crate) const FRONTEND: SocketAddrV4 = SocketAddrV4::new(INGRESS, 80);

/// Each node's address on its `docker_gwbridge`.
pub(crate) const GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 18, 0, 1);

/// The keys of every node.
const KEYS: TokenKeys = TokenKeys::new(1, TokenKey::new([1; 16]), TokenKey::new([2; 16]));

/// Where task `n` is: its address on `docker_gwbridge`, and the target port.
pub(crate) fn task(n: u32) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::from(0xac12_0002 + n), 8000)
}

/// The key of task `n`.
pub(crate) fn key(n: u32) -> u64 {
    0x7a5c_0000_0000_0001 | u64::from(n) << 8
}

/// A node with nothing published.
pub(crate) fn node(address: Ipv4Addr) -> Memory {
    Memory {
        settings: Some(Settings {
            node: Be32::new(address.into()),
            tunnel_port: Be16::new(6790),
            mac: MAC,
            flags: 0,
            epoch: 1,
            uplink: 2,
            mtu: 1500,
            bridge: 3,
            network: 0,
            gateway: Be32::new(GATEWAY.into()),
            router_user: NO_USER,
            ephemeral: PortRange::NONE,
            zero: 0,
        }),
        uplinks: [(0, Uplink::new(MAC))].into(),
        addresses: [address.into()].into(),
        peers: [INGRESS, HOME].map(|peer| (peer.into(), KEYS)).into(),
        token_keys: KEYS,
        ..Memory::default()
    }
}

/// A node whose `count` tasks are [`LOCAL`] or [`REMOTE`].
pub(crate) fn serving(address: Ipv4Addr, place: u32, count: u32) -> Memory {
    let mut memory = node(address);
    for n in 0..count {
        let address = if place == LOCAL { *task(n).ip() } else { HOME };
        let backend = Backend::new(Be32::new(address.into()), place, 1);
        memory.backends.insert(key(n), backend);
        memory
            .counters
            .get_mut()
            .insert(key(n), lb_abi::counters::Counters::default());
    }
    for proto in [TCP, UDP] {
        let port = Port::new(Be16::new(FRONTEND.port()), proto);
        let frontend = Frontend::new(Be16::new(task(0).port()), count, 1, 1);
        memory.frontends.insert(port, frontend);
        memory.turns.get_mut().insert(port, 0);
    }
    for index in 0..count {
        memory.slots.insert(Slot { table: 1, index }, key(index));
    }
    memory
}

/// The ingress node and the home of its one task.
pub(crate) fn pair() -> (Memory, Memory) {
    (serving(INGRESS, REMOTE, 1), serving(HOME, LOCAL, 1))
}
