//! A device as a value.

use super::{Setting, ipv4};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVxlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use std::collections::BTreeMap;
use std::fmt;

/// A network device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// Its number in this network namespace, from 1.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Kind of the device.
    pub kind: Kind,
    /// The longest packet, in bytes, without the Ethernet header.
    pub mtu: u32,
    /// Administratively up (`IFF_UP`).
    pub up: bool,
    /// Neighbours are not asked for their MAC addresses (`IFF_NOARP`).
    pub noarp: bool,
    /// Its MAC address, if it has one of six bytes.
    pub mac: Option<[u8; 6]>,
    /// `IFLA_IFALIAS`: free text, of whoever made it.
    pub ifalias: Option<String>,
    /// Its IPv4 settings; none if it has no IPv4.
    pub ipv4: BTreeMap<Setting, u32>,
}

/// The kinds of devices that matter here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A VXLAN tunnel.
    Vxlan(Vxlan),
    /// One end of a pair.
    Veth {
        /// The index of the other end, if it is in this network namespace.
        peer: Option<u32>,
    },
    /// `IFLA_INFO_KIND`; cards have none.
    Other(Option<String>),
}

/// Parameters of a VXLAN tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Vxlan {
    /// Tag and far end come with each packet, from routes or rules (`IFLA_VXLAN_COLLECT_METADATA`).
    pub external: bool,
    /// Carries IP packets, without Ethernet headers (`IFLA_VXLAN_GPE`).
    pub gpe: bool,
    /// Its UDP port on all hosts.
    pub port: u16,
}

impl Link {
    /// Parses a message; `None` without a name or an MTU.
    pub(super) fn read(message: &LinkMessage) -> Option<Self> {
        let (mut name, mut mtu, mut mac, mut ifalias) = (None, None, None, None);
        let (mut peer, mut elsewhere) = (None, false);
        let (mut ipv4, mut kind) = (BTreeMap::new(), Kind::Other(None));
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(text) => name = Some(text.clone()),
                LinkAttribute::Mtu(bytes) => mtu = Some(*bytes),
                LinkAttribute::Address(bytes) => mac = bytes.as_slice().try_into().ok(),
                LinkAttribute::IfAlias(text) => ifalias = Some(text.clone()),
                LinkAttribute::Link(index) => peer = Some(*index),
                LinkAttribute::LinkNetNsId(_) => elsewhere = true,
                LinkAttribute::LinkInfo(infos) => kind = Kind::read(infos),
                LinkAttribute::AfSpecUnspec(families) => ipv4 = ipv4::read(families),
                _ => {}
            }
        }
        if let Kind::Veth { peer: other } = &mut kind {
            *other = peer.filter(|_| !elsewhere);
        }
        Some(Self {
            index: message.header.index,
            name: name?,
            kind,
            mtu: mtu?,
            up: message.header.flags.contains(LinkFlags::Up),
            noarp: message.header.flags.contains(LinkFlags::Noarp),
            mac,
            ifalias,
            ipv4,
        })
    }
}

impl Kind {
    fn read(infos: &[LinkInfo]) -> Self {
        let kind = infos.iter().find_map(|info| match info {
            LinkInfo::Kind(kind) => Some(kind),
            _ => None,
        });
        match kind {
            Some(InfoKind::Vxlan) => {
                let data = infos.iter().find_map(|info| match info {
                    LinkInfo::Data(InfoData::Vxlan(data)) => Some(data.as_slice()),
                    _ => None,
                });
                Self::Vxlan(Vxlan::read(data.unwrap_or_default()))
            }
            Some(InfoKind::Veth) => Self::Veth { peer: None },
            kind => Self::Other(kind.map(ToString::to_string)),
        }
    }
}

impl Vxlan {
    fn read(data: &[InfoVxlan]) -> Self {
        let mut vxlan = Self {
            external: false,
            gpe: false,
            port: 0,
        };
        for info in data {
            match info {
                InfoVxlan::CollectMetadata(external) => vxlan.external = *external,
                InfoVxlan::Gpe => vxlan.gpe = true,
                InfoVxlan::Port(port) => vxlan.port = *port,
                _ => {}
            }
        }
        vxlan
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, mtu, .. } = self;
        write!(f, "{name} mtu {mtu}")?;
        if !self.up {
            f.write_str(" down")?;
        }
        if self.noarp {
            f.write_str(" noarp")?;
        }
        write!(f, "{}", self.kind)?;
        if let Some(ifalias) = &self.ifalias {
            write!(f, " alias {ifalias}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vxlan(vxlan) => write!(f, " {vxlan}"),
            Self::Veth { peer: Some(peer) } => write!(f, " veth peer if{peer}"),
            Self::Veth { peer: None } => f.write_str(" veth"),
            Self::Other(Some(kind)) => write!(f, " {kind}"),
            Self::Other(None) => Ok(()),
        }
    }
}

impl fmt::Display for Vxlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("vxlan")?;
        if self.external {
            f.write_str(" external")?;
        }
        write!(f, " dstport {}", self.port)?;
        if self.gpe {
            f.write_str(" gpe")?;
        }
        Ok(())
    }
}
