//! What the kernel holds, or shall hold, of ours. `want` and `have` are of this one type.

use crate::ids::Key;
use lb_abi::service::{Backend, Frontend, Port};
use lb_abi::settings::Settings;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;

/// All objects of ours in the kernel, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Facts about the node, for the programs.
    pub settings: Option<Settings>,
    /// Programs attached to devices.
    pub hooks: BTreeSet<Hook>,
    /// Addresses on which published ports are answered.
    pub addresses: BTreeSet<Ipv4Addr>,
    /// Nodes whose tunnel packets are opened.
    pub peers: BTreeSet<Ipv4Addr>,
    /// Services whose counters are kept.
    pub services: BTreeSet<Key>,
    /// Tasks that may hold flows.
    pub backends: BTreeMap<Key, Backend>,
    /// Tables of tasks that take new flows, by port and number.
    pub tables: BTreeMap<(Port, u32), Vec<Key>>,
    /// Published ports.
    pub frontends: BTreeMap<Port, Frontend>,
}

/// A program on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hook {
    /// Which program, and where it is attached.
    pub kind: HookKind,
    /// Index of the device.
    pub link: u32,
}

/// The hooks of the eBPF path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HookKind {
    /// Native XDP on an uplink. Optional: tc does its work where a driver can't.
    UplinkXdp,
    /// tc ingress on an uplink.
    UplinkTc,
    /// tc ingress on `docker_gwbridge`.
    BridgeTc,
}

impl HookKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::UplinkXdp, Self::UplinkTc, Self::BridgeTc];

    /// A name for files and people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UplinkXdp => "uplink-xdp",
            Self::UplinkTc => "uplink-tc",
            Self::BridgeTc => "bridge-tc",
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.kind.as_str(), self.link)
    }
}

/// A port as people write it: `8080/tcp`.
#[must_use]
pub fn port_name(port: &Port) -> String {
    let proto = match port.proto {
        lb_abi::TCP => "tcp",
        lb_abi::UDP => "udp",
        _ => "unknown",
    };
    format!("{}/{proto}", port.number.get())
}
