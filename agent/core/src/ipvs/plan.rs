//! Operations from the observed state to the wanted one, in an order of which every prefix is consistent.
//!
//! Every prefix of a plan leaves the datapath consistent: nothing is claimed for a virtual server
//! that is not there, and no real server is reached by a way that is not there. So: ways, servers,
//! then elements; and the other way round when things go.

use super::op::Op;
use super::state::{Element, State, Way};
use crate::plan::Prune;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// The steps from `have` to `want`.
#[must_use]
pub fn plan(want: &State, have: &State, prune: Prune) -> Vec<Op> {
    let mut ops = Vec::new();
    if let Some(ground) = want.ground.filter(|ground| have.ground != Some(*ground)) {
        ops.push(Op::Prepare(ground));
    }
    if let Some(keys) = want.keys.filter(|keys| have.keys != Some(*keys)) {
        ops.push(Op::PutKeys(keys));
    }
    let ways: BTreeMap<Ipv4Addr, Way> = want
        .ways
        .iter()
        .filter(|(alias, way)| have.ways.get(alias) != Some(way))
        .map(|(alias, way)| (*alias, *way))
        .collect();
    if !ways.is_empty() {
        ops.push(Op::PutWays(ways));
    }
    put_servers(want, have, &mut ops);
    swap(want, have, prune, &mut ops);
    if prune == Prune::Allowed {
        remove_servers(want, have, &mut ops);
        let gone: Vec<Ipv4Addr> = have
            .ways
            .keys()
            .filter(|alias| !want.ways.contains_key(alias))
            .copied()
            .collect();
        if !gone.is_empty() {
            ops.push(Op::RemoveWays(gone));
        }
    }
    ops
}

fn put_servers(want: &State, have: &State, ops: &mut Vec<Op>) {
    for (server, setup) in &want.servers {
        let known = have.servers.get(server);
        let same = known.is_some_and(|known| {
            (known.scheduler, known.keep_s) == (setup.scheduler, setup.keep_s)
        });
        if !same {
            ops.push(Op::PutServer(*server, setup.scheduler, setup.keep_s));
        }
        for (key, real) in &setup.reals {
            if known.and_then(|known| known.reals.get(key)) != Some(real) {
                ops.push(Op::PutReal(*server, *key, *real));
            }
        }
    }
}

/// What comes and goes in the rules' sets. One key may get another value only at once.
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

fn remove_servers(want: &State, have: &State, ops: &mut Vec<Op>) {
    for (server, setup) in &have.servers {
        let Some(wanted) = want.servers.get(server) else {
            ops.push(Op::RemoveServer(*server));
            continue;
        };
        for key in setup.reals.keys() {
            if !wanted.reals.contains_key(key) {
                ops.push(Op::RemoveReal(*server, *key));
            }
        }
    }
}

impl Element {
    /// Is it this node's own affair, which it knows whatever the view of the Swarm?
    fn is_local(&self) -> bool {
        matches!(self, Self::Endpoint(..))
    }

    /// Has it the key of `old` in a map, or is it by a newer key of the same node, and so takes its place?
    fn replaces(&self, old: &Self) -> bool {
        match (self, old) {
            (Self::Peer(new, _), Self::Peer(old, _)) => new == old,
            (Self::CookieTo(new, _), Self::CookieTo(old, _))
            | (Self::CookieFrom(new, _), Self::CookieFrom(old, _)) => new == old,
            (Self::Tag(tag, port, _), Self::Tag(old, at, _)) => (tag, port) == (old, at),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
