//! The plan: operations that lead from the kernel's state to the desired one, in a safe order.
//!
//! Every prefix of a plan leaves the datapath consistent: a frontend refers only to an existing
//! table, a table only to existing tasks, and each task is served at its own port. So tasks are added before tables, and
//! tables and ports of tasks before frontends; removals run in the opposite order. A table that several frontends name is
//! written once, then each of them changes by itself, and the old one goes when none names it any more.

use super::op::Op;
use super::state::State;
use crate::backend::Prune;
use crate::persistent::Change;
use lb_abi::service::Port;
use std::collections::BTreeMap;

/// The steps from `have` to `want`.
#[must_use]
pub fn plan(want: &State, have: &State, prune: Prune) -> Vec<Op> {
    let mut ops = Vec::new();
    endpoints(want, have, &mut ops);
    if prune == Prune::Allowed {
        // Those of tasks that are gone, first: their map may be full.
        for change in want.task_addresses.changes(&have.task_addresses) {
            if let Change::Gone(address, _) = change {
                ops.push(Op::RemoveTaskAddress(*address));
            }
        }
    }
    put(want, have, &mut ops);
    if prune == Prune::Allowed {
        remove(want, have, &mut ops);
    }
    ops
}

/// Behind which devices this node's tasks are. The node itself knows that, whatever the view of the Swarm; and
/// an address may already be that of another container.
fn endpoints(want: &State, have: &State, ops: &mut Vec<Op>) {
    let gone = have.endpoints.keys();
    ops.extend(
        gone.filter(|address| !want.endpoints.contains_key(address))
            .map(|address| Op::RemoveEndpoint(*address)),
    );
    for (address, port) in &want.endpoints {
        if have.endpoints.get(address) != Some(port) {
            ops.push(Op::PutEndpoint(*address, *port));
        }
    }
}

fn put(want: &State, have: &State, ops: &mut Vec<Op>) {
    // Before the settings that name their epoch.
    if let Some(keys) = want
        .token_keys
        .filter(|keys| have.token_keys != Some(*keys))
    {
        ops.push(Op::PutTokenKeys(keys));
    }
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
    for (link, port) in &want.bridge_ports {
        if have.bridge_ports.get(link) != Some(port) {
            ops.push(Op::PutBridgePort(*link, *port));
        }
    }
    ops.extend(
        want.addresses
            .difference(&have.addresses)
            .copied()
            .map(Op::AddAddress),
    );
    for (address, keys) in &want.peers {
        if have.peers.get(address) != Some(keys) {
            ops.push(Op::PutPeer(*address, *keys));
        }
    }
    ops.extend(
        want.services
            .difference(&have.services)
            .copied()
            .map(Op::AddService),
    );
    // Before the tasks, whose first flow may be one of such a client.
    for ((task, network), under) in &want.on_link {
        if have.on_link.get(&(*task, *network)) != Some(under) {
            ops.push(Op::PutOnLink(*task, *network, *under));
        }
    }
    for change in want.backends.changes(&have.backends) {
        if let Some(backend) = change.now() {
            ops.push(Op::PutBackend(*change.key(), *backend));
        }
    }
    for change in want.task_addresses.changes(&have.task_addresses) {
        if let Some(key) = change.now() {
            ops.push(Op::PutTaskAddress(*change.key(), *key));
        }
    }
    for change in want.tables.changes(&have.tables) {
        if let Some(tasks) = change.now() {
            ops.push(Op::PutTable(*change.key(), tasks.clone()));
        }
    }
    for change in want.targets.changes(&have.targets) {
        let (port, task) = *change.key();
        if let Some(target) = change.now() {
            ops.push(Op::PutTarget(port, task, *target));
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
    for change in want.targets.changes(&have.targets) {
        if let Change::Gone((port, task), _) = change {
            ops.push(Op::RemoveTarget(*port, *task));
        }
    }
    for (port, network) in have.allowed.difference(&want.allowed) {
        ops.push(Op::Disallow(*port, *network));
    }
    let mut named = named_before(want, have);
    for change in want.tables.changes(&have.tables) {
        if let Change::Gone(table, tasks) = change {
            let ports = named.remove(table).unwrap_or_default();
            ops.push(Op::RemoveTable(*table, tasks.clone(), ports));
        }
    }
    let before = ops.len();
    for change in want.backends.changes(&have.backends) {
        if let Change::Gone(key, backend) = change {
            ops.push(Op::RemoveBackend(*key, *backend));
        }
    }
    if ops.len() > before {
        ops.push(Op::CollectGarbage);
    }
    for (task, network) in have.on_link.keys() {
        if !want.on_link.contains_key(&(*task, *network)) {
            ops.push(Op::RemoveOnLink(*task, *network));
        }
    }
    ops.extend(
        have.services
            .difference(&want.services)
            .copied()
            .map(Op::RemoveService),
    );
    for address in have.peers.keys() {
        if !want.peers.contains_key(address) {
            ops.push(Op::RemovePeer(*address));
        }
    }
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
    for link in have.bridge_ports.keys() {
        if !want.bridge_ports.contains_key(link) {
            ops.push(Op::RemoveBridgePort(*link));
        }
    }
}

/// The ports whose frontends change, by the table that each names in `have`. Whoever names a table that goes is
/// among them.
fn named_before(want: &State, have: &State) -> BTreeMap<u32, Vec<Port>> {
    let mut named: BTreeMap<u32, Vec<Port>> = BTreeMap::new();
    for change in want.frontends.changes(&have.frontends) {
        if let Some(before) = change.before().filter(|before| before.count != 0) {
            named.entry(before.table).or_default().push(*change.key());
        }
    }
    named
}

#[cfg(test)]
mod tests;
