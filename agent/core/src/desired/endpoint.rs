//! Behind which ports of the bridges this node's tasks are.

use crate::model::node::{Node, TaskAddress};
use crate::report::Problem;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// The ports by the tasks' addresses. Not those that more than one container has: a container with
/// `CAP_NET_ADMIN` may give itself any address, and must not take it from a task.
pub(super) fn known(node: &Node) -> BTreeMap<Ipv4Addr, u32> {
    let port_owners = port_owners(node);
    let tasks = node.tasks.values().map(|task| task.address);
    tasks
        .filter_map(|address| match port_owners.get(&address)?[..] {
            [port] => Some((address, port)),
            _ => None,
        })
        .collect()
}

/// Tasks whose addresses other containers have as well.
pub(super) fn shared(node: &Node) -> impl Iterator<Item = Problem> {
    let port_owners = port_owners(node);
    let several = move |task: &TaskAddress| {
        port_owners
            .get(&task.address)
            .is_some_and(|ports| ports.len() > 1)
    };
    let tasks = node.tasks.iter().filter(move |(_, task)| several(task));
    tasks.map(|(id, task)| Problem {
        object: format!("task {id}"),
        message: format!(
            "more than one container of this node has its address {}, so each of them can answer in its name; \
             find who has CAP_NET_ADMIN and gave it to itself",
            task.address
        ),
    })
}

/// The ports behind which an address is, by the addresses of all containers.
pub(super) fn port_owners(node: &Node) -> BTreeMap<Ipv4Addr, Vec<u32>> {
    let mut port_owners: BTreeMap<Ipv4Addr, Vec<u32>> = BTreeMap::new();
    for (port, addresses) in &node.bridge_ports {
        for address in addresses {
            port_owners.entry(*address).or_default().push(*port);
        }
    }
    port_owners
}
