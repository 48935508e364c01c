//! Addresses and ports that frames and tables have in common.

use arbitrary::Arbitrary;
use lb_abi::tunnel::{TokenKey, TokenKeys};
use std::net::Ipv4Addr;

/// MAC address of every uplink here.
pub(crate) const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// UDP port of the tunnel.
pub(crate) const TUNNEL: u16 = 6081;
/// Index of the uplink.
pub(crate) const UPLINK: u32 = 2;
/// Index of `docker_gwbridge`.
pub(crate) const BRIDGE: u32 = 3;
/// Index of another bridge, where containers call and tasks may be.
pub(crate) const OTHER_BRIDGE: u32 = 4;
/// Cookie of the host's network namespace.
pub(crate) const NETWORK: u64 = 77;
/// Tasks that there may be.
pub(crate) const TASKS: u8 = 4;

/// Somebody.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Who {
    Client(bool),
    /// The two nodes of a story, and a third one of the same Swarm.
    Node(Node),
    Task(u8),
    Container(bool),
    Loopback,
    Anybody(u32),
}

/// A node of the Swarm.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    First,
    Second,
    Third,
}

impl Node {
    pub(crate) fn address(self) -> Ipv4Addr {
        Ipv4Addr::new(198, 51, 100, 1 + self as u8)
    }
}

impl Who {
    pub(crate) fn address(self) -> Ipv4Addr {
        match self {
            Self::Client(other) => Ipv4Addr::new(203, 0, 113, 7 + u8::from(other)),
            Self::Node(node) => node.address(),
            Self::Task(n) => task_address(n % TASKS),
            Self::Container(other) => Ipv4Addr::new(172, 19, 0, 9 + u8::from(other)),
            Self::Loopback => Ipv4Addr::LOCALHOST,
            Self::Anybody(address) => address.into(),
        }
    }
}

/// Where task `n` is on its own node.
pub(crate) fn task_address(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(172, 18, 0, 2 + n)
}

/// The key of task `n`.
pub(crate) fn task_key(n: u8) -> u64 {
    0x7a5c_0000_0000_0001 | u64::from(n) << 8
}

/// A port.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Port {
    Published(u8),
    Target(u8),
    Clients(bool),
    /// Those that callers are presented under begin here.
    Presented(u8),
    Tunnel,
    Any(u16),
}

/// Ports that may be published.
pub(crate) const PUBLISHED: [u16; 3] = [80, 443, 53];

/// The service of task `n`.
pub(crate) fn service_of_task(n: u8) -> u64 {
    1 + u64::from(n / 2 % 2)
}

/// The service that publishes port `n`: the first two are of one, the last one is of the other.
pub(crate) fn service_of_port(n: usize) -> u64 {
    1 + (n / 2) as u64
}

/// The keys of a node.
pub(crate) fn token_keys(node: Node) -> TokenKeys {
    let key = |epoch| {
        TokenKey::new(
            [1 + node as u8, epoch]
                .repeat(8)
                .try_into()
                .unwrap_or([9; 16]),
        )
    };
    TokenKeys::new(EPOCH, key(0), key(1))
}

/// The epoch of every node.
pub(crate) const EPOCH: u32 = 4;

/// The port of the tasks behind published port `n`: the first two have the same tasks and the
/// same port there, so that flows meet at one task.
pub(crate) fn target(n: usize) -> u16 {
    if n < 2 { 8000 } else { 53 }
}

impl Port {
    pub(crate) fn number(self) -> u16 {
        match self {
            Self::Published(n) => PUBLISHED[usize::from(n) % PUBLISHED.len()],
            Self::Target(n) => target(usize::from(n) % PUBLISHED.len()),
            Self::Clients(other) => 40_000 + u16::from(other),
            Self::Presented(n) => 61_000 + u16::from(n),
            Self::Tunnel => TUNNEL,
            Self::Any(port) => port,
        }
    }
}
