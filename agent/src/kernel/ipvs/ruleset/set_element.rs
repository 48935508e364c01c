//! Values of the sets' elements.

use ipnet::Ipv4Net;
use lb_abi::service::Port;
use lb_abi::{Be16, TCP, UDP};
use lb_core::model::token::{TokenKey, TokenKeys};
use lb_netlink::nft::{Element, Key, Userdata, Word};
use std::net::Ipv4Addr;

/// A virtual service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Service {
    /// Its address.
    pub address: Ipv4Addr,
    /// Its port.
    pub port: Port,
}

/// A network that may use a restricted port. The kernel refuses one within another network of the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Allowed {
    /// The port.
    pub port: Port,
    /// The network.
    pub network: Ipv4Net,
}

/// Identifies a task in the tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// The tunnel id: 24 bits.
    pub id: u32,
    /// The port that the client called.
    pub port: Port,
}

/// A cookie that tunnel packets of a peer may bear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cookie {
    /// The peer's address.
    pub peer: Ipv4Addr,
    /// The cookie.
    pub bits: Bits,
}

/// A cookie: as much as the header of VXLAN-GPE has room for.
pub type Bits = [u8; 3];

/// A task of this node, and the index of the port of a bridge behind which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Its address.
    pub address: Ipv4Addr,
    /// The port's index.
    pub port: u32,
}

/// A value that is an element of a set.
pub(super) trait SetElement: Copy {
    fn element(&self) -> Element;

    /// Nothing for elements that this program does not put there.
    fn of(element: &Element) -> Option<Self>;
}

fn port_of([proto, ..]: Word, [high, low, ..]: Word) -> Option<Port> {
    let number = Be16::new(u16::from_be_bytes([high, low]));
    [TCP, UDP]
        .contains(&proto)
        .then(|| Port::new(number, proto))
}

fn with_port(key: Key, port: Port) -> Key {
    key.byte(port.proto).port(port.number.get())
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

/// No rule uses keys, and no list shows them: they are kept for whoever goes on after this program.
impl SetElement for TokenKeys {
    fn element(&self) -> Element {
        let keys = [self.current, self.next].map(TokenKey::bytes);
        Element {
            userdata: Userdata([&[SECRET, 32], keys.as_flattened()].concat()),
            ..Element::key(Key::default().number(self.epoch))
        }
    }

    fn of(element: &Element) -> Option<Self> {
        let [epoch] = element.key.words()?;
        let [SECRET, 32, keys @ ..] = element.userdata.0.as_slice() else {
            return None;
        };
        let (keys, _) = keys.as_chunks();
        let [current, next] = <[[u8; 16]; 2]>::try_from(keys).ok()?.map(TokenKey::new);
        Some(Self {
            epoch: u32::from_ne_bytes(epoch),
            current,
            next,
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
