//! A virtual service: how it spreads connections.

use super::id::{Family, ServiceId};
use super::message::{Attribute, SERVICE, as_u32, each};
use super::stats::Stats;
use netlink_packet_core::DecodeError;
use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};
use std::net::Ipv4Addr;
use std::ops::BitOr;

/// `IPVS_SVC_ATTR_…` of `linux/ip_vs.h`, beyond those that name the server.
const SCHED_NAME: u16 = 6;
const FLAGS: u16 = 7;
const TIMEOUT: u16 = 8;
const NETMASK: u16 = 9;
const STATS: u16 = 10;
const PE_NAME: u16 = 11;
const STATS64: u16 = 12;

/// `IP_VS_SCHEDNAME_MAXLEN` and `IP_VS_PENAME_MAXLEN`, with the zero at the end.
const NAME_BYTES: usize = 16;

/// The name of a scheduler or of a persistence engine: that of a kernel module, without its
/// `ip_vs_`. 1 to 15 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Cow<'static, str>);

impl Name {
    /// Round robin.
    pub const ROUND_ROBIN: Self = Self(Cow::Borrowed("rr"));
    /// Weighted round robin.
    pub const WEIGHTED_ROUND_ROBIN: Self = Self(Cow::Borrowed("wrr"));
    /// Least connections.
    pub const LEAST_CONNECTIONS: Self = Self(Cow::Borrowed("lc"));
    /// Weighted least connections.
    pub const WEIGHTED_LEAST_CONNECTIONS: Self = Self(Cow::Borrowed("wlc"));
    /// `sh`: by a hash of the client's address.
    pub const SOURCE_HASH: Self = Self(Cow::Borrowed("sh"));
    /// Maglev, by the client's address.
    pub const MAGLEV: Self = Self(Cow::Borrowed("mh"));
    /// No scheduler: the kernel gives no connection to anybody.
    pub const NONE: Self = Self(Cow::Borrowed("none"));

    /// Another one. `None` if the kernel could not take it.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let good = (1..NAME_BYTES).contains(&name.len()) && !name.contains('\0');
        good.then(|| Self(Cow::Owned(name.to_owned())))
    }

    /// As the kernel writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parse(value: &[u8]) -> Option<Self> {
        let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
        Self::new(&String::from_utf8_lossy(text))
    }
}

impl Display for Name {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// `IP_VS_SVC_F_…` of `linux/ip_vs.h`; unknown ones are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(u32);

impl Flags {
    /// A client stays with its destination.
    pub const PERSISTENT: Self = Self(0x0001);
    /// Each datagram is its own connection (UDP).
    pub const ONE_PACKET: Self = Self(0x0004);
    /// The scheduler's first; of `sh` and `mh`: take another server for one of weight 0.
    pub const SCHEDULER_1: Self = Self(0x0008);
    /// The scheduler's second; of `sh` and `mh`: hash the client's port, too.
    pub const SCHEDULER_2: Self = Self(0x0010);
    /// The scheduler's third.
    pub const SCHEDULER_3: Self = Self(0x0020);

    /// `IP_VS_SVC_F_HASHED`: "is in the kernel's table", thus set in all that the kernel
    /// tells, and of no use to anybody. A new server that came with it would never get there.
    const HASHED: u32 = 0x0002;

    /// These bits, without that of the kernel's own.
    #[must_use]
    pub fn from_bits(bits: u32) -> Self {
        Self(bits & !Self::HASHED)
    }

    /// As in `linux/ip_vs.h`.
    #[must_use]
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Are all of `other` set?
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// `struct ip_vs_flags`: the bits, and which of them count (all).
    fn encode(self) -> Vec<u8> {
        [self.0.to_ne_bytes(), u32::MAX.to_ne_bytes()].concat()
    }

    fn parse(value: &[u8]) -> Option<Self> {
        let bits = value.first_chunk::<4>()?;
        Some(Self::from_bits(u32::from_ne_bytes(*bits)))
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Clients that a persistent service treats as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Netmask {
    /// Clients whose addresses are equal under this IPv4 mask.
    V4(Ipv4Addr),
    /// Clients with equal first bits, for IPv6: 1 to 128.
    V6(u8),
}

impl Netmask {
    /// Each address is a client of its own, as is usual.
    #[must_use]
    pub fn whole(family: Family) -> Self {
        match family {
            Family::V4 => Self::V4(Ipv4Addr::BROADCAST),
            Family::V6 => Self::V6(128),
        }
    }

    /// A mask in network byte order, or a number in the machine's.
    fn encode(self) -> Attribute {
        match self {
            Self::V4(mask) => Attribute::new(NETMASK, mask.octets().to_vec()),
            Self::V6(bits) => Attribute::u32(NETMASK, bits.into()),
        }
    }

    fn parse(family: Family, value: &[u8]) -> Option<Self> {
        match family {
            Family::V4 => {
                let mask = value.first_chunk::<4>()?;
                Some(Self::V4(Ipv4Addr::from(*mask)))
            }
            Family::V6 => Some(Self::V6(u8::try_from(as_u32(value)?).ok()?)),
        }
    }
}

/// A virtual service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The address, or the mark, that the virtual service answers.
    pub id: ServiceId,
    /// Scheduler of new connections.
    pub scheduler: Name,
    /// Options: persistent, hashed by port, one packet.
    pub flags: Flags,
    /// Persistence timeout: seconds that a client stays at its destination after its last connection.
    pub timeout: u32,
    /// Clients that persistence treats as one, of the family of `id`.
    pub netmask: Netmask,
    /// Persistence engine, which identifies a client by something else than its address.
    pub engine: Option<Name>,
}

impl Service {
    /// One that remembers no client.
    #[must_use]
    pub fn new(id: ServiceId, scheduler: Name) -> Self {
        Self {
            id,
            scheduler,
            flags: Flags::default(),
            timeout: 0,
            netmask: Netmask::whole(id.family()),
            engine: None,
        }
    }

    /// All attributes of the service: the kernel requires every one.
    pub(super) fn attribute(&self) -> Attribute {
        let mut inner = self.id.attributes();
        inner.push(Attribute::text(SCHED_NAME, self.scheduler.as_str()));
        if let Some(engine) = &self.engine {
            inner.push(Attribute::text(PE_NAME, engine.as_str()));
        }
        inner.push(Attribute::new(FLAGS, self.flags.encode()));
        inner.push(Attribute::u32(TIMEOUT, self.timeout));
        inner.push(self.netmask.encode());
        Attribute::nest(SERVICE, &inner)
    }

    /// A server as the kernel tells of it. `None` if it can't be named here.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Self, Stats)>, DecodeError> {
        let attributes = each(bytes)?;
        let Some(id) = ServiceId::parse(&attributes) else {
            return Ok(None);
        };
        let mut service = Self::new(id, Name::NONE);
        for (kind, value) in &attributes {
            match *kind {
                SCHED_NAME => service.scheduler = Name::parse(value).unwrap_or(Name::NONE),
                FLAGS => service.flags = Flags::parse(value).unwrap_or_default(),
                TIMEOUT => service.timeout = as_u32(value).unwrap_or_default(),
                NETMASK => {
                    if let Some(netmask) = Netmask::parse(id.family(), value) {
                        service.netmask = netmask;
                    }
                }
                PE_NAME => service.engine = Name::parse(value),
                _ => {}
            }
        }
        Ok(Some((service, Stats::best(&attributes, STATS64, STATS)?)))
    }
}
