//! Snapshots, nodes and what is in them, for tests here and in other crates: whatever a test does not say
//! is as it mostly is.

pub mod plain;

use crate::desired::Host;
use crate::model::ids::{NodeId, ServiceId, TaskId};
use crate::model::labels::Labels;
use crate::model::node::Link;
use crate::model::port::{Proto, PublishMode, PublishedPort};
use crate::model::port_list::PortList;
use crate::model::snapshot::{
    DesiredState, LocalHealth, NodeState, Service, Snapshot, SwarmNode, Task, TaskState,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// Makes a snapshot, one object after the other.
#[derive(Clone, Debug)]
pub struct SnapshotBuilder(Snapshot);

impl Default for SnapshotBuilder {
    fn default() -> Self {
        Self(Snapshot {
            complete: true,
            ..Snapshot::default()
        })
    }
}

impl SnapshotBuilder {
    /// A complete view of a Swarm without anything in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// And this service.
    #[must_use]
    pub fn service(mut self, id: &str, service: Service) -> Self {
        self.0.services.insert(ServiceId::from(id), service);
        self
    }

    /// And this task.
    #[must_use]
    pub fn task(mut self, id: &str, task: Task) -> Self {
        self.0.tasks.insert(TaskId::from(id), task);
        self
    }

    /// And these tasks of `service`, as [`task`] makes them, each with its node.
    #[must_use]
    pub fn tasks<'a>(
        self,
        service: &str,
        tasks: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let tasks = tasks.into_iter();
        tasks.fold(self, |view, (id, node)| view.task(id, task(service, node)))
    }

    /// And this node.
    #[must_use]
    pub fn node(mut self, id: &str, node: SwarmNode) -> Self {
        self.0.nodes.insert(NodeId::from(id), node);
        self
    }

    /// The snapshot.
    #[must_use]
    pub fn build(self) -> Snapshot {
        self.0
    }
}

/// A task of `service` that runs on `node`, and shall.
#[must_use]
pub fn task(service: &str, node: &str) -> Task {
    Task {
        service: service.into(),
        node: node.into(),
        slot: 1,
        state: TaskState::Running,
        desired: DesiredState::Running,
        host_ports: PortList::default(),
        targets: PortList::default(),
        health: LocalHealth::Ok,
    }
}

/// A worker that is ready, of whose agent nothing is known.
#[must_use]
pub fn member(hostname: &str, address: Option<Ipv4Addr>) -> SwarmNode {
    SwarmNode {
        hostname: hostname.to_owned(),
        address,
        state: NodeState::Ready,
        manager: false,
        draining: false,
        datapath: None,
        token_keys: None,
    }
}

/// A service with these ports, without labels.
#[must_use]
pub fn service(name: &str, ports: Vec<PublishedPort>) -> Service {
    Service {
        name: name.to_owned(),
        ports,
        ..Service::default()
    }
}

/// A port that every node answers.
#[must_use]
pub fn port(proto: Proto, published: u16, target: u16) -> PublishedPort {
    PublishedPort {
        proto,
        published,
        target,
        mode: PublishMode::Ingress,
    }
}

/// These labels.
#[must_use]
pub fn labels(labels: &[(&str, &str)]) -> Labels {
    let labels = labels.iter();
    labels
        .map(|(label, value)| ((*label).to_owned(), (*value).to_owned()))
        .collect()
}

/// A network card.
#[must_use]
pub fn link(name: &str, index: u32) -> Link {
    Link {
        name: name.to_owned(),
        index,
        mtu: 1500,
        mac: [2; 6],
        xdp: true,
    }
}

/// A node in a Swarm of its own, which is `address`, whose uplink has index 2 and `docker_gwbridge` 3.
#[must_use]
pub fn host(address: Ipv4Addr) -> Host {
    Host {
        address,
        tunnel_port: 7788,
        uplink: link("eth0", 2),
        mtu: 1500,
        extra_uplinks: BTreeSet::new(),
        bridge: Some(link("docker_gwbridge", 3)),
        gateway: Some(Ipv4Addr::new(172, 18, 0, 1)),
        bridges: BTreeSet::new(),
        bridge_ports: BTreeSet::new(),
        port_bridges: BTreeMap::new(),
        netns_cookie: 1,
        router_user: None,
        ephemeral_ports: None,
        addresses: [address].into(),
        token_keys: None,
        peers: BTreeMap::new(),
    }
}
