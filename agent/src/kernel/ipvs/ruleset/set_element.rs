//! The back end's elements as elements of the kernel's sets, and back.

use super::sets::{
    ALLOWED, ANSWERS, BRIDGES, COOKIE_HIGH, COOKIE_LOW, COOKIES, DIRECT, ENDPOINTS, MARKS, ORIGINS,
    OWN_ADDRESSES, OWN_ANSWERS, OWN_PEERS, OWN_TAGS, OWNED, PEERS, PUBLISHED, PUBLISHED6,
    RESTRICTED, TAGS, TRACKED, VIPS,
};
use ipnet::Ipv4Net;
use lb_abi::service::Port;
use lb_abi::{Be16, TCP, UDP};
use lb_core::backend::ipvs::{Element, ServiceKey};
use lb_core::model::token::{TokenKey, TokenKeys};
use lb_netlink::nft::{self, Key, SetName, Userdata, Word};
use std::net::Ipv4Addr;

/// What an element is in the kernel: an element of each of these sets.
pub(super) fn to_sets(element: &Element) -> Vec<(SetName, nft::Element)> {
    let one = |set, key| vec![(set, nft::Element::key(key))];
    match *element {
        Element::Bridge(index) => one(BRIDGES, Key::default().number(index)),
        Element::Peer(node, route_address) => {
            let pair = nft::Element::pair(Key::default().address(node), route_address.octets());
            vec![(PEERS, pair.clone()), (ORIGINS, pair)]
        }
        Element::CookieFrom(peer, [a, b, c]) => {
            let key = Key::default().address(peer);
            one(COOKIES, key.port(u16::from_be_bytes([a, b])).byte(c))
        }
        Element::CookieTo(peer, [a, b, c]) => {
            let key = Key::default().address(peer);
            let high = nft::Element::pair(key.clone(), [a, b]);
            vec![
                (COOKIE_HIGH, high),
                (COOKIE_LOW, nft::Element::pair(key, [c])),
            ]
        }
        Element::TunnelMark(id, port, mark) => {
            let key = with_port(Key::default().number(id), port);
            vec![(TAGS, nft::Element::pair(key, mark.to_ne_bytes()))]
        }
        Element::OwnPortMark(id, network, port, mark) => {
            let key = Key::default().number(id).address(network).port(port);
            vec![(OWN_TAGS, nft::Element::pair(key, mark.to_ne_bytes()))]
        }
        Element::OwnAddress(address, peer) => {
            let key = Key::default().address(address);
            vec![
                (OWN_ADDRESSES, nft::Element::key(key.clone())),
                (OWN_PEERS, nft::Element::key(key.address(peer))),
            ]
        }
        Element::Allowed(port, network) => {
            let key = |address| with_port(Key::default(), port).address(address);
            let range = nft::Element::range(key(network.network()), key(network.broadcast()));
            vec![(ALLOWED, range)]
        }
        Element::Restricted(port) => one(RESTRICTED, with_port(Key::default(), port)),
        Element::DirectReturn(port) => one(DIRECT, with_port(Key::default(), port)),
        Element::Published(port) => {
            let element = nft::Element::key(with_port(Key::default(), port));
            vec![(PUBLISHED, element.clone()), (PUBLISHED6, element)]
        }
        Element::LocalReply(address, port) => one(ANSWERS, service(address, port)),
        Element::OwnReply(address, port) => one(OWN_ANSWERS, service(address, port)),
        Element::TrackedReply(address, port) => one(TRACKED, service(address, port)),
        Element::Endpoint(address, port) => {
            one(ENDPOINTS, Key::default().address(address).number(port))
        }
        Element::Vip(address, port) => one(VIPS, service(address, port)),
    }
}

/// Reads an element of a set; nothing for one that this program does not put there.
pub(super) type Decode<T> = fn(&nft::Element) -> Option<T>;

/// The sets of which each element is one of the back end's by itself.
pub(super) const DECODED: [(SetName, Decode<Element>); 14] = [
    (BRIDGES, |it| Some(Element::Bridge(number(it)?))),
    (COOKIES, |it| {
        let [peer, [a, b, ..], [c, ..]] = it.key.words()?;
        Some(Element::CookieFrom(peer.into(), [a, b, c]))
    }),
    (TAGS, |it| {
        let [id, proto, number] = it.key.words()?;
        let (id, mark) = (u32::from_ne_bytes(id), u32::from_ne_bytes(value(it)?));
        Some(Element::TunnelMark(id, port(proto, number)?, mark))
    }),
    (OWN_TAGS, |it| {
        let [id, network, [high, low, ..]] = it.key.words()?;
        let (id, mark) = (u32::from_ne_bytes(id), u32::from_ne_bytes(value(it)?));
        let port = u16::from_be_bytes([high, low]);
        Some(Element::OwnPortMark(id, network.into(), port, mark))
    }),
    (OWN_PEERS, |it| {
        let [address, peer] = it.key.words()?;
        Some(Element::OwnAddress(address.into(), peer.into()))
    }),
    (OWN_ANSWERS, |it| {
        let (address, port) = service_of(it)?;
        Some(Element::OwnReply(address, port))
    }),
    (ALLOWED, |it| {
        let [proto, number, first] = it.key.words()?;
        let [_, _, last] = it.last.as_ref()?.words()?;
        let (first, last) = (Ipv4Addr::from(first), Ipv4Addr::from(last));
        let length = (first.to_bits() ^ last.to_bits()).leading_zeros();
        let network = Ipv4Net::new(first, u8::try_from(length).ok()?).ok()?;
        Some(Element::Allowed(port(proto, number)?, network))
    }),
    (RESTRICTED, |it| Some(Element::Restricted(port_of(it)?))),
    (DIRECT, |it| Some(Element::DirectReturn(port_of(it)?))),
    (PUBLISHED, |it| Some(Element::Published(port_of(it)?))),
    (ANSWERS, |it| {
        let (address, port) = service_of(it)?;
        Some(Element::LocalReply(address, port))
    }),
    (TRACKED, |it| {
        let (address, port) = service_of(it)?;
        Some(Element::TrackedReply(address, port))
    }),
    (ENDPOINTS, |it| {
        let [address, port] = it.key.words()?;
        Some(Element::Endpoint(address.into(), u32::from_ne_bytes(port)))
    }),
    (VIPS, |it| {
        let (address, port) = service_of(it)?;
        Some(Element::Vip(address, port))
    }),
];

/// The record that a virtual service is swarmlb's.
pub(super) fn owned(service_key: ServiceKey) -> (SetName, nft::Element) {
    match service_key {
        ServiceKey::Address(address, port) => (OWNED, nft::Element::key(service(address, port))),
        ServiceKey::Mark(mark) => (MARKS, nft::Element::key(Key::default().number(mark))),
    }
}

/// The sets of these records.
pub(super) const DECODED_OWNED: [(SetName, Decode<ServiceKey>); 2] = [
    (OWNED, |it| {
        let (address, port) = service_of(it)?;
        Some(ServiceKey::Address(address, port))
    }),
    (MARKS, |it| Some(ServiceKey::Mark(number(it)?))),
];

/// A type of user data that `nft` does not know.
const SECRET: u8 = 0xf0;

/// No rule uses keys, and no list shows them: they are kept for whoever goes on after this program.
pub(super) fn keys(keys: &TokenKeys) -> nft::Element {
    let bytes = [keys.current, keys.next].map(TokenKey::bytes);
    nft::Element {
        userdata: Userdata([&[SECRET, 32], bytes.as_flattened()].concat()),
        ..nft::Element::key(Key::default().number(keys.epoch))
    }
}

/// The keys that an element holds.
pub(super) fn keys_of(element: &nft::Element) -> Option<TokenKeys> {
    let [SECRET, 32, keys @ ..] = element.userdata.0.as_slice() else {
        return None;
    };
    let (keys, _) = keys.as_chunks();
    let [current, next] = <[[u8; 16]; 2]>::try_from(keys).ok()?.map(TokenKey::new);
    Some(TokenKeys {
        epoch: number(element)?,
        current,
        next,
    })
}

/// An address, and the value that a map has for it.
pub(super) fn pair<const N: usize>(element: &nft::Element) -> Option<(Ipv4Addr, [u8; N])> {
    let [address] = element.key.words()?;
    Some((address.into(), value(element)?))
}

/// An address of a task, as the set of those whose bridge ports are known has it.
pub(super) fn address(address: Ipv4Addr) -> nft::Element {
    nft::Element::key(Key::default().address(address))
}

fn with_port(key: Key, port: Port) -> Key {
    key.byte(port.proto).port(port.number.get())
}

fn service(address: Ipv4Addr, port: Port) -> Key {
    with_port(Key::default().address(address), port)
}

fn port([proto, ..]: Word, [high, low, ..]: Word) -> Option<Port> {
    let number = Be16::new(u16::from_be_bytes([high, low]));
    let known = [TCP, UDP].contains(&proto);
    known.then(|| Port::new(number, proto))
}

fn port_of(element: &nft::Element) -> Option<Port> {
    let [proto, number] = element.key.words()?;
    port(proto, number)
}

fn service_of(element: &nft::Element) -> Option<(Ipv4Addr, Port)> {
    let [address, proto, number] = element.key.words()?;
    Some((address.into(), port(proto, number)?))
}

/// A mark, an epoch or the index of a device.
fn number(element: &nft::Element) -> Option<u32> {
    let [word] = element.key.words()?;
    Some(u32::from_ne_bytes(word))
}

fn value<const N: usize>(element: &nft::Element) -> Option<[u8; N]> {
    element.value.as_deref()?.try_into().ok()
}
