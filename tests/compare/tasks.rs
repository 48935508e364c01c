//! Equal tasks on one node, one for each variant, and the address that a client of each variant connects to.
//!
//! All are tasks of services that publish a port by the mesh and one of their node: so all have
//! the same networks and the same rules around them. Each variant has a task of its own: at a task
//! of two variants, one client's connections would come from the same ports twice.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use harness::guards::Service;
use harness::node::Node;
use harness::routed;
use harness::service::ServiceSpec;
use harness::swarm::Swarm;

use crate::results::{Locality, Variant};

/// For what a machine of its own does in seconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Port on which the tasks listen.
const TARGET: u16 = 80;
/// The services, and from which ports on they publish by the mesh and on their node.
const SERVICES: [&str; 5] = ["direct", "around", "host", "here", "away"];
const MESH_PORTS: u16 = 8101;
const HOST_PORTS: u16 = 8201;

/// Where the client connects to, by variant and locality.
pub(crate) struct Tasks<'a> {
    /// The services' ids.
    pub(crate) services: Vec<Service<'a>>,
    direct: SocketAddr,
    around: SocketAddr,
    host: SocketAddr,
    here: SocketAddr,
    away: SocketAddr,
}

impl<'a> Tasks<'a> {
    /// Starts them on node 2, and routes the client to two of them, to one by way of node 3.
    pub(crate) fn start(swarm: &'a Swarm) -> Result<Self> {
        let (home, other) = (node(swarm, 2)?, node(swarm, 3)?);
        let mut services = Vec::new();
        for (number, name) in (0..).zip(SERVICES) {
            let (mesh, host) = (MESH_PORTS + number, HOST_PORTS + number);
            let spec = ServiceSpec::named(name)
                .on_node(&home.name)
                .publish(&format!("{mesh}:{TARGET}"))
                .publish(&format!("mode=host,published={host},target={TARGET}"))
                .argument("quick");
            services.push(swarm.service_create(&spec)?);
        }
        let mut addresses = Vec::new();
        for service in &services {
            let tasks = service.wait_for_tasks(1, PATIENCE)?;
            let task = tasks.first().context("a service without a task")?;
            addresses.push(routed::bridge_address(home, task)?);
        }
        let [direct, around, ..] = addresses.as_slice() else {
            anyhow::bail!("fewer tasks than services");
        };
        routed::route(swarm, home, *direct, home)?;
        routed::route(swarm, home, *around, other)?;
        routed::lead_around(home, other, *around)?;
        Ok(Self {
            services,
            direct: (*direct, TARGET).into(),
            around: (*around, TARGET).into(),
            host: (home.addr, HOST_PORTS + 2).into(),
            here: (home.addr, MESH_PORTS + 3).into(),
            away: (other.addr, MESH_PORTS + 4).into(),
        })
    }

    /// The address that the client connects to; none where the variant is not possible.
    pub(crate) fn peer(&self, variant: Variant, locality: Locality) -> Option<SocketAddr> {
        match (variant, locality) {
            (Variant::Direct, Locality::Local) => Some(self.direct),
            (Variant::Direct, Locality::Remote) => Some(self.around),
            (Variant::Host, Locality::Local) => Some(self.host),
            (Variant::Host, Locality::Remote) => None,
            (Variant::Mesh | Variant::Ebpf | Variant::Ipvs, Locality::Local) => Some(self.here),
            (Variant::Mesh | Variant::Ebpf | Variant::Ipvs, Locality::Remote) => Some(self.away),
        }
    }
}

fn node(swarm: &Swarm, number: usize) -> Result<&Node> {
    swarm.nodes.get(number - 1).context("a node less")
}
