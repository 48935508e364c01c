//! Values of the sets' elements.

use super::matches::{TCP, UDP};
use crate::nft::{Element, Key, Userdata};
use ipnet::Ipv4Net;
use std::fmt;
use std::net::Ipv4Addr;

/// A transport protocol that has ports and is balanced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "everybody knows them")]
pub enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    pub(super) fn number(self) -> u8 {
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

/// A virtual service.
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

/// What tunnel packets of a peer bear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cookie {
    /// The peer's address.
    pub peer: Ipv4Addr,
    /// The cookie.
    pub bits: Bits,
}

/// A cookie: as much as the header of VXLAN-GPE has room for.
pub type Bits = [u8; 3];

/// The keys of the cookies on what this host sends, kept for whoever goes on after this program: no rule uses them, and
/// no list shows them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Keys {
    /// The number of the one in use.
    pub epoch: u32,
    /// That one, and the next.
    pub keys: [[u8; 16]; 2],
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({}, secret)", self.epoch)
    }
}

/// A task of this node, and the index of the port of a bridge behind which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Its address.
    pub address: Ipv4Addr,
    /// The port's index.
    pub port: u32,
}

/// A value that is an element of a set.
pub(super) trait SetElement: Copy + Ord {
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

impl SetElement for Port {
    fn element(&self) -> Element {
        Element::key(with_port(Key::default(), *self))
    }

    fn of(element: &Element) -> Option<Self> {
        let [protocol, port] = element.key.words()?;
        port_of(protocol, port)
    }
}

impl SetElement for Service {
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
impl SetElement for u32 {
    fn element(&self) -> Element {
        Element::key(Key::default().number(*self))
    }

    fn of(element: &Element) -> Option<Self> {
        let [word] = element.key.words()?;
        Some(Self::from_ne_bytes(word))
    }
}

impl SetElement for Allowed {
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

impl SetElement for Endpoint {
    fn element(&self) -> Element {
        Element::key(Key::default().address(self.address).number(self.port))
    }

    fn of(element: &Element) -> Option<Self> {
        let [address, port] = element.key.words()?;
        Some(Self {
            address: address.into(),
            port: u32::from_ne_bytes(port),
        })
    }
}

impl SetElement for Ipv4Addr {
    fn element(&self) -> Element {
        Element::key(Key::default().address(*self))
    }

    fn of(element: &Element) -> Option<Self> {
        let [address] = element.key.words()?;
        Some(address.into())
    }
}

impl SetElement for Cookie {
    fn element(&self) -> Element {
        let [high, low, last] = self.bits;
        let key = Key::default().address(self.peer);
        Element::key(key.port(u16::from_be_bytes([high, low])).byte(last))
    }

    fn of(element: &Element) -> Option<Self> {
        let [peer, [high, low, ..], [last, ..]] = element.key.words()?;
        Some(Self {
            peer: peer.into(),
            bits: [high, low, last],
        })
    }
}

/// An address and bytes of the cookie of what is sent there.
impl<const N: usize> SetElement for (Ipv4Addr, [u8; N]) {
    fn element(&self) -> Element {
        Element::pair(Key::default().address(self.0), self.1)
    }

    fn of(element: &Element) -> Option<Self> {
        let [address] = element.key.words()?;
        Some((address.into(), value(element)?))
    }
}

impl SetElement for Keys {
    fn element(&self) -> Element {
        Element {
            userdata: Userdata([&[SECRET, 32], self.keys.as_flattened()].concat()),
            ..Element::key(Key::default().number(self.epoch))
        }
    }

    fn of(element: &Element) -> Option<Self> {
        let [epoch] = element.key.words()?;
        let [SECRET, 32, keys @ ..] = element.userdata.0.as_slice() else {
            return None;
        };
        let (keys, _) = keys.as_chunks();
        Some(Self {
            epoch: u32::from_ne_bytes(epoch),
            keys: keys.try_into().ok()?,
        })
    }
}

/// A type of user data that `nft` does not know.
const SECRET: u8 = 0xf0;

fn value<const N: usize>(element: &Element) -> Option<[u8; N]> {
    element.value.as_deref()?.try_into().ok()
}

/// An address and the route address that goes with it: as an address or, its bytes the same, as a mark.
impl SetElement for (Ipv4Addr, Ipv4Addr) {
    fn element(&self) -> Element {
        Element::pair(Key::default().address(self.0), self.1.octets())
    }

    fn of(element: &Element) -> Option<Self> {
        let [address] = element.key.words()?;
        Some((address.into(), value::<4>(element)?.into()))
    }
}

impl SetElement for (Tag, u32) {
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
        Some((tag, u32::from_ne_bytes(value(element)?)))
    }
}
