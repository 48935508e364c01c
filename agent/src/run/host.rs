//! Facts about this host: its node in the Swarm, its devices and addresses, its processes' ports.

use super::RunError;
use crate::cli;
use crate::links::{self, ContainerAddresses, LinksError, Listening, PathMtus};
use crate::sync::ClusterView;
use lb_core::model::node::Node;
use lb_core::persistent::PersistentMap;
use lb_core::report::Problem;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

/// The bridge by which tasks reach addresses outside their overlay networks.
const BRIDGE: &str = "docker_gwbridge";
/// Time limit for the engine to report which node this host is.
const SWARM_WITHIN: Duration = Duration::from_secs(30);

/// Waits until this host's engine has reported which node this host is.
pub(super) async fn wait_for_swarm(cluster: &mut ClusterView) -> Result<(), RunError> {
    let known = async {
        loop {
            let facts = Arc::clone(&cluster.local.borrow_and_update());
            if facts.member {
                return Ok(());
            }
            if let Some(message) = &facts.message {
                return Err(RunError::NoSwarm(message.clone()));
            }
            if cluster.local.changed().await.is_err() {
                return Err(RunError::Silent("its watcher ended".to_owned()));
            }
        }
    };
    match tokio::time::timeout(SWARM_WITHIN, known).await {
        Ok(known) => known,
        Err(_) => Err(RunError::Silent("is the engine starting?".to_owned())),
    }
}

/// A problem if the ports on which the host's processes listen can't be read.
pub(super) fn listening_problem(listening: &Listening) -> Option<Problem> {
    let failure = listening.failure()?;
    Some(Problem {
        object: "ports of this host".to_owned(),
        message: format!(
            "which ports its processes listen on can't be read ({failure}), so services may take \
             them; load the modules tcp_diag and udp_diag"
        ),
    })
}

/// Reads the current facts about this host.
pub(super) async fn read_node(
    cluster: &ClusterView,
    settings: &cli::Run,
    listening: &Listening,
    container_addresses: &mut ContainerAddresses,
    path_mtus: &PathMtus,
) -> Result<Node, LinksError> {
    let facts = Arc::clone(&cluster.local.borrow());
    let links = links::read(facts.address, &settings.uplink, BRIDGE).await?;
    let runs: BTreeSet<Ipv4Addr> = facts.tasks.values().map(|task| task.address).collect();
    let containers = container_addresses.read(&links.bridge_ports, &runs).await?;
    let (mut bridge_ports, mut container_networks) = (BTreeMap::new(), BTreeMap::new());
    for (port, container) in containers {
        bridge_ports.insert(port, container.addresses);
        if !container.networks.is_empty() {
            container_networks.insert(port, container.networks);
        }
    }
    // With a named uplink, the tunnel speaks from an address of that device.
    let address = facts.address.filter(|address| links.own.contains(address));
    let path_mtus = path_mtus.less_than(links.uplink.mtu, &links.mtus);
    Ok(Node {
        id: facts.id.clone(),
        address: address.or_else(|| links.own.first().copied()),
        uplink: Some(links.uplink),
        extra_uplinks: links.extra_uplinks,
        bridge: links.bridge,
        gateway: links.gateway,
        uplink_networks: links.uplink_networks,
        netns_cookie: links::netns_cookie(),
        ephemeral_ports: links::ephemeral_ports(),
        bridges: links.bridges,
        bridge_ports,
        port_bridges: links.port_bridges,
        container_networks,
        addresses: links.addresses,
        token_keys: None,
        path_mtus,
        tasks: facts.tasks.clone(),
        listening: listening.ports().clone(),
        // The datapath knows.
        serving: PersistentMap::default(),
        drained: BTreeSet::new(),
    })
}
