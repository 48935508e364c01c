//! What is in the sets, as values.

use super::steps::{TCP, UDP};
use crate::nft::{Element, Key};
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// A transport protocol that has ports and is balanced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "everybody knows them")]
pub enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    fn number(self) -> u8 {
        match self {
            Self::Tcp => TCP,
            Self::Udp => UDP,
        }
    }

    fn of(number: u8) -> Option<Self> {
        [Self::Tcp, Self::Udp]
            .into_iter()
            .find(|protocol| protocol.number() == number)
    }
}

/// A port of a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    /// The protocol.
    pub protocol: Protocol,
    /// The port.
    pub port: u16,
}

/// A virtual server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Service {
    /// Its address.
    pub address: Ipv4Addr,
    /// Its port.
    pub port: Port,
}

/// Who may call a port. The kernel refuses a network of a port that is within another one of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Allowed {
    /// The port.
    pub port: Port,
    /// The network.
    pub network: Ipv4Net,
}

/// What names a task in the tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// The tunnel id: 24 bits.
    pub id: u32,
    /// The port that the client called.
    pub port: Port,
}

/// A value that is an element of a set.
pub(super) trait Item: Copy + Ord {
    fn element(&self) -> Element;

    /// Nothing for elements that this program does not put there.
    fn of(element: &Element) -> Option<Self>;
}

fn port_of(protocol: [u8; 4], port: [u8; 4]) -> Option<Port> {
    let ([protocol, ..], [high, low, ..]) = (protocol, port);
    Some(Port {
        protocol: Protocol::of(protocol)?,
        port: u16::from_be_bytes([high, low]),
    })
}

fn with_port(key: Key, port: Port) -> Key {
    key.byte(port.protocol.number()).port(port.port)
}

impl Item for Port {
    fn element(&self) -> Element {
        Element::key(with_port(Key::default(), *self))
    }

    fn of(element: &Element) -> Option<Self> {
        let [protocol, port] = element.key.words()?;
        port_of(protocol, port)
    }
}

impl Item for Service {
    fn element(&self) -> Element {
        Element::key(with_port(Key::default().address(self.address), self.port))
    }

    fn of(element: &Element) -> Option<Self> {
        let [address, protocol, port] = element.key.words()?;
        Some(Self {
            address: address.into(),
            port: port_of(protocol, port)?,
        })
    }
}

/// A mark or the index of a device.
impl Item for u32 {
    fn element(&self) -> Element {
        Element::key(Key::default().number(*self))
    }

    fn of(element: &Element) -> Option<Self> {
        let [word] = element.key.words()?;
        Some(Self::from_ne_bytes(word))
    }
}

impl Item for Allowed {
    fn element(&self) -> Element {
        let key = |address| with_port(Key::default(), self.port).address(address);
        Element::range(key(self.network.network()), key(self.network.broadcast()))
    }

    fn of(element: &Element) -> Option<Self> {
        let [protocol, port, first] = element.key.words()?;
        let [_, _, last] = element.last.as_ref()?.words()?;
        let (first, last) = (Ipv4Addr::from(first), Ipv4Addr::from(last));
        let length = (first.to_bits() ^ last.to_bits()).leading_zeros();
        Some(Self {
            port: port_of(protocol, port)?,
            network: Ipv4Net::new(first, u8::try_from(length).ok()?).ok()?,
        })
    }
}

/// An address and the alias that goes with it: as an address or, its bytes the same, as a mark.
impl Item for (Ipv4Addr, Ipv4Addr) {
    fn element(&self) -> Element {
        Element::pair(Key::default().address(self.0), self.1.octets())
    }

    fn of(element: &Element) -> Option<Self> {
        let [address] = element.key.words()?;
        Some((address.into(), element.value?.into()))
    }
}

impl Item for (Tag, u32) {
    fn element(&self) -> Element {
        let key = Key::default().number(self.0.id);
        Element::pair(with_port(key, self.0.port), self.1.to_ne_bytes())
    }

    fn of(element: &Element) -> Option<Self> {
        let [id, protocol, port] = element.key.words()?;
        let tag = Tag {
            id: u32::from_ne_bytes(id),
            port: port_of(protocol, port)?,
        };
        Some((tag, u32::from_ne_bytes(element.value?)))
    }
}
