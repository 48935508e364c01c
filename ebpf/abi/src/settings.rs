//! Facts about the node that the programs need.

use crate::{Be16, Be32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// [`Settings::flags`]: the kernel of this node has no IPv6, so that its processes call tasks by IPv4 addresses
/// ([`crate::sock_rev_nat::TASKS_IPV4`]).
pub const TASKS_BY_IPV4: u32 = 1;

/// [`Settings::router_user`]: there is no HTTP router. No process has this number (`INVALID_UID` of `linux/uidgid.h`).
pub const NO_USER: u32 = u32::MAX;

/// The one entry of the settings map.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(C)]
pub struct Settings {
    /// This node's address towards other nodes.
    pub node: Be32,
    /// UDP port of the tunnel.
    pub tunnel_port: Be16,
    /// MAC address of [`Settings::uplink`], as in [`Uplink::mac`]: nearly all that is ours comes in there, and
    /// this spares it a look-up.
    pub mac: [u8; 6],
    /// Number of the epoch whose key makes the tokens of packets that this node sends.
    pub epoch: u32,
    /// Index of the uplink that has [`Settings::node`]: the tunnel's.
    pub uplink: u32,
    /// MTU between this node and the others, in bytes: that of the uplink, or of the narrowest path to another node.
    pub mtu: u32,
    /// Index of `docker_gwbridge`; 0 while there is none.
    pub bridge: u32,
    /// Bits: [`TASKS_BY_IPV4`].
    pub flags: u32,
    /// Cookie of the host's network namespace: whose sockets' calls are answered. 0: nobody's.
    pub network: u64,
    /// This node's address on `docker_gwbridge`; 0 while there is none.
    pub gateway: Be32,
    /// Number of the user as whom the HTTP router runs, who may call tasks that are [`crate::service::ROUTED`]; else [`NO_USER`].
    pub router_user: u32,
    /// Ports that the kernel of this node gives to connections which it begins itself.
    pub ephemeral: PortRange,
    /// Zero.
    pub zero: u32,
}

/// Ports in a row.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(C)]
pub struct PortRange {
    /// The first one.
    pub first: Be16,
    /// The last one.
    pub last: Be16,
}

impl PortRange {
    /// No port.
    pub const NONE: Self = Self::new(1, 0);

    /// The ports from `first` to `last`.
    #[must_use]
    pub const fn new(first: u16, last: u16) -> Self {
        Self {
            first: Be16::new(first),
            last: Be16::new(last),
        }
    }

    /// Is it one of them?
    #[inline(always)]
    #[must_use]
    pub const fn contains(&self, port: Be16) -> bool {
        self.first.get() <= port.get() && port.get() <= self.last.get()
    }
}

/// A device on which clients and other nodes come in, by its index.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(C)]
pub struct Uplink {
    /// Its MAC address: frames for others are never ours.
    pub mac: [u8; 6],
    /// Zero.
    pub zero: [u8; 2],
}

impl Uplink {
    /// The device with this MAC address.
    #[must_use]
    pub const fn new(mac: [u8; 6]) -> Self {
        Self { mac, zero: [0; 2] }
    }
}

/// The bridge of a device that is a port of one, by the device's index.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(C)]
pub struct BridgePort {
    /// Index of the bridge.
    pub bridge: u32,
    /// MAC address of the bridge: frames for others only pass through it.
    pub mac: [u8; 6],
    /// Zero.
    pub zero: [u8; 2],
}

impl BridgePort {
    /// A port of the bridge with this index and MAC address.
    #[must_use]
    pub const fn new(bridge: u32, mac: [u8; 6]) -> Self {
        Self {
            bridge,
            mac,
            zero: [0; 2],
        }
    }
}
