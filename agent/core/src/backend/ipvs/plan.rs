//! Operations from the observed state to the wanted one, in an order of which every prefix is consistent.
//!
//! Every prefix of a plan leaves the datapath consistent: no packet is steered to a virtual service
//! that is not there, and no destination is reached by a route that is not there. So routes come
//! first, then services, then elements; removals are in the reverse order.

use super::op::Op;
use super::state::{Element, EncapRoute, State};
use crate::backend::Prune;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// The steps from `have` to `want`.
#[must_use]
pub fn plan(want: &State, have: &State, prune: Prune) -> Vec<Op> {
    let mut ops = Vec::new();
    if let Some(node_config) = want
        .node_config
        .filter(|node_config| have.node_config != Some(*node_config))
    {
        ops.push(Op::Prepare(node_config));
    }
    if let Some(keys) = want.keys.filter(|keys| have.keys != Some(*keys)) {
        ops.push(Op::PutKeys(keys));
    }
    let routes: BTreeMap<Ipv4Addr, EncapRoute> = want
        .routes
        .iter()
        .filter(|(route_address, route)| have.routes.get(route_address) != Some(route))
        .map(|(route_address, route)| (*route_address, *route))
        .collect();
    if !routes.is_empty() {
        ops.push(Op::PutRoutes(routes));
    }
    put_services(want, have, &mut ops);
    swap(want, have, prune, &mut ops);
    if prune == Prune::Allowed {
        remove_services(want, have, &mut ops);
        let gone: Vec<Ipv4Addr> = have
            .routes
            .keys()
            .filter(|route_address| !want.routes.contains_key(route_address))
            .copied()
            .collect();
        if !gone.is_empty() {
            ops.push(Op::RemoveRoutes(gone));
        }
    }
    ops
}

fn put_services(want: &State, have: &State, ops: &mut Vec<Op>) {
    for (service, virtual_service) in &want.services {
        let known = have.services.get(service);
        let same = known.is_some_and(|known| {
            (known.scheduler, known.persistence_s)
                == (virtual_service.scheduler, virtual_service.persistence_s)
        });
        if !same {
            ops.push(Op::PutService(
                *service,
                virtual_service.scheduler,
                virtual_service.persistence_s,
            ));
        }
        for (key, destination) in &virtual_service.destinations {
            if known.and_then(|known| known.destinations.get(key)) != Some(destination) {
                ops.push(Op::PutDestination(*service, *key, *destination));
            }
        }
    }
}

/// Adds and deletes elements in one step: a key of a map gets another value only that way.
fn swap(want: &State, have: &State, prune: Prune, ops: &mut Vec<Op>) {
    let add: Vec<Element> = want.elements.difference(&have.elements).copied().collect();
    let gone = have.elements.difference(&want.elements).copied();
    let remove: Vec<Element> = match prune {
        Prune::Allowed => gone.collect(),
        Prune::Withheld => gone
            .filter(|old| old.is_local() || add.iter().any(|new| new.replaces(old)))
            .collect(),
    };
    if !(add.is_empty() && remove.is_empty()) {
        ops.push(Op::Swap { remove, add });
    }
}

fn remove_services(want: &State, have: &State, ops: &mut Vec<Op>) {
    for (service, virtual_service) in &have.services {
        let Some(wanted) = want.services.get(service) else {
            ops.push(Op::RemoveService(*service));
            continue;
        };
        for key in virtual_service.destinations.keys() {
            if !wanted.destinations.contains_key(key) {
                ops.push(Op::RemoveDestination(*service, *key));
            }
        }
    }
}

impl Element {
    /// Whether the element follows from this node alone, whatever the view of the Swarm.
    fn is_local(&self) -> bool {
        matches!(self, Self::Endpoint(..))
    }

    /// Whether the element replaces `old`: it has the same key in a map, or a newer token key of the same node.
    fn replaces(&self, old: &Self) -> bool {
        match (self, old) {
            (Self::Peer(new, _), Self::Peer(old, _)) => new == old,
            (Self::CookieTo(new, _), Self::CookieTo(old, _))
            | (Self::CookieFrom(new, _), Self::CookieFrom(old, _)) => new == old,
            (Self::TunnelMark(tag, port, _), Self::TunnelMark(old, at, _)) => {
                (tag, port) == (old, at)
            }
            (Self::OwnPortMark(id, to, port, _), Self::OwnPortMark(old, at, number, _)) => {
                (id, to, port) == (old, at, number)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
