//! Elements of the rules' sets, in the core's words and in the kernel's.

use lb_abi::Be16;
use lb_abi::service::Port;
use lb_abi::{TCP, UDP};
use lb_core::ipvs::{Element, Server};
use lb_core::token::{TokenKey, TokenKeys};
use lb_netlink::claim::{self, Allowed, Cookie, Elements, Endpoint, Keys, Protocol, Service, Tag};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// Puts an element into its set, or takes it out.
pub(super) fn to_kernel(elements: &mut Elements, element: Element, there: bool) {
    fn put<T: Ord>(set: &mut BTreeSet<T>, value: T, there: bool) {
        if there {
            set.insert(value);
        } else {
            set.remove(&value);
        }
    }
    match element {
        Element::Bridge(index) => put(&mut elements.bridges, index, there),
        Element::Peer(node, alias) => {
            for map in [&mut elements.peers, &mut elements.origins] {
                if there {
                    map.insert(node, alias);
                } else {
                    map.remove(&node);
                }
            }
        }
        Element::CookieFrom(peer, bits) => put(&mut elements.cookies, Cookie { peer, bits }, there),
        Element::CookieTo(peer, bits) => {
            if there {
                elements.sent.insert(peer, bits);
            } else {
                elements.sent.remove(&peer);
            }
        }
        Element::Tag(id, at, mark) => {
            let tag = Tag { id, port: port(at) };
            if there {
                elements.tags.insert(tag, mark);
            } else {
                elements.tags.remove(&tag);
            }
        }
        Element::Allowed(at, network) => {
            let port = port(at);
            put(&mut elements.allowed, Allowed { port, network }, there);
        }
        Element::Restricted(at) => put(&mut elements.restricted, port(at), there),
        Element::Direct(at) => put(&mut elements.direct, port(at), there),
        Element::Published(at) => put(&mut elements.published, port(at), there),
        Element::Answer(address, at) => put(&mut elements.answers, service(address, at), there),
        Element::TrackedAnswer(address, at) => {
            put(&mut elements.tracked, service(address, at), there);
        }
        Element::Endpoint(address, port) => {
            put(&mut elements.endpoints, Endpoint { address, port }, there);
        }
        Element::Claim(address, at) => put(&mut elements.claims, service(address, at), there),
    }
}

/// What the kernel's sets hold. A node is trusted only if its replies find the way back, too.
pub(super) fn from_kernel(elements: &Elements) -> BTreeSet<Element> {
    let mut all = BTreeSet::new();
    all.extend(elements.bridges.iter().map(|index| Element::Bridge(*index)));
    let peers = elements.peers.iter();
    let peers = peers.filter(|(node, alias)| elements.origins.get(node) == Some(alias));
    all.extend(peers.map(|(node, alias)| Element::Peer(*node, *alias)));
    let cookies = elements.cookies.iter();
    all.extend(cookies.map(|it| Element::CookieFrom(it.peer, it.bits)));
    let sent = elements.sent.iter();
    all.extend(sent.map(|(peer, bits)| Element::CookieTo(*peer, *bits)));
    let tags = elements.tags.iter();
    all.extend(tags.map(|(tag, mark)| Element::Tag(tag.id, of(tag.port), *mark)));
    let allowed = elements.allowed.iter();
    all.extend(allowed.map(|it| Element::Allowed(of(it.port), it.network)));
    let ports = |set: &BTreeSet<claim::Port>, make: fn(Port) -> Element| -> Vec<Element> {
        set.iter().map(|port| make(of(*port))).collect()
    };
    all.extend(ports(&elements.restricted, Element::Restricted));
    all.extend(ports(&elements.direct, Element::Direct));
    all.extend(ports(&elements.published, Element::Published));
    let answers = elements.answers.iter();
    all.extend(answers.map(|it| Element::Answer(it.address, of(it.port))));
    let tracked = elements.tracked.iter();
    all.extend(tracked.map(|it| Element::TrackedAnswer(it.address, of(it.port))));
    let endpoints = elements.endpoints.iter();
    all.extend(endpoints.map(|it| Element::Endpoint(it.address, it.port)));
    let claims = elements.claims.iter();
    all.extend(claims.map(|it| Element::Claim(it.address, of(it.port))));
    all
}

/// Keys, as the rules' tables keep them.
pub(super) fn keys_to_kernel(keys: TokenKeys) -> Keys {
    Keys {
        epoch: keys.epoch,
        keys: [keys.current, keys.next].map(TokenKey::bytes),
    }
}

pub(super) fn keys_from_kernel(keys: Keys) -> TokenKeys {
    let [current, next] = keys.keys.map(TokenKey::new);
    TokenKeys {
        epoch: keys.epoch,
        current,
        next,
    }
}

/// Notes whose a virtual server is.
pub(super) fn own(elements: &mut Elements, server: Server, ours: bool) {
    match (server, ours) {
        (Server::Address(address, at), true) => drop(elements.owned.insert(service(address, at))),
        (Server::Address(address, at), false) => drop(elements.owned.remove(&service(address, at))),
        (Server::Mark(mark), true) => drop(elements.marks.insert(mark)),
        (Server::Mark(mark), false) => drop(elements.marks.remove(&mark)),
    }
}

/// Is a virtual server ours?
pub(super) fn is_ours(elements: &Elements, server: Server) -> bool {
    match server {
        Server::Address(address, at) => elements.owned.contains(&service(address, at)),
        Server::Mark(mark) => elements.marks.contains(&mark),
    }
}

/// The virtual servers that are ours.
pub(super) fn owned(elements: &Elements) -> BTreeSet<Server> {
    let addresses = elements.owned.iter();
    let addresses = addresses.map(|it| Server::Address(it.address, of(it.port)));
    let marks = elements.marks.iter().map(|mark| Server::Mark(*mark));
    addresses.chain(marks).collect()
}

fn service(address: Ipv4Addr, at: Port) -> Service {
    Service {
        address,
        port: port(at),
    }
}

/// Only TCP and UDP are ever published.
fn port(port: Port) -> claim::Port {
    claim::Port {
        protocol: if port.proto == UDP {
            Protocol::Udp
        } else {
            Protocol::Tcp
        },
        port: port.number.get(),
    }
}

fn of(port: claim::Port) -> Port {
    let proto = match port.protocol {
        Protocol::Tcp => TCP,
        Protocol::Udp => UDP,
    };
    Port::new(Be16::new(port.port), proto)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_read_again_and_what_is_taken_out_is_gone() {
        let at = Port::new(Be16::new(8080), TCP);
        let node = Ipv4Addr::new(10, 0, 0, 2);
        let all = [
            Element::Bridge(3),
            Element::Peer(node, Ipv4Addr::new(241, 0, 0, 1)),
            Element::CookieFrom(node, [1, 2, 3]),
            Element::CookieFrom(node, [4, 5, 6]),
            Element::CookieTo(node, [7, 8, 9]),
            Element::Tag(77, at, 0x5100_0001),
            Element::Allowed(at, "192.0.2.0/24".parse().unwrap()),
            Element::Restricted(at),
            Element::Direct(Port::new(Be16::new(53), UDP)),
            Element::Published(at),
            Element::Answer(Ipv4Addr::new(172, 18, 0, 3), at),
            Element::TrackedAnswer(Ipv4Addr::new(172, 18, 0, 4), at),
            Element::Endpoint(Ipv4Addr::new(172, 18, 0, 3), 12),
            Element::Claim(node, at),
        ];
        let mut kernel = Elements::default();
        for element in all {
            to_kernel(&mut kernel, element, true);
        }
        assert_eq!(from_kernel(&kernel), all.into());
        for element in all {
            to_kernel(&mut kernel, element, false);
        }
        assert_eq!(kernel, Elements::default());
    }

    #[test]
    fn a_node_without_a_way_back_is_not_there() {
        let mut kernel = Elements::default();
        let node = Ipv4Addr::new(10, 0, 0, 2);
        to_kernel(&mut kernel, Element::Peer(node, node), true);
        kernel.origins.clear();
        assert!(from_kernel(&kernel).is_empty());
    }
}
