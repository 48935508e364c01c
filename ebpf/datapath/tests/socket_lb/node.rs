//! A node in memory: 10.0.0.1, with tasks here and on 10.0.0.2.

use lb_abi::counters::Counters;
use lb_abi::service::{Backend, Frontend, LOCAL, Port, REMOTE, Slot};
use lb_abi::settings::{PortRange, Settings, Uplink};
use lb_abi::tunnel::{TokenKey, TokenKeys};
use lb_abi::{Be16, Be32};
use lb_datapath::model::Memory;
use lb_datapath::socket_lb::Socket;
use std::net::Ipv4Addr;

/// The network namespace of the host.
pub(crate) const HOST: u64 = 77;
/// The user as whom the node's HTTP router runs.
pub(crate) const ROUTER: u32 = 60_081;
/// The user of other processes.
pub(crate) const USER: u32 = 1000;
/// The node.
pub(crate) const HERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// Another node.
pub(crate) const THERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// Task 1, on its node's bridge.
pub(crate) const TASK: Ipv4Addr = Ipv4Addr::new(172, 18, 0, 3);

/// The keys of both nodes.
pub(crate) const KEYS: TokenKeys =
    TokenKeys::new(1, TokenKey::new([1; 16]), TokenKey::new([2; 16]));

/// 8080 to port 80 of tasks 1 and 2, the second on the other node.
pub(crate) fn memory(proto: u8) -> Memory {
    let port = Port::new(Be16::new(8080), proto);
    let mut memory = Memory {
        settings: Some(Settings {
            node: be(HERE),
            tunnel_port: Be16::new(6081),
            mac: [2; 6],
            flags: 0,
            epoch: 1,
            uplink: 2,
            mtu: 1500,
            bridge: 3,
            network: HOST,
            gateway: Be32::ZERO,
            router_user: ROUTER,
            ephemeral: PortRange::NONE,
            zero: 0,
        }),
        uplinks: [(0, Uplink::new([2; 6]))].into(),
        ..Memory::default()
    };
    for (index, (task, address, place)) in (0..).zip([(1, TASK, LOCAL), (2, THERE, REMOTE)]) {
        let backend = Backend::new(be(address), place, 9);
        memory.backends.insert(task, backend);
        memory.counters.get_mut().insert(task, Counters::default());
        memory.slots.insert(Slot { table: 1, index }, task);
    }
    let frontend = Frontend::new(Be16::new(80), 2, 1, 9);
    memory.frontends.insert(port, frontend);
    memory.turns.get_mut().insert(port, 0);
    memory.addresses.insert(HERE.into());
    memory.peers.insert(THERE.into(), KEYS);
    memory.token_keys = KEYS;
    memory
}

/// A process of the host with a socket.
pub(crate) fn socket(cookie: u64, proto: u8) -> Socket {
    Socket {
        cookie,
        network: HOST,
        user: USER,
        bound: Be32::ZERO,
        proto,
    }
}

/// An address as maps have it.
pub(crate) fn be(address: Ipv4Addr) -> Be32 {
    Be32::new(address.into())
}
