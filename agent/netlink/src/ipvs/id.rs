//! Identity of a virtual service: an address and a port of a protocol, or a firewall mark.

use super::message::{Attribute, SERVICE, as_be16, as_u16, as_u32};
use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// `IPVS_SVC_ATTR_…` of `linux/ip_vs.h`.
const AF: u16 = 1;
const PROTOCOL: u16 = 2;
const ADDR: u16 = 3;
const PORT: u16 = 4;
const FWMARK: u16 = 5;

/// `union nf_inet_addr`: room for either address; IPv4 is in the first four bytes.
const ADDRESS_BYTES: usize = 16;

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// `AF_INET`
    V4,
    /// `AF_INET6`
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The kernel's number.
    pub(super) fn number(self) -> u16 {
        match self {
            Self::V4 => 2,
            Self::V6 => 10,
        }
    }

    /// A later kernel may have others, whose address format is unknown to this crate.
    pub(super) fn from_number(number: u16) -> Option<Self> {
        [Self::V4, Self::V6]
            .into_iter()
            .find(|family| family.number() == number)
    }

    /// The address in a `union nf_inet_addr`.
    pub(super) fn address(self, bytes: &[u8]) -> Option<IpAddr> {
        match self {
            Self::V4 => bytes
                .first_chunk::<4>()
                .map(|four| Ipv4Addr::from(*four).into()),
            Self::V6 => bytes
                .first_chunk::<16>()
                .map(|all| Ipv6Addr::from(*all).into()),
        }
    }
}

/// An address as `union nf_inet_addr`.
pub(super) fn address_bytes(address: IpAddr) -> Vec<u8> {
    let mut bytes = match address {
        IpAddr::V4(four) => four.octets().to_vec(),
        IpAddr::V6(all) => all.octets().to_vec(),
    };
    bytes.resize(ADDRESS_BYTES, 0);
    bytes
}

/// A transport protocol by its number of IANA's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u16);

impl Protocol {
    /// `IPPROTO_TCP`
    pub const TCP: Self = Self(6);
    /// `IPPROTO_UDP`
    pub const UDP: Self = Self(17);
    /// `IPPROTO_SCTP`
    pub const SCTP: Self = Self(132);
}

impl Display for Protocol {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TCP => f.pad("TCP"),
            Self::UDP => f.pad("UDP"),
            Self::SCTP => f.pad("SCTP"),
            Self(other) => f.pad(&other.to_string()),
        }
    }
}

/// What tells a virtual service from all others of its network namespace. Its `Display` is what
/// `ipvsadm -Ln` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceId {
    /// Packets to an address and a port. Port 0 is any port (for persistent servers).
    Address {
        /// Destination address of clients' packets.
        address: IpAddr,
        /// TCP, UDP or SCTP.
        protocol: Protocol,
        /// Port, in the machine's byte order.
        port: u16,
    },
    /// Packets with a firewall mark.
    Mark {
        /// Not 0.
        mark: u32,
        /// A mark may stand for one server of each family.
        family: Family,
    },
}

impl ServiceId {
    /// The family of its packets.
    #[must_use]
    pub fn family(&self) -> Family {
        match self {
            Self::Address { address, .. } => Family::of(*address),
            Self::Mark { family, .. } => *family,
        }
    }

    pub(super) fn attributes(&self) -> Vec<Attribute> {
        let family = Attribute::u16(AF, self.family().number());
        match *self {
            Self::Address {
                address,
                protocol,
                port,
            } => vec![
                family,
                Attribute::u16(PROTOCOL, protocol.0),
                Attribute::new(ADDR, address_bytes(address)),
                Attribute::be16(PORT, port),
            ],
            Self::Mark { mark, .. } => vec![family, Attribute::u32(FWMARK, mark)],
        }
    }

    /// As the attribute that names a server.
    pub(super) fn attribute(&self) -> Attribute {
        Attribute::nest(SERVICE, &self.attributes())
    }

    /// `None` for what can't be named here, as a server of another family.
    pub(super) fn parse(attributes: &[(u16, &[u8])]) -> Option<Self> {
        let find = |wanted| {
            let found = attributes.iter().find(|(kind, _)| *kind == wanted);
            found.map(|(_, value)| *value)
        };
        let family = Family::from_number(find(AF).and_then(as_u16)?)?;
        if let Some(mark) = find(FWMARK).and_then(as_u32) {
            return Some(Self::Mark { mark, family });
        }
        Some(Self::Address {
            address: family.address(find(ADDR)?)?,
            protocol: Protocol(find(PROTOCOL).and_then(as_u16)?),
            port: find(PORT).and_then(as_be16)?,
        })
    }
}

impl Display for ServiceId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Address {
                address,
                protocol,
                port,
            } => write!(f, "{protocol:4} {}", SocketAddr::new(address, port)),
            Self::Mark {
                mark,
                family: Family::V4,
            } => write!(f, "FWM  {mark}"),
            Self::Mark {
                mark,
                family: Family::V6,
            } => write!(f, "FWM  {mark} IPv6"),
        }
    }
}
