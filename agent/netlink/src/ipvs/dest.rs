//! A destination: where a virtual service's connections go, and how they get there.

use super::id::{Family, address_bytes};
use super::message::{Attribute, DEST, as_be16, as_u8, as_u16, as_u32, each};
use super::stats::Stats;
use netlink_packet_core::DecodeError;
use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, SocketAddr};

/// `IPVS_DEST_ATTR_…` of `linux/ip_vs.h`.
const ADDR: u16 = 1;
const PORT: u16 = 2;
const FWD_METHOD: u16 = 3;
const WEIGHT: u16 = 4;
const U_THRESH: u16 = 5;
const L_THRESH: u16 = 6;
const ACTIVE_CONNS: u16 = 7;
const INACT_CONNS: u16 = 8;
const PERSIST_CONNS: u16 = 9;
const STATS: u16 = 10;
const ADDR_FAMILY: u16 = 11;
const STATS64: u16 = 12;
const TUN_TYPE: u16 = 13;
const TUN_PORT: u16 = 14;
const TUN_FLAGS: u16 = 15;

/// Encapsulation of a tunnel: `IP_VS_CONN_F_TUNNEL_TYPE_…`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TunnelKind(pub u8);

impl TunnelKind {
    /// IP in IP.
    pub const IPIP: Self = Self(0);
    /// Generic UDP encapsulation.
    pub const GUE: Self = Self(1);
    /// Generic routing encapsulation.
    pub const GRE: Self = Self(2);
}

/// The tunnel to a destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tunnel {
    /// Encapsulation.
    pub kind: TunnelKind,
    /// The UDP port of GUE, which needs one, in the machine's byte order.
    pub port: u16,
    /// `IP_VS_TUNNEL_ENCAP_FLAG_…`: 1 for a checksum, 2 for a remote one.
    pub flags: u16,
}

/// Forwarding method: `IP_VS_CONN_F_…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Destination address and port become the server's (NAT).
    Masq,
    /// Local delivery: the destination is this host.
    Local,
    /// Tunnelling: the packet keeps its address and port.
    Tunnel(Tunnel),
    /// Direct routing, by the route to the destination's address. The packet stays unchanged.
    Route,
    /// Bypass: by the route to the packet's own address.
    Bypass,
    /// One that is unknown here: 5 to 7.
    Other(u32),
}

impl Method {
    fn number(self) -> u32 {
        match self {
            Self::Masq => 0,
            Self::Local => 1,
            Self::Tunnel(_) => 2,
            Self::Route => 3,
            Self::Bypass => 4,
            Self::Other(number) => number,
        }
    }

    fn new(number: u32, tunnel: Tunnel) -> Self {
        match number {
            0 => Self::Masq,
            1 => Self::Local,
            2 => Self::Tunnel(tunnel),
            3 => Self::Route,
            4 => Self::Bypass,
            other => Self::Other(other),
        }
    }
}

impl Display for Method {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Masq => "Masq",
            Self::Local => "Local",
            Self::Tunnel(_) => "Tunnel",
            Self::Route => "Route",
            Self::Bypass => "Bypass",
            Self::Other(_) => "Other",
        })
    }
}

/// A destination of a virtual one, which it is told from others by its address and port. Its
/// `Display` is what `ipvsadm -Ln` prints, but for the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dest {
    /// Address, of the virtual service's family unless tunnelled.
    pub address: IpAddr,
    /// Port, in the machine's byte order. 0 keeps the packet's port, if the virtual service has none.
    pub port: u16,
    /// Forwarding method.
    pub method: Method,
    /// Its share of new connections; 0 for none, while old ones go on. Up to `i32::MAX`.
    pub weight: u32,
    /// With so many connections it gets no more, 0 for no limit.
    pub upper: u32,
    /// With fewer than so many it gets some again, 0 for three quarters of `upper`.
    pub lower: u32,
}

impl Dest {
    /// One without limits.
    #[must_use]
    pub fn new(address: IpAddr, port: u16, method: Method, weight: u32) -> Self {
        Self {
            address,
            port,
            method,
            weight,
            upper: 0,
            lower: 0,
        }
    }

    fn names(&self) -> Vec<Attribute> {
        vec![
            Attribute::u16(ADDR_FAMILY, Family::of(self.address).number()),
            Attribute::new(ADDR, address_bytes(self.address)),
            Attribute::be16(PORT, self.port),
        ]
    }

    /// As the attribute that names a server.
    pub(super) fn name(&self) -> Attribute {
        Attribute::nest(DEST, &self.names())
    }

    /// All attributes of the destination: the kernel requires every one.
    pub(super) fn attribute(&self) -> Attribute {
        let tunnel = match self.method {
            Method::Tunnel(tunnel) => tunnel,
            _ => Tunnel::default(),
        };
        let mut inner = self.names();
        inner.extend([
            Attribute::u32(FWD_METHOD, self.method.number()),
            Attribute::u32(WEIGHT, self.weight),
            Attribute::u8(TUN_TYPE, tunnel.kind.0),
            Attribute::be16(TUN_PORT, tunnel.port),
            Attribute::u16(TUN_FLAGS, tunnel.flags),
            Attribute::u32(U_THRESH, self.upper),
            Attribute::u32(L_THRESH, self.lower),
        ]);
        Attribute::nest(DEST, &inner)
    }

    /// A server as the kernel tells of it. Kernels that don't tell its family (before 3.18)
    /// know only `family`, that of the virtual service. `None` if it can't be named here.
    pub(super) fn parse(
        family: Family,
        bytes: &[u8],
    ) -> Result<Option<(Self, DestNow)>, DecodeError> {
        let attributes = each(bytes)?;
        let find = |wanted| {
            let found = attributes.iter().find(|(kind, _)| *kind == wanted);
            found.map(|(_, value)| *value)
        };
        let number = |wanted| find(wanted).and_then(as_u32).unwrap_or_default();
        let family = match find(ADDR_FAMILY).and_then(as_u16) {
            Some(number) => Family::from_number(number),
            None => Some(family),
        };
        let address = family.and_then(|family| family.address(find(ADDR)?));
        let (Some(address), Some(port)) = (address, find(PORT).and_then(as_be16)) else {
            return Ok(None);
        };
        let tunnel = Tunnel {
            kind: TunnelKind(find(TUN_TYPE).and_then(as_u8).unwrap_or_default()),
            port: find(TUN_PORT).and_then(as_be16).unwrap_or_default(),
            flags: find(TUN_FLAGS).and_then(as_u16).unwrap_or_default(),
        };
        let dest = Self {
            address,
            port,
            method: Method::new(number(FWD_METHOD), tunnel),
            weight: number(WEIGHT),
            upper: number(U_THRESH),
            lower: number(L_THRESH),
        };
        let now = DestNow {
            active: number(ACTIVE_CONNS),
            inactive: number(INACT_CONNS),
            persistent: number(PERSIST_CONNS),
            stats: Stats::best(&attributes, STATS64, STATS)?,
        };
        Ok(Some((dest, now)))
    }
}

impl Display for Dest {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let at = SocketAddr::new(self.address, self.port);
        write!(f, "{at} {} {}", self.method, self.weight)
    }
}

/// Connections and counters of a destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DestNow {
    /// Connections that are open.
    pub active: u32,
    /// Connections that are being opened or closed, and all without such states (UDP).
    pub inactive: u32,
    /// Clients that are remembered.
    pub persistent: u32,
    /// Counters.
    pub stats: Stats,
}
