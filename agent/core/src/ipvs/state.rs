//! The objects of the IPVS path. `want` and `have` are of this one type.

use crate::state::port_name;
use crate::token::TokenKeys;
use ipnet::Ipv4Net;
use lb_abi::service::Port;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;

/// The cookie of a tunnel packet ([`super::cookie`]), as it is on the wire; never all zeros, as the kernel sends.
pub type Cookie = [u8; 3];

/// All of swarmlb's objects in the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// What everything else stands on: devices and rules. None: not there, or not as it should be.
    pub ground: Option<Ground>,
    /// Where packets to an alias go.
    pub ways: BTreeMap<Ipv4Addr, Way>,
    /// Virtual servers.
    pub servers: BTreeMap<Server, Setup>,
    /// Elements of the rules' sets and maps.
    pub elements: BTreeSet<Element>,
    /// The keys of this node's cookies. No rule uses them: the next agent goes on with them.
    pub keys: Option<TokenKeys>,
}

/// What devices and rules are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ground {
    /// This node's address towards other nodes.
    pub node: Ipv4Addr,
    /// UDP port of the tunnel.
    pub port: u16,
    /// MTU of the uplink, in bytes.
    pub mtu: u32,
}

/// A route into the tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way {
    /// The tunnel's number for it, 24 bits: [`super::RETURN`], or a task's tag.
    pub id: u32,
    /// The node at its end.
    pub node: Ipv4Addr,
}

/// A virtual server's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Server {
    /// A published port on an address of this node.
    Address(Ipv4Addr, Port),
    /// Packets out of the tunnel for one task of this node, by their mark.
    Mark(u32),
}

/// How a virtual server works, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    /// Who is next.
    pub scheduler: Scheduler,
    /// Seconds that a client stays with its task after its last connection; 0: not at all.
    pub keep_s: u32,
    /// The real servers.
    pub reals: BTreeMap<RealKey, Real>,
}

/// A real server's name within its virtual server: address and port.
pub type RealKey = (Ipv4Addr, u16);

/// How a task is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Real {
    /// How packets get there.
    pub method: Method,
    /// 1: new flows may go there; 0: only those that it has go on.
    pub weight: u32,
}

/// How packets get to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Rewritten, to a task on this node.
    Nat,
    /// Unchanged, along a [`Way`].
    Route,
}

/// Who is next: IPVS's own schedulers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduler {
    /// `rr`: one after the other.
    RoundRobin,
    /// `lc`: who has the fewest connections.
    LeastConnections,
    /// `sh`: by the client's address.
    SourceHash,
    /// `mh` with `mh-port`: by the client's address and port, so that few clients move when tasks do.
    Maglev,
}

/// One element of a set or map of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Element {
    /// Containers on this bridge, by its index, call published ports.
    Bridge(u32),
    /// A node whose tunnel packets are opened, and the alias by which replies get to it.
    Peer(Ipv4Addr, Ipv4Addr),
    /// Tunnel packets of this node may bear this cookie, and none but its cookies.
    CookieFrom(Ipv4Addr, Cookie),
    /// Tunnel packets to this node bear this cookie.
    CookieTo(Ipv4Addr, Cookie),
    /// Tunnel packets with this number to this port get this mark.
    Tag(u32, Port, u32),
    /// Clients of a network may use a restricted port.
    Allowed(Port, Ipv4Net),
    /// A port that not everybody may use.
    Restricted(Port),
    /// Replies from this port don't go back through the tunnel.
    Direct(Port),
    /// Processes and containers of this node may call this port.
    Published(Port),
    /// What a task on this node sends from here are answers, of no use to connection tracking.
    Answer(Ipv4Addr, Port),
    /// What a task on this node sends from here are answers, and connection tracking has to see them.
    TrackedAnswer(Ipv4Addr, Port),
    /// The task with this address is behind the port of a bridge with this index.
    Endpoint(Ipv4Addr, u32),
    /// IPVS answers here, and nobody else.
    Claim(Ipv4Addr, Port),
}

impl Element {
    /// The virtual server without which the element would lead nowhere.
    #[must_use]
    pub fn server(&self) -> Option<Server> {
        match self {
            Self::Claim(address, port) => Some(Server::Address(*address, *port)),
            Self::Tag(_, _, mark) => Some(Server::Mark(*mark)),
            _ => None,
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address, port) => {
                let name = port_name(port);
                let (number, proto) = name.split_once('/').unwrap_or((&name, ""));
                write!(f, "{address}:{number}/{proto}")
            }
            Self::Mark(mark) => write!(f, "mark {mark:#x}"),
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bridge(index) => write!(f, "callers on device {index}"),
            Self::Peer(node, _) => write!(f, "node {node}"),
            Self::CookieFrom(node, _) => write!(f, "cookie of node {node}"),
            Self::CookieTo(node, _) => write!(f, "cookie for node {node}"),
            Self::Tag(tag, port, _) => write!(f, "tag {tag} of {}", port_name(port)),
            Self::Allowed(port, network) => write!(f, "{network} on {}", port_name(port)),
            Self::Restricted(port) => write!(f, "{} is restricted", port_name(port)),
            Self::Direct(port) => write!(f, "{} answers directly", port_name(port)),
            Self::Published(port) => write!(f, "{} for callers here", port_name(port)),
            Self::Answer(address, port) => write!(f, "answers of {address} {}", port_name(port)),
            Self::TrackedAnswer(address, port) => {
                write!(f, "tracked answers of {address} {}", port_name(port))
            }
            Self::Endpoint(address, port) => write!(f, "task {address} behind device {port}"),
            Self::Claim(address, port) => write!(f, "{address} {}", port_name(port)),
        }
    }
}
