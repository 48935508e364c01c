//! Elements of the rules' sets, in the core's words and in the kernel's.

use super::ruleset::{Allowed, Cookie, Elements, Endpoint, Service, Tag};
use lb_abi::service::Port;
use lb_core::backend::ipvs::{Element, ServiceKey};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// Puts an element into its set, or takes it out.
pub(super) fn to_kernel(elements: &mut Elements, element: Element, there: bool) {
    match element {
        Element::Bridge(index) => put(&mut elements.bridges, index, there),
        Element::Peer(node, route_address) => {
            for map in [&mut elements.peers, &mut elements.origins] {
                put_entry(map, node, route_address, there);
            }
        }
        Element::CookieFrom(peer, bits) => put(&mut elements.cookies, Cookie { peer, bits }, there),
        Element::CookieTo(peer, bits) => put_entry(&mut elements.sent, peer, bits, there),
        Element::TunnelMark(id, at, mark) => {
            put_entry(&mut elements.tags, Tag { id, port: at }, mark, there);
        }
        Element::Allowed(at, network) => {
            put(&mut elements.allowed, Allowed { port: at, network }, there);
        }
        Element::Restricted(at) => put(&mut elements.restricted, at, there),
        Element::DirectReturn(at) => put(&mut elements.direct, at, there),
        Element::Published(at) => put(&mut elements.published, at, there),
        Element::LocalReply(address, at) => put(&mut elements.answers, service(address, at), there),
        Element::TrackedReply(address, at) => {
            put(&mut elements.tracked, service(address, at), there);
        }
        Element::Endpoint(address, port) => {
            put(&mut elements.endpoints, Endpoint { address, port }, there);
        }
        Element::Vip(address, at) => put(&mut elements.vips, service(address, at), there),
    }
}

/// The elements that the kernel's sets hold. A peer counts only if its replies have a route back, too.
pub(super) fn from_kernel(elements: &Elements) -> BTreeSet<Element> {
    let mut all = BTreeSet::new();
    all.extend(elements.bridges.iter().map(|index| Element::Bridge(*index)));
    let peers = elements.peers.iter();
    let peers =
        peers.filter(|(node, route_address)| elements.origins.get(node) == Some(route_address));
    all.extend(peers.map(|(node, route_address)| Element::Peer(*node, *route_address)));
    let cookies = elements.cookies.iter();
    all.extend(cookies.map(|it| Element::CookieFrom(it.peer, it.bits)));
    let sent = elements.sent.iter();
    all.extend(sent.map(|(peer, bits)| Element::CookieTo(*peer, *bits)));
    let tags = elements.tags.iter();
    all.extend(tags.map(|(tag, mark)| Element::TunnelMark(tag.id, tag.port, *mark)));
    let allowed = elements.allowed.iter();
    all.extend(allowed.map(|it| Element::Allowed(it.port, it.network)));
    let ports = |set: &BTreeSet<Port>, make: fn(Port) -> Element| -> Vec<Element> {
        set.iter().map(|port| make(*port)).collect()
    };
    all.extend(ports(&elements.restricted, Element::Restricted));
    all.extend(ports(&elements.direct, Element::DirectReturn));
    all.extend(ports(&elements.published, Element::Published));
    let answers = elements.answers.iter();
    all.extend(answers.map(|it| Element::LocalReply(it.address, it.port)));
    let tracked = elements.tracked.iter();
    all.extend(tracked.map(|it| Element::TrackedReply(it.address, it.port)));
    let endpoints = elements.endpoints.iter();
    all.extend(endpoints.map(|it| Element::Endpoint(it.address, it.port)));
    let vips = elements.vips.iter();
    all.extend(vips.map(|it| Element::Vip(it.address, it.port)));
    all
}

/// Notes whether a virtual service is swarmlb's.
pub(super) fn own(elements: &mut Elements, key: ServiceKey, ours: bool) {
    match key {
        ServiceKey::Address(address, at) => put(&mut elements.owned, service(address, at), ours),
        ServiceKey::Mark(mark) => put(&mut elements.marks, mark, ours),
    }
}

fn put<T: Ord>(set: &mut BTreeSet<T>, value: T, there: bool) {
    if there {
        set.insert(value);
    } else {
        set.remove(&value);
    }
}

fn put_entry<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: V, there: bool) {
    if there {
        map.insert(key, value);
    } else {
        map.remove(&key);
    }
}

/// Whether a virtual service is swarmlb's.
pub(super) fn is_ours(elements: &Elements, key: ServiceKey) -> bool {
    match key {
        ServiceKey::Address(address, at) => elements.owned.contains(&service(address, at)),
        ServiceKey::Mark(mark) => elements.marks.contains(&mark),
    }
}

/// The virtual services that are ours.
pub(super) fn owned(elements: &Elements) -> BTreeSet<ServiceKey> {
    let addresses = elements.owned.iter();
    let addresses = addresses.map(|it| ServiceKey::Address(it.address, it.port));
    let marks = elements.marks.iter().map(|mark| ServiceKey::Mark(*mark));
    addresses.chain(marks).collect()
}

fn service(address: Ipv4Addr, at: Port) -> Service {
    Service { address, port: at }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lb_abi::{Be16, TCP, UDP};

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
            Element::TunnelMark(77, at, 0x5100_0001),
            Element::Allowed(at, "192.0.2.0/24".parse().unwrap()),
            Element::Restricted(at),
            Element::DirectReturn(Port::new(Be16::new(53), UDP)),
            Element::Published(at),
            Element::LocalReply(Ipv4Addr::new(172, 18, 0, 3), at),
            Element::TrackedReply(Ipv4Addr::new(172, 18, 0, 4), at),
            Element::Endpoint(Ipv4Addr::new(172, 18, 0, 3), 12),
            Element::Vip(node, at),
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
