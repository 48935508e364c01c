//! Three equal tasks, and a way to each.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result};
use harness::agents::{SERVICE, dist};
use harness::guards::Service;
use harness::node::Node;
use harness::service::ServiceSpec;
use harness::swarm::Swarm;
use harness::wait;
use serde_json::Value;

/// For what a loaded machine does in seconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// What the tasks listen on.
const TARGET: u16 = 80;

/// How a client comes to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Routed to its address, on a node without swarmlb.
    Direct,
    /// Through a published port of its node.
    Here,
    /// Through a published port of another node.
    Elsewhere,
}

impl Way {
    pub(super) const ALL: [Self; 3] = [Self::Direct, Self::Here, Self::Elsewhere];
}

/// The Swarm, ready to be measured.
pub(super) struct Place<'a> {
    pub(super) swarm: &'a Swarm,
    direct: SocketAddr,
    here: SocketAddr,
    elsewhere: SocketAddr,
    _services: Vec<Service<'a>>,
}

impl<'a> Place<'a> {
    /// Starts the tasks and takes swarmlb from node 3.
    pub(super) fn prepare(swarm: &'a Swarm) -> Result<Self> {
        let (ingress, home, bare) = (
            swarm.node("node1")?,
            swarm.node("node2")?,
            swarm.node("node3")?,
        );
        // A service for each way: to one task, two ways would be one client's connections
        // from the same ports.
        let services = ["direct", "here", "elsewhere"];
        let places = [(bare, 8101), (home, 8102), (home, 8103)];
        let services: Vec<_> = services
            .iter()
            .zip(places)
            .map(|(name, (node, port))| {
                let spec = ServiceSpec::named(name)
                    .on_node(&node.name)
                    .publish(&format!("{port}:{TARGET}"));
                let service = swarm.service_create(&spec)?;
                let tasks = service.wait_for_tasks(1, PATIENCE)?;
                swarm.wait_until_served(&service.id, 1, PATIENCE)?;
                Ok((service, tasks))
            })
            .collect::<Result<_>>()?;
        let container = services
            .first()
            .and_then(|(_, tasks)| tasks.first()?.container.clone())
            .context("a task without a container")?;
        let task = bridge_address(bare, &container)?;
        without_swarmlb(swarm, bare)?;
        route(swarm, bare, task)?;
        Ok(Self {
            swarm,
            direct: (task, TARGET).into(),
            here: (home.addr, 8102).into(),
            elsewhere: (ingress.addr, 8103).into(),
            _services: services.into_iter().map(|(service, _)| service).collect(),
        })
    }

    /// Where a client connects to.
    pub(super) fn peer(&self, way: Way) -> SocketAddr {
        match way {
            Way::Direct => self.direct,
            Way::Here => self.here,
            Way::Elsewhere => self.elsewhere,
        }
    }
}

/// A container's address on its node's `docker_gwbridge`.
fn bridge_address(node: &Node, container: &str) -> Result<Ipv4Addr> {
    let format = "{{json .Containers}}";
    let containers = node.docker(&["network", "inspect", "docker_gwbridge", "--format", format])?;
    let containers: Value = serde_json::from_str(&containers)?;
    let address = containers
        .pointer(&format!("/{container}/IPv4Address"))
        .and_then(Value::as_str)
        .and_then(|address| address.split('/').next())
        .with_context(|| format!("{container} is not on docker_gwbridge: {containers}"))?;
    Ok(address.parse()?)
}

/// Takes the agent from a node, and everything that it left there.
fn without_swarmlb(swarm: &Swarm, node: &Node) -> Result<()> {
    let elsewhere = format!("node.hostname!={}", node.name);
    let update = ["service", "update", "--detach", "--no-resolve-image"];
    let constraint = ["--constraint-add", elsewhere.as_str(), SERVICE];
    swarm
        .manager()?
        .docker(&[&update[..], &constraint[..]].concat())?;
    wait::until(
        &format!("the end of {}'s agent", node.name),
        PATIENCE,
        || Ok(node.agent().is_err().then_some(())),
    )?;
    // What the others have to do with it shall be over, too.
    let format = "{{.UpdateStatus.State}}";
    wait::until("the end of the agents' update", PATIENCE, || {
        let state = swarm
            .manager()?
            .docker(&["service", "inspect", "--format", format, SERVICE])?;
        Ok((state == "completed").then_some(()))
    })?;
    let clean = dist("swarmlb")?;
    let clean = clean.to_str().context("a path that is no UTF-8")?;
    node.exec(clean, &["clean"]).map(drop)
}

/// The client's way to a task's address, past Docker's rules against it.
fn route(swarm: &Swarm, node: &Node, task: Ipv4Addr) -> Result<()> {
    let via = IpAddr::from(node.addr);
    swarm
        .client
        .netns()
        .ip(&format!("route add {task}/32 via {via}"))?;
    for end in ["-d", "-s"] {
        let task = task.to_string();
        node.exec(
            "iptables",
            &["-I", "DOCKER-USER", end, &task, "-j", "ACCEPT"],
        )?;
    }
    Ok(())
}
