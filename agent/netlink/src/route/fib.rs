//! A route in the host's IPv4 tables (FIB) as a value.

use ipnet::Ipv4Net;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteIpTunnel, RouteLwEnCapType, RouteLwTunnelEncap,
    RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use std::fmt;
use std::net::Ipv4Addr;

/// The table that is asked after the host's own addresses (`RT_TABLE_MAIN`).
pub const MAIN: u32 = 254;

/// A route: to a network, by a device, without a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route {
    /// The table that it is in.
    pub table: u32,
    /// Destination network.
    pub to: Ipv4Net,
    /// Whether packets are forwarded or delivered to this host.
    pub kind: Kind,
    /// The index of the device that they take.
    pub device: u32,
    /// Encapsulation, for a route into a tunnel device in external mode.
    pub encap: Option<Encap>,
    /// Of routes to one network that with the lowest metric counts (`RTA_PRIORITY`). The kernel looks for
    /// what two routes have in common by device and metric, not by encapsulation, and each new one is
    /// compared with all that are alike so far: thousands by one device need many metrics.
    pub metric: u32,
    /// The address of this host from which packets of its processes are sent, if they have none (`RTA_PREFSRC`).
    pub source: Option<Ipv4Addr>,
}

/// Type of a route (`RTN_…`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Packets are forwarded by the device (`RTN_UNICAST`).
    Unicast,
    /// Packets are delivered to this host (`RTN_LOCAL`).
    Local,
}

/// Encapsulation in IP (`LWTUNNEL_ENCAP_IP` of `linux/lwtunnel.h`): what a tunnel in external mode is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Encap {
    /// The tunnel's tag. VXLAN takes the lower 24 bits.
    pub id: u64,
    /// The outer destination.
    pub to: Ipv4Addr,
}

impl Route {
    /// A route to one address, in the main table, with metric 0.
    #[must_use]
    pub fn host(to: Ipv4Addr, device: u32, encap: Option<Encap>) -> Self {
        Self {
            table: MAIN,
            to: Ipv4Net::from(to),
            kind: Kind::Unicast,
            device,
            encap,
            metric: 0,
            source: None,
        }
    }

    /// Everything is for this host: `local default` in a table of its own. `lo` is the index of `lo`.
    #[must_use]
    pub fn all_local(table: u32, lo: u32) -> Self {
        Self {
            table,
            to: Ipv4Net::default(),
            kind: Kind::Local,
            device: lo,
            encap: None,
            metric: 0,
            source: None,
        }
    }

    /// Everyone is reached by this device: `default` in a table of its own.
    #[must_use]
    pub fn everyone(table: u32, device: u32) -> Self {
        Self {
            kind: Kind::Unicast,
            ..Self::all_local(table, device)
        }
    }

    pub(super) fn message(&self, protocol: u8) -> RouteMessage {
        let mut message = RouteMessage::default();
        message.header.address_family = AddressFamily::Inet;
        message.header.destination_prefix_length = self.to.prefix_len();
        message.header.protocol = RouteProtocol::from(protocol);
        // Tables above 255 are named by an attribute.
        message.header.table = u8::try_from(self.table).unwrap_or_default();
        (message.header.kind, message.header.scope) = match self.kind {
            Kind::Unicast => (RouteType::Unicast, RouteScope::Link),
            Kind::Local => (RouteType::Local, RouteScope::Host),
        };
        if self.to.prefix_len() > 0 {
            let to = RouteAddress::Inet(self.to.network());
            message.attributes.push(RouteAttribute::Destination(to));
        }
        if message.header.table == 0 {
            message.attributes.push(RouteAttribute::Table(self.table));
        }
        if let Some(encap) = self.encap {
            let told = [
                RouteIpTunnel::Id(encap.id),
                RouteIpTunnel::Destination(encap.to),
            ];
            message.attributes.extend([
                RouteAttribute::Encap(told.map(RouteLwTunnelEncap::Ip).to_vec()),
                RouteAttribute::EncapType(RouteLwEnCapType::Ip),
            ]);
        }
        message.attributes.push(RouteAttribute::Oif(self.device));
        if self.metric > 0 {
            message
                .attributes
                .push(RouteAttribute::Priority(self.metric));
        }
        if let Some(source) = self.source {
            let source = RouteAddress::Inet(source);
            message.attributes.push(RouteAttribute::PrefSource(source));
        }
        message
    }

    /// Parses a message; `None` unless [`Route`] can express the route and it has this protocol number.
    pub(super) fn read(message: &RouteMessage, protocol: u8) -> Option<Self> {
        let header = &message.header;
        if header.protocol != RouteProtocol::from(protocol)
            || header.address_family != AddressFamily::Inet
            || header.tos != 0
        {
            return None;
        }
        let kind = match header.kind {
            RouteType::Unicast => Kind::Unicast,
            RouteType::Local => Kind::Local,
            _ => return None,
        };
        let mut to = Ipv4Addr::UNSPECIFIED;
        let (mut table, mut device) = (u32::from(header.table), None);
        let (mut encap, mut metric, mut source, mut foreign) = (None, 0, None, None);
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Destination(RouteAddress::Inet(address)) => to = *address,
                RouteAttribute::Table(number) => table = *number,
                RouteAttribute::Oif(index) => device = Some(*index),
                RouteAttribute::Priority(number) => metric = *number,
                RouteAttribute::Encap(told) => encap = Some(Encap::read(told)?),
                RouteAttribute::PrefSource(RouteAddress::Inet(address)) => source = Some(*address),
                RouteAttribute::Gateway(_)
                | RouteAttribute::Via(_)
                | RouteAttribute::MultiPath(_)
                | RouteAttribute::NhId(_) => foreign = Some(attribute),
                _ => {}
            }
        }
        Some(Self {
            table,
            to: Ipv4Net::new(to, header.destination_prefix_length).ok()?,
            kind,
            device: device.filter(|_| foreign.is_none())?,
            encap,
            metric,
            source,
        })
    }
}

impl Encap {
    fn read(told: &[RouteLwTunnelEncap]) -> Option<Self> {
        let (mut id, mut to) = (None, None);
        for one in told {
            match one {
                RouteLwTunnelEncap::Ip(RouteIpTunnel::Id(number)) => id = Some(*number),
                RouteLwTunnelEncap::Ip(RouteIpTunnel::Destination(address)) => to = Some(*address),
                _ => {}
            }
        }
        Some(Self { id: id?, to: to? })
    }
}

impl fmt::Display for Route {
    /// As `ip route` takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind == Kind::Local {
            f.write_str("local ")?;
        }
        match self.to.prefix_len() {
            0 => f.write_str("default")?,
            32 => write!(f, "{}", self.to.addr())?,
            _ => write!(f, "{}", self.to)?,
        }
        if let Some(encap) = self.encap {
            write!(f, " encap ip {encap}")?;
        }
        write!(f, " dev if{}", self.device)?;
        if self.table != MAIN {
            write!(f, " table {}", self.table)?;
        }
        if self.metric > 0 {
            write!(f, " metric {}", self.metric)?;
        }
        if let Some(source) = self.source {
            write!(f, " src {source}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Encap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "id {} dst {}", self.id, self.to)
    }
}
