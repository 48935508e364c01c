//! From what the kernel has to what it shall have, in an order that never breaks anything.
//!
//! Every prefix of a plan leaves the datapath consistent: a frontend names only a
//! table that is there, a table only tasks that are there. So: tasks, then tables,
//! then frontends; and the other way round when things go.

use crate::op::Op;
use crate::shared::Change;
use crate::state::State;

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
    for change in want.backends.changes(&have.backends) {
        if let Some(backend) = change.now() {
            ops.push(Op::PutBackend(*change.key(), *backend));
        }
    }
    for change in want.tables.changes(&have.tables) {
        let (port, table) = *change.key();
        if let Some(tasks) = change.now() {
            ops.push(Op::PutTable(port, table, tasks.clone()));
        }
    }
    // Before the ports that are restricted to them, and below, after those are gone.
    for (port, network) in want.allowed.difference(&have.allowed) {
        ops.push(Op::Allow(*port, *network));
    }
    for change in want.frontends.changes(&have.frontends) {
        if let Some(frontend) = change.now() {
            ops.push(Op::PutFrontend(*change.key(), *frontend));
        }
    }
    ops.extend(want.hooks.difference(&have.hooks).copied().map(Op::Attach));
}

fn remove(want: &State, have: &State, ops: &mut Vec<Op>) {
    ops.extend(have.hooks.difference(&want.hooks).copied().map(Op::Detach));
    for change in want.frontends.changes(&have.frontends) {
        if let Change::Gone(port, _) = change {
            ops.push(Op::RemoveFrontend(*port));
        }
    }
    for (port, network) in have.allowed.difference(&want.allowed) {
        ops.push(Op::Disallow(*port, *network));
    }
    for change in want.tables.changes(&have.tables) {
        if let Change::Gone((port, table), tasks) = change {
            ops.push(Op::RemoveTable(*port, *table, tasks.clone()));
        }
    }
    let before = ops.len();
    for change in want.backends.changes(&have.backends) {
        if let Change::Gone(key, backend) = change {
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
