//! Equal tasks, one for each variant, and the address that a client of each variant connects to.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use harness::agents::{SERVICE, dist};
use harness::guards::Service;
use harness::node::Node;
use harness::routed;
use harness::service::ServiceSpec;
use harness::swarm::Swarm;
use harness::{wait, xdp};

/// For what a loaded machine does in seconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// Port on which the tasks listen.
const TARGET: u16 = 80;

/// A datapath between the client and a task, with or without swarmlb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    /// Routed to its address, on a node without swarmlb.
    Direct,
    /// Routed to its address, where a program on the uplink passes everything: what XDP costs by itself on
    /// a veth, which has to copy packets for it, as no NIC does.
    Passed,
    /// Routed by way of another node without swarmlb, and back: what a hop costs by itself.
    Around,
    /// Through a published port of its node.
    Here,
    /// Through a published port of another node.
    Elsewhere,
}

impl Variant {
    pub(super) const ALL: [Self; 5] = [
        Self::Direct,
        Self::Around,
        Self::Passed,
        Self::Here,
        Self::Elsewhere,
    ];

    /// In words.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Passed => "direct, idle XDP",
            Self::Around => "routed by another node",
            Self::Here => "**published port, task here**",
            Self::Elsewhere => "**published port, task elsewhere**",
        }
    }

    /// The node of its task, counted from 1.
    const fn home(self) -> usize {
        match self {
            Self::Direct | Self::Around => 3,
            Self::Passed => 4,
            Self::Here | Self::Elsewhere => 2,
        }
    }

    /// Is the task's own address what the client connects to?
    const fn is_routed(self) -> bool {
        matches!(self, Self::Direct | Self::Around | Self::Passed)
    }

    /// Enough for one to have an address that no other variant's task on another node has.
    const fn tasks(self) -> usize {
        match self {
            Self::Passed => 3,
            _ => 1,
        }
    }

    /// The service's published port.
    const fn port(self) -> u16 {
        8101 + self as u16
    }
}

/// The Swarm, ready to be measured.
pub(super) struct Testbed<'a> {
    pub(super) swarm: &'a Swarm,
    peers: [SocketAddr; Variant::ALL.len()],
    _services: Vec<Service<'a>>,
}

impl<'a> Testbed<'a> {
    /// Starts a task for each variant, and takes swarmlb from nodes 3 and 4. One task for two variants
    /// would see one client's connections from the same ports.
    pub(super) fn prepare(swarm: &'a Swarm) -> Result<Self> {
        let node = |number: usize| swarm.nodes.get(number - 1).context("a node less");
        let (bare, hop) = (node(3)?, node(4)?);
        let mut services = Vec::new();
        let mut tasks = Vec::new();
        for variant in Variant::ALL {
            let home = node(variant.home())?;
            let spec = ServiceSpec::named(&format!("{variant:?}").to_lowercase())
                .on_node(&home.name)
                .replicas(variant.tasks())
                .publish(&format!("{}:{TARGET}", variant.port()));
            let service = swarm.service_create(&spec)?;
            let running = service.wait_for_tasks(variant.tasks(), PATIENCE)?;
            swarm.wait_until_served(&service.id, variant.tasks(), PATIENCE)?;
            // Every node numbers its tasks in the same network.
            let addresses = running
                .iter()
                .map(|task| routed::bridge_address(home, task));
            let addresses = addresses.collect::<Result<Vec<_>>>()?;
            let address = addresses
                .into_iter()
                .find(|address| !tasks.contains(address));
            if variant.is_routed() {
                tasks.push(address.context("no task has an address of its own")?);
            }
            services.push(service);
        }
        without_swarmlb(swarm, &[bare, hop])?;
        xdp::attach(&hop.netns, "eth0", &xdp::PASS)?;
        let [direct, around, passed] = tasks.as_slice() else {
            bail!("three tasks are routed to, not {}", tasks.len());
        };
        routed::route(swarm, bare, *direct, bare)?;
        routed::route(swarm, hop, *passed, hop)?;
        routed::route(swarm, bare, *around, hop)?;
        routed::lead_around(bare, hop, *around)?;
        Ok(Self {
            swarm,
            peers: [
                (*direct, TARGET).into(),
                (*around, TARGET).into(),
                (*passed, TARGET).into(),
                (node(2)?.addr, Variant::Here.port()).into(),
                (node(1)?.addr, Variant::Elsewhere.port()).into(),
            ],
            _services: services,
        })
    }

    /// The address that a client connects to.
    pub(super) fn peer(&self, variant: Variant) -> SocketAddr {
        let [direct, around, passed, here, elsewhere] = self.peers;
        match variant {
            Variant::Direct => direct,
            Variant::Passed => passed,
            Variant::Around => around,
            Variant::Here => here,
            Variant::Elsewhere => elsewhere,
        }
    }
}

/// Takes the agents from nodes, and everything that they left there.
fn without_swarmlb(swarm: &Swarm, nodes: &[&Node]) -> Result<()> {
    let mut update = ["service", "update", "--detach", "--no-resolve-image"].to_vec();
    let constraints: Vec<_> = nodes
        .iter()
        .map(|node| format!("node.hostname!={}", node.name))
        .collect();
    for constraint in &constraints {
        update.extend(["--constraint-add", constraint]);
    }
    update.push(SERVICE);
    swarm.manager()?.docker(&update)?;
    for node in nodes {
        wait::until(
            &format!("the end of {}'s agent", node.name),
            PATIENCE,
            || Ok(node.agent().is_err().then_some(())),
        )?;
    }
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
    for node in nodes {
        node.exec(clean, &["clean"])?;
    }
    Ok(())
}
