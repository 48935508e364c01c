//! The objects of the IPVS path. `want` and `have` are of this one type.

use super::allocator;
use crate::backend::port_name;
use crate::model::ids::Key;
use crate::model::token::TokenKeys;
use ipnet::Ipv4Net;
use lb_abi::Be16;
use lb_abi::service::Port;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;

/// The cookie of a tunnel packet ([`super::cookie`]), as it is on the wire; never all zeros, as the kernel sends.
pub type Cookie = [u8; 3];

/// All of swarmlb's objects in the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Parameters of the devices and rules; `None`: they are missing, or differ from what the parameters ask for.
    pub node_config: Option<NodeConfig>,
    /// Encapsulating routes to other nodes, by route address.
    pub routes: BTreeMap<Ipv4Addr, EncapRoute>,
    /// Virtual services.
    pub services: BTreeMap<ServiceKey, VirtualService>,
    /// Elements of the rules' sets and maps.
    pub elements: BTreeSet<Element>,
    /// The keys of this node's cookies. No rule uses them: the next agent goes on with them.
    pub keys: Option<TokenKeys>,
}

/// Node-level parameters of the devices and rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeConfig {
    /// This node's address towards other nodes.
    pub node: Ipv4Addr,
    /// UDP port of the tunnel.
    pub port: u16,
    /// MTU of the uplink, in bytes.
    pub mtu: u32,
    /// Number of the user whose processes may call tasks by route addresses; `None`: no HTTP router is switched on.
    pub router_user: Option<u32>,
}

/// A route into the tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EncapRoute {
    /// The tunnel's number for it, 24 bits: [`super::ids::RETURN_ID`], or a task's tag.
    pub id: u32,
    /// The node at its end.
    pub node: Ipv4Addr,
    /// The sender of packets that processes of this node send along it; `None`: they send none.
    pub source: Option<Ipv4Addr>,
}

/// Identifies a virtual service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceKey {
    /// A published port on an address of this node.
    Address(Ipv4Addr, Port),
    /// Packets out of the tunnel for one task of this node, by their mark.
    Mark(u32),
}

/// Scheduler, persistence and destinations of a virtual service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualService {
    /// Chooses the destination of a new connection.
    pub scheduler: Scheduler,
    /// Seconds that a client stays with its task after its last connection; 0: not at all.
    pub persistence_s: u32,
    /// The destinations.
    pub destinations: BTreeMap<DestinationKey, Destination>,
}

/// Identifies a destination within its virtual service: address and port.
pub type DestinationKey = (Ipv4Addr, u16);

/// A task as a virtual service has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Forwarding method.
    pub method: Method,
    /// 1: new flows may go there; 0: only those that it has go on.
    pub weight: u32,
}

/// Forwarding method of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Rewritten, to a task on this node.
    Nat,
    /// Unchanged, along an [`EncapRoute`].
    Route,
}

/// IPVS's own schedulers.
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
    /// A node whose tunnel packets are opened, and the route address by which replies get to it.
    Peer(Ipv4Addr, Ipv4Addr),
    /// Tunnel packets of this node may bear this cookie, and none but its cookies.
    CookieFrom(Ipv4Addr, Cookie),
    /// Tunnel packets to this node bear this cookie.
    CookieTo(Ipv4Addr, Cookie),
    /// Tunnel packets with this number to this port get this mark.
    TunnelMark(u32, Port, u32),
    /// Tunnel packets with this number to a port that a task itself listens on, of which the destination's upper bits are
    /// these, get this mark.
    OwnPortMark(u32, Ipv4Addr, u16, u32),
    /// The HTTP router of this node may call the task with this route address, and its replies come from the node with this one.
    OwnAddress(Ipv4Addr, Ipv4Addr),
    /// Clients of a network may use a restricted port.
    Allowed(Port, Ipv4Net),
    /// A port that not everybody may use.
    Restricted(Port),
    /// Replies from this port don't go back through the tunnel.
    DirectReturn(Port),
    /// Processes and containers of this node may call this port.
    Published(Port),
    /// Packets from this address and port of a task on this node are replies; they skip connection tracking.
    LocalReply(Ipv4Addr, Port),
    /// Packets from this address and port of a task on this node are replies, and connection tracking has to see them.
    TrackedReply(Ipv4Addr, Port),
    /// What `LocalReply` says, of a task that processes of this node call by its address as well: for them, connection tracking
    /// has to see it.
    OwnReply(Ipv4Addr, Port),
    /// The task with this address is behind the port of a bridge with this index.
    Endpoint(Ipv4Addr, u32),
    /// A published port on an address of this node: its packets are steered to IPVS.
    Vip(Ipv4Addr, Port),
}

impl State {
    /// The virtual services that bear connections to published ports, each with its port: for clients of this node, and for
    /// what comes out of the tunnel.
    pub fn services_of_ports(&self) -> impl Iterator<Item = (ServiceKey, Port)> {
        let services = self.services.keys();
        let of_clients = services.filter_map(|service| match service {
            ServiceKey::Address(_, port) => Some((*service, *port)),
            ServiceKey::Mark(_) => None,
        });
        let elements = self.elements.iter();
        let of_tunnel = elements.filter_map(|element| match element {
            Element::TunnelMark(_, port, mark) => Some((ServiceKey::Mark(*mark), *port)),
            _ => None,
        });
        of_clients.chain(of_tunnel)
    }

    /// Does what comes out of the tunnel find this task of the node, by a published port or by one of its own?
    pub(super) fn leads_to(&self, task: Key) -> bool {
        let (tag, own) = (allocator::tag(task), allocator::own_port_id(task));
        let lowest = Port::new(Be16::new(0), 0);
        let by_port = self.elements.range(Element::TunnelMark(tag, lowest, 0)..);
        let lowest = Element::OwnPortMark(own, Ipv4Addr::UNSPECIFIED, 0, 0);
        let by_own_port = self.elements.range(lowest..);
        let mut found = by_port.take(1).chain(by_own_port.take(1));
        found.any(|element| match element {
            Element::TunnelMark(id, ..) => *id == tag,
            Element::OwnPortMark(id, ..) => *id == own,
            _ => false,
        })
    }

    /// The route address of another node; `None` if its tunnel packets are not opened.
    pub(super) fn route_to_peer(&self, peer: Ipv4Addr) -> Option<Ipv4Addr> {
        let any =
            Element::Peer(peer, Ipv4Addr::UNSPECIFIED)..=Element::Peer(peer, Ipv4Addr::BROADCAST);
        match self.elements.range(any).next() {
            Some(Element::Peer(_, route_address)) => Some(*route_address),
            _ => None,
        }
    }
}

impl Element {
    /// The virtual service without which the element would lead nowhere.
    #[must_use]
    pub fn service(&self) -> Option<ServiceKey> {
        match self {
            Self::Vip(address, port) => Some(ServiceKey::Address(*address, *port)),
            Self::TunnelMark(_, _, mark) | Self::OwnPortMark(_, _, _, mark) => {
                Some(ServiceKey::Mark(*mark))
            }
            _ => None,
        }
    }
}

impl fmt::Display for ServiceKey {
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
            Self::TunnelMark(tag, port, _) => write!(f, "tag {tag} of {}", port_name(port)),
            Self::OwnPortMark(id, _, port, _) => write!(f, "tag {id:#x} of own port {port}/tcp"),
            Self::OwnAddress(address, _) => write!(f, "calls to {address}"),
            Self::Allowed(port, network) => write!(f, "{network} on {}", port_name(port)),
            Self::Restricted(port) => write!(f, "{} is restricted", port_name(port)),
            Self::DirectReturn(port) => write!(f, "{} answers directly", port_name(port)),
            Self::Published(port) => write!(f, "{} for callers here", port_name(port)),
            Self::LocalReply(address, port) => {
                write!(f, "replies of {address} {}", port_name(port))
            }
            Self::OwnReply(address, port) => {
                write!(
                    f,
                    "replies of {address} {}, called here as well",
                    port_name(port)
                )
            }
            Self::TrackedReply(address, port) => {
                write!(f, "tracked replies of {address} {}", port_name(port))
            }
            Self::Endpoint(address, port) => write!(f, "task {address} behind device {port}"),
            Self::Vip(address, port) => write!(f, "{address} {}", port_name(port)),
        }
    }
}

#[cfg(test)]
mod tests;
