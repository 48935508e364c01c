//! Detects networks of tasks that overlap those where clients are.

use crate::desired::Desired;
use crate::model::ids::Key;
use crate::model::node::Node;
use crate::model::snapshot::Snapshot;
use crate::report::Problem;
use ipnet::Ipv4Net;
use std::collections::BTreeSet;

/// Problems where tasks of this node have a network of their own with addresses of the uplinks' networks, one for each service
/// and network. With the `ebpf` datapath tasks see clients of it under an address of the node; with `ipvs` they can't answer them.
#[must_use]
pub fn network_overlap(
    snapshot: &Snapshot,
    node: &Node,
    desired: &Desired,
    datapath: &str,
) -> Vec<Problem> {
    let mut found = BTreeSet::new();
    for id in node.tasks.keys() {
        let Some(networks) = desired.on_link.get(&Key::from(id)) else {
            continue;
        };
        let Some(task) = snapshot.tasks.get(id) else {
            continue;
        };
        // Nobody calls the others by way of swarmlb.
        if !desired.services.contains_key(&Key::from(&task.service)) {
            continue;
        }
        for network in networks {
            for uplink in &node.uplink_networks {
                found.extend(common(network, uplink).map(|both| (&task.service, both, network)));
            }
        }
    }
    let problem = |(service, both, network): (_, Ipv4Net, &Ipv4Net)| {
        let name = snapshot.services.get(service);
        let name = name.map_or("?", |service| service.name.as_str());
        let what = if datapath == "ebpf" {
            format!("they see clients of {both} under this node's address, and not under their own")
        } else {
            format!("clients of {both} get no answers from them")
        };
        Problem {
            object: format!("service {name}"),
            message: format!(
                "its tasks on this node have a network {network} of their own, with addresses of this node's uplinks: {what}; \
                 give Docker's networks other addresses (docker swarm init --default-addr-pool, docker network create --subnet)"
            ),
        }
    };
    found.into_iter().map(problem).collect()
}

/// The addresses of clients that are in a task's network and in an uplink's: those of the one that is within the other. Where an
/// uplink has an address alone, as in some clouds, clients are around that.
fn common(own: &Ipv4Net, uplink: &Ipv4Net) -> Option<Ipv4Net> {
    let alone = uplink.prefix_len() == 32;
    if uplink.contains(own) || (own.contains(uplink) && alone) {
        Some(*own)
    } else if own.contains(uplink) {
        Some(*uplink)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
