//! From what the kernel has to what it shall have, in an order that never breaks anything.
//!
//! Every prefix of a plan leaves the datapath consistent: nothing is claimed for a virtual server
//! that is not there, and no real server is reached by a way that is not there. So: ways, servers,
//! then elements; and the other way round when things go.

use super::op::Op;
use super::state::{Element, State, Way};
use crate::plan::Gate;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// The steps from `have` to `want`.
#[must_use]
pub fn plan(want: &State, have: &State, gate: Gate) -> Vec<Op> {
    let mut ops = Vec::new();
    if let Some(ground) = want.ground.filter(|ground| have.ground != Some(*ground)) {
        ops.push(Op::Prepare(ground));
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
    swap(want, have, gate, &mut ops);
    if gate == Gate::Open {
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
fn swap(want: &State, have: &State, gate: Gate, ops: &mut Vec<Op>) {
    let add: Vec<Element> = want.elements.difference(&have.elements).copied().collect();
    let gone = have.elements.difference(&want.elements).copied();
    let remove: Vec<Element> = match gate {
        Gate::Open => gone.collect(),
        Gate::AddOnly => gone
            .filter(|old| add.iter().any(|new| new.replaces(old)))
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
    /// Has it the key of `old` in a map, and so takes its place?
    fn replaces(&self, old: &Self) -> bool {
        match (self, old) {
            (Self::Peer(new, _), Self::Peer(old, _)) => new == old,
            (Self::Tag(tag, port, _), Self::Tag(old, at, _)) => (tag, port) == (old, at),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
