//! From what the kernel has to what it shall have, in an order that never breaks anything.
//!
//! Every prefix of a plan leaves the datapath consistent: a frontend names only a
//! table that is there, a table only tasks that are there. So: tasks, then tables,
//! then frontends; and the other way round when things go.

use crate::op::Op;
use crate::state::State;
use lb_abi::service::Port;
use std::collections::BTreeSet;

/// May things be removed?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// The view of the Swarm is complete.
    Open,
    /// It is not: what is missing in it may only be unknown.
    AddOnly,
}

/// The steps from `have` to `want`.
#[must_use]
pub fn plan(want: &State, have: &State, gate: Gate) -> Vec<Op> {
    let mut ops = Vec::new();
    put(want, have, &mut ops);
    if gate == Gate::Open {
        remove(want, have, &mut ops);
    }
    ops
}

fn put(want: &State, have: &State, ops: &mut Vec<Op>) {
    if let Some(settings) = want
        .settings
        .filter(|settings| have.settings != Some(*settings))
    {
        ops.push(Op::PutSettings(settings));
    }
    for (link, uplink) in &want.uplinks {
        if have.uplinks.get(link) != Some(uplink) {
            ops.push(Op::PutUplink(*link, *uplink));
        }
    }
    ops.extend(
        want.addresses
            .difference(&have.addresses)
            .copied()
            .map(Op::AddAddress),
    );
    ops.extend(want.peers.difference(&have.peers).copied().map(Op::AddPeer));
    ops.extend(
        want.services
            .difference(&have.services)
            .copied()
            .map(Op::AddService),
    );
    for (key, backend) in &want.backends {
        if have.backends.get(key) != Some(backend) {
            ops.push(Op::PutBackend(*key, *backend));
        }
    }
    for ((port, table), tasks) in &want.tables {
        if have.tables.get(&(*port, *table)) != Some(tasks) {
            ops.push(Op::PutTable(*port, *table, tasks.clone()));
        }
    }
    // Before the ports that are restricted to them, and below, after those are gone.
    for (port, network) in want.allowed.difference(&have.allowed) {
        ops.push(Op::Allow(*port, *network));
    }
    for (port, frontend) in &want.frontends {
        if have.frontends.get(port) != Some(frontend) {
            ops.push(Op::PutFrontend(*port, *frontend));
        }
    }
    ops.extend(want.hooks.difference(&have.hooks).copied().map(Op::Attach));
}

fn remove(want: &State, have: &State, ops: &mut Vec<Op>) {
    ops.extend(have.hooks.difference(&want.hooks).copied().map(Op::Detach));
    let gone: BTreeSet<Port> = have
        .frontends
        .keys()
        .filter(|port| !want.frontends.contains_key(port))
        .copied()
        .collect();
    ops.extend(gone.into_iter().map(Op::RemoveFrontend));
    for (port, network) in have.allowed.difference(&want.allowed) {
        ops.push(Op::Disallow(*port, *network));
    }
    for ((port, table), tasks) in &have.tables {
        if !want.tables.contains_key(&(*port, *table)) {
            ops.push(Op::RemoveTable(*port, *table, tasks.clone()));
        }
    }
    let before = ops.len();
    for (key, backend) in &have.backends {
        if !want.backends.contains_key(key) {
            ops.push(Op::RemoveBackend(*key, *backend));
        }
    }
    if ops.len() > before {
        ops.push(Op::Sweep);
    }
    ops.extend(
        have.services
            .difference(&want.services)
            .copied()
            .map(Op::RemoveService),
    );
    ops.extend(
        have.peers
            .difference(&want.peers)
            .copied()
            .map(Op::RemovePeer),
    );
    ops.extend(
        have.addresses
            .difference(&want.addresses)
            .copied()
            .map(Op::RemoveAddress),
    );
    for link in have.uplinks.keys() {
        if !want.uplinks.contains_key(link) {
            ops.push(Op::RemoveUplink(*link));
        }
    }
}

#[cfg(test)]
mod tests;
