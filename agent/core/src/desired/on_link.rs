//! Networks that tasks of this node reach by devices of their own: their overlay networks, and that of the bridge.
//!
//! What a task sends to an address in one of them stays there, also where that is the address of a client which is
//! somewhere else.

use super::{endpoint, share};
use crate::model::ids::{Key, TaskId};
use crate::model::node::Node;
use crate::report::Problem;
use ipnet::Ipv4Net;
use std::collections::{BTreeMap, BTreeSet};

/// The networks by task, as many as there is room for. None of a task whose address other containers have as well
/// ([`endpoint::shared`]): they would have a say in it.
pub(super) fn known(node: &Node) -> BTreeMap<Key, BTreeSet<Ipv4Net>> {
    let mut room = share::ON_LINK;
    let mut known = BTreeMap::new();
    for (task, networks) in of_tasks(node) {
        let most = room.min(share::ON_LINK_OF_TASK);
        let networks: BTreeSet<Ipv4Net> = networks.into_iter().take(most).collect();
        room -= networks.len();
        if !networks.is_empty() {
            known.insert(task.into(), networks);
        }
    }
    known
}

/// The tasks some of whose networks are left out.
pub(super) fn left_out(node: &Node) -> Vec<Problem> {
    let known = known(node);
    let mut problems = Vec::new();
    for (task, networks) in of_tasks(node) {
        let has = known.get(&Key::from(task)).map_or(0, BTreeSet::len);
        if has < networks.len() {
            problems.push(Problem {
                object: format!("task {task}"),
                message: format!(
                    "it has {} networks of its own, and clients of {} of them get no answers from it: {} networks of a \
                     task count, and {} of all tasks of a node; attach it to fewer networks",
                    networks.len(),
                    networks.len() - has,
                    share::ON_LINK_OF_TASK,
                    share::ON_LINK
                ),
            });
        }
    }
    problems
}

/// All networks of each task.
fn of_tasks(node: &Node) -> impl Iterator<Item = (&TaskId, Vec<Ipv4Net>)> {
    let port_owners = endpoint::port_owners(node);
    node.tasks.iter().filter_map(move |(id, task)| {
        let [port] = port_owners.get(&task.address)?[..] else {
            return None;
        };
        let networks = node.container_networks.get(&port)?;
        Some((id, outermost(networks)))
    })
}

/// Those of `networks` that are within no other one of them, in their order.
fn outermost(networks: &BTreeSet<Ipv4Net>) -> Vec<Ipv4Net> {
    let mut outermost: Vec<Ipv4Net> = Vec::new();
    // A network comes before those within it.
    for network in networks {
        if !outermost.last().is_some_and(|last| last.contains(network)) {
            outermost.push(*network);
        }
    }
    outermost
}
